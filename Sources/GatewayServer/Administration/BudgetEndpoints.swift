internal import GatewayCore
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/budgets`, with what is added to a period and the overrides for some days.
enum BudgetEndpoints {
    private static let changers: Set<AdminRole> = [.tenantAdmin, .billing]

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/budgets", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenant()
            let (after, limit) = try call.page()
            let found = try await call.store().budgets(tenant: tenant, after: after, limit: limit)
            return try .page("budgets", found.map { BudgetDocument($0) }, limit: limit, last: found.last?.id)
        }
        routes.on(.put, "/budgets", for: changers) { call in
            let draft = try wanted(&call)
            let store = try call.store()
            return try .json(BudgetDocument(try await FieldNames.inJSON { try await store.setBudget(draft) }))
        }
        routes.on(.delete, "/budgets", for: changers) { call in
            let draft = try changed(&call)
            return try .json(BudgetDocument(try await call.store().removeBudget(draft)))
        }
        routes.on(.post, "/budgets/top-up", for: changers) { call in
            let draft = try changed(&call, "amount_usd")
            let store = try call.store()
            return try .json(BudgetDocument(try await FieldNames.inJSON { try await store.topUpBudget(draft) }))
        }
        registerOverrides(on: routes)
    }

    private static func registerOverrides(on routes: AdminRoutes) {
        routes.on(.get, "/budgets/overrides", for: Set(AdminRole.allCases)) { call in
            let scope = try AdminScope(&call)
            let draft = try named(scope, &call)
            let overrides = try await call.store().overrides(of: draft)
            return try .list("overrides", overrides.map { BudgetOverrideDocument($0) })
        }
        routes.on(.post, "/budgets/overrides", for: changers) { call in
            let draft = try changed(&call, "limit_usd")
            let (from, until) = (try call.fields.required("from"), try call.fields.required("until"))
            let store = try call.store()
            let (budget, id) = try await FieldNames.inJSON {
                try await store.overrideBudget(draft, from: from, until: until)
            }
            return try .created(BudgetDocument(budget, override: id))
        }
        routes.on(.delete, "/budgets/overrides/:id", for: changers) { call in
            let (id, draft) = (try call.number("id"), try changed(&call))
            return try .json(BudgetDocument(try await call.store().removeOverride(id, of: draft)))
        }
    }

    // MARK: - The fields

    /// The budget that the request names.
    private static func named(_ scope: AdminScope, _ call: inout AdminCall) throws -> BudgetDraft {
        BudgetDraft(
            tenant: scope.tenant, scope: scope.scope, model: scope.model, tag: scope.tag,
            window: try call.fields.choice("window", BudgetWindow.self) ?? .month, limit: .zero)
    }

    /// The same, of one that who asks may change.
    /// - Parameter amount: the field that says how many dollars; nil: that is not asked.
    private static func changed(_ call: inout AdminCall, _ amount: String? = nil) throws -> BudgetDraft {
        let scope = try AdminScope(&call)
        try scope.requireChange(by: call.identity)
        var draft = try named(scope, &call)
        if let amount { draft.limit = try call.fields.requiredUSD(amount) }
        return draft
    }

    /// What it is to be. What the request does not name stays as it is.
    private static func wanted(_ call: inout AdminCall) throws -> BudgetDraft {
        var draft = try changed(&call, "limit_usd")
        draft.alertAt = try thresholds(&call.fields)
        draft.timeZone = try call.fields.text("time_zone")
        draft.weekStart = try call.fields.choice("week_start", Weekday.self)?.number
        draft.rollover = try rollover(&call.fields)
        return draft
    }

    /// Percentages, rising; in a query with commas between.
    private static func thresholds(_ fields: inout AdminFields) throws -> [Int]? {
        guard let value = fields.take("alert_at") else { return nil }
        let wrong = AdminFields.wrong("alert_at", "is not a rising list of percentages such as [50, 80, 95]")
        let texts: [String]
        if case .text(let text) = value {
            texts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        } else {
            guard let list = value.list else { throw wrong }
            texts = list.map { if case .number(let number) = $0 { number } else { "" } }
        }
        let values = texts.compactMap { Int($0) }
        guard values.count == texts.count, values.allSatisfy({ (1...100).contains($0) }),
            zip(values, values.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw wrong }
        return values
    }

    /// What a period passes on: dollars, or the word "none".
    private static func rollover(_ fields: inout AdminFields) throws -> BudgetRollover? {
        var others = fields
        if let value = others.take("rollover_usd"), value == .text("none") {
            fields = others
            return BudgetRollover.none
        }
        guard let most = try fields.usd("rollover_usd") else { return nil }
        return .upTo(most)
    }
}
