internal import HTTPTypes
internal import Ledger

/// `/admin/v1/spend`: a month's spend, exact to the nano-dollar.
enum SpendEndpoints {
    private enum Format: String, CaseIterable { case json, csv, focus }

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/spend", for: Set(AdminRole.allCases)) { call in try await spend(&call) }
    }

    private static func spend(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try call.tenant()
        let month = try call.fields.month()
        let grouping = try call.fields.choice("by", SpendGrouping.self)
        let format = try call.fields.choice("format", Format.self) ?? .json
        guard format != .focus || grouping == nil else {
            throw AdminFields.wrong("by", "says nothing with the format focus, which is by day")
        }
        let store = try call.store()
        let turn = try await call.services.records.turns.next()
        defer { withExtendedLifetime(turn) {} }
        if format == .focus {
            return .text(FocusText.csv(try await store.focus(tenant: tenant, month: month)), "text/csv")
        }
        let report = try await store.spend(tenant: tenant, month: month, by: grouping ?? .model)
        return try format == .csv ? .text(SpendText.csv(report), "text/csv") : .json(report)
    }
}
