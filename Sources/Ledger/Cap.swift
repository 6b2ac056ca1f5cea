internal import GatewayCore

/// A budget or limit that a draft names, with numbers in place of names.
struct Cap: Sendable {
    /// What no two have in common.
    struct Identity: Hashable, Sendable {
        var tenant: Int64
        var team: Int64?
        var key: Int64?
        var model: String?
        var tag: String?
        /// As `budgets.unit` has it.
        var unit: String
        /// As `budgets.cycle` has it.
        var cycle: String
        var isLocal: Bool
    }
    let draft: CapDraft
    let tenant: TenantInfo
    var identity: Identity
    /// Of budgets, or of local_limits; nil: it is to be made.
    var id: Int64?

    init(_ draft: CapDraft, of tenant: TenantInfo) {
        self.draft = draft
        self.tenant = tenant
        switch draft {
        case .budget(let budget):
            identity = Identity(
                tenant: tenant.id, model: budget.model, tag: budget.tag, unit: "usd", cycle: budget.window.rawValue,
                isLocal: false)
        case .limit(let limit):
            identity = Identity(
                tenant: tenant.id, model: limit.model, tag: limit.tag, unit: limit.unit.rawValue,
                cycle: limit.unit == .parallel ? "total" : "minute", isLocal: limit.traffic == .local)
        }
    }

    /// What it becomes: what the draft leaves out stays as it is, or is as new ones are.
    func row(_ number: Int, keeping before: CapInfo? = nil) -> CapRow {
        var row = CapRow(n: number, id: id, identity: identity, limit: draft.limit)
        guard case .budget(let draft) = draft else { return row }
        let old: BudgetInfo? = if case .budget(let info)? = before { info } else { nil }
        row.thresholds = draft.alertAt ?? old?.alertAt ?? []
        row.zone = draft.timeZone ?? old?.timeZone
        row.weekStart = draft.weekStart ?? old?.weekStart ?? 1
        row.rollover = (draft.rollover.map(\.limit) ?? old?.rolloverUpTo)?.rawValue
        return row
    }

    /// Whether its periods are cut otherwise than before.
    func isRecut(_ before: CapInfo) -> Bool {
        guard case .budget(let old) = before else { return false }
        let row = row(0, keeping: before)
        return row.zone != old.timeZone || row.weekStart != old.weekStart
    }
}

/// What the database's functions and statements read of a `Cap`: an object of a JSON array.
struct CapRow: Encodable, Sendable {
    /// Its draft's place.
    var n: Int
    var id: Int64?
    var tenant: Int64
    var team: Int64?
    var key: Int64?
    var model: String?
    var tag: String?
    var unit: String
    var cycle: String
    var limit: Int64
    var thresholds: [Int] = []
    var zone: String?
    var weekStart = 1
    var rollover: Int64?

    init(n: Int, id: Int64?, identity: Cap.Identity, limit: Int64) {
        (self.n, self.id, self.limit) = (n, id, limit)
        (tenant, team, key) = (identity.tenant, identity.team, identity.key)
        (model, tag, unit, cycle) = (identity.model, identity.tag, identity.unit, identity.cycle)
    }

    enum CodingKeys: String, CodingKey {
        case n, tenant, team, key, model, tag, unit, cycle, thresholds, zone
        case id = "budget"
        case limit = "limit_n"
        case weekStart = "week_start"
        case rollover = "rollover_n"
    }
}
