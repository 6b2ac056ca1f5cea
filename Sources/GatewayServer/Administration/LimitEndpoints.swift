internal import GatewayCore
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/limits`: requests and tokens per minute, and calls in parallel.
enum LimitEndpoints {
    private static let units: [(unit: LimitUnit, field: String)] = [
        (.requests, "requests_per_minute"), (.tokens, "tokens_per_minute"), (.parallel, "parallel"),
    ]

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/limits", for: Set(AdminRole.allCases)) { call in
            let tenant = try call.tenant()
            return try .list("limits", try await call.store().limits(tenant: tenant))
        }
        routes.on(.put, "/limits", for: [.tenantAdmin]) { call in
            let drafts = try wanted(&call)
            return try .list("limits", try await call.store().setLimits(drafts))
        }
        routes.on(.delete, "/limits", for: [.tenantAdmin]) { call in
            let drafts = try named(&call)
            return try .list("removed", try await call.store().removeLimits(drafts))
        }
    }

    /// What the limits are to be. Those that are not named stay; null is refused, since it could mean either to stay or
    /// to go.
    private static func wanted(_ call: inout AdminCall) throws -> [LimitDraft] {
        let common = try draft(of: &call)
        var drafts: [LimitDraft] = []
        for (unit, field) in units {
            guard !call.fields.isNull(field) else {
                throw AdminFields.wrong(field, "is null; a limit is taken away by DELETE")
            }
            guard let limit = try call.fields.count(field) else { continue }
            var wanted = common
            wanted.unit = unit
            wanted.limit = limit
            drafts.append(wanted)
        }
        return try some(drafts)
    }

    /// Which limits, each by a field that says true.
    private static func named(_ call: inout AdminCall) throws -> [LimitDraft] {
        let common = try draft(of: &call)
        var drafts: [LimitDraft] = []
        for (unit, field) in units {
            guard try call.fields.flag(field) == true else { continue }
            var named = common
            named.unit = unit
            drafts.append(named)
        }
        return try some(drafts)
    }

    /// A limit of the scope that the request names and who asks may change, of whatever unit.
    private static func draft(of call: inout AdminCall) throws -> LimitDraft {
        let scope = try AdminScope(&call)
        try scope.requireChange(by: call.identity)
        var draft = LimitDraft(
            tenant: scope.tenant, scope: scope.scope, unit: .requests,
            traffic: try call.fields.choice("for", LimitedTraffic.self) ?? .paid, limit: 0)
        draft.model = scope.model
        draft.tag = scope.tag
        return draft
    }

    private static func some(_ drafts: [LimitDraft]) throws -> [LimitDraft] {
        guard !drafts.isEmpty else {
            throw GatewayRefusal.invalidRequest(
                "One of 'requests_per_minute', 'tokens_per_minute' and 'parallel' is needed.", parameter: nil)
        }
        return drafts
    }
}
