internal import GatewayCore
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/statements` and `/admin/v1/corrections`: what a tenant owes for a month, and closing months for good.
enum StatementEndpoints {
    private enum Format: String, CaseIterable { case json, csv, html }

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/statements", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenant()
            return try .list("statements", try await call.store().statements(tenant: tenant))
        }
        routes.on(.get, "/statements/:month", for: Set(AdminRole.allCases)) { call in try await show(&call) }
        routes.on(.post, "/statements/:month/close", for: [.billing]) { call in
            let (tenant, month) = (try call.tenant(), try call.part("month"))
            let store = try call.store()
            let turn = try await call.services.records.turns.next()
            defer { withExtendedLifetime(turn) {} }
            return try .json(try await store.closeStatement(tenant: tenant, month: month))
        }
        routes.on(.post, "/corrections", for: [.billing]) { call in try await enter(&call) }
    }

    private static func show(_ call: inout AdminCall) async throws -> AdminAnswer {
        let (tenant, month) = (try call.tenant(), try call.part("month"))
        let format = try call.fields.choice("format", Format.self) ?? .json
        let store = try call.store()
        let turn = try await call.services.records.turns.next()
        defer { withExtendedLifetime(turn) {} }
        let statement = try await store.statement(tenant: tenant, month: month)
        switch format {
        case .json: return try .json(statement)
        case .csv: return .text(StatementText.csv(statement), "text/csv")
        case .html: return .text(StatementPage.html(statement), "text/html")
        }
    }

    /// Its author is who asks.
    private static func enter(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try call.tenant()
        guard let kind = try call.fields.choice("kind", StatementEntryKind.self) else {
            throw AdminFields.wrong("kind", "is missing")
        }
        let amount = try amount(&call)
        guard amount != .zero, kind == .adjustment || amount > .zero else {
            throw AdminFields.wrong("amount_usd", "must be more than zero; an adjustment may also be less")
        }
        let reason = try call.fields.required("reason")
        let month = try call.fields.month()
        let store = try call.store()
        let turn = try await call.services.records.turns.next()
        defer { withExtendedLifetime(turn) {} }
        return try .created(
            try await FieldNames.inJSON(["amount": "amount_usd"]) {
                try await store.enter(kind, amount, tenant: tenant, reason: reason, month: month)
            })
    }

    /// Either way: less than nothing is what an adjustment may be.
    private static func amount(_ call: inout AdminCall) throws -> NanoUSD {
        guard let value = call.fields.take("amount_usd") else { throw AdminFields.wrong("amount_usd", "is missing") }
        guard let amount = value.text.flatMap({ NanoUSD(usd: $0) }) else {
            throw AdminFields.wrong("amount_usd", "is not a dollar amount such as 12.50 or -5 (nine decimals at most)")
        }
        return amount
    }
}
