internal import HTTPTypes
internal import Ledger

/// `/admin/v1/holds` and `/admin/v1/retention`: money that is set aside, and how long records are kept.
enum UpkeepEndpoints {
    /// Holds that one answer lists.
    private static let maxHolds: Int64 = 10_000
    /// A hundred years.
    private static let maxMonths: Int64 = 1200

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/holds", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenantIfAny()
            let filter = try call.fields.choice("filter", HoldFilter.self) ?? .open
            let limit = Int(try call.fields.count("limit", from: 1, through: maxHolds) ?? 1000)
            let holds = try await call.store().holds(filter, tenant: tenant, limit: limit)
            return try .list("holds", holds.map(HoldDocument.init))
        }
        routes.on(.get, "/retention", for: [.auditor]) { call in
            try call.requireAllTenants()
            return try .list("retention", try await call.store().retention())
        }
        routes.on(.put, "/retention/:relation", for: []) { call in
            try call.requireAllTenants()
            let relation = try call.part("relation")
            // For ever is said, never meant by saying nothing.
            guard call.fields.has("months") else { throw AdminFields.wrong("months", "is missing; null is for ever") }
            let months = try call.fields.count("months", from: 1, through: maxMonths).map { Int($0) }
            return try .json(try await call.store().setRetention(relation, months: months))
        }
    }
}
