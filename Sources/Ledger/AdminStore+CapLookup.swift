internal import GatewayCore
internal import Postgres

extension AdminStore {
    /// What drafts name, with their tenants locked: changes to one tenant happen one after the other.
    /// - Throws: of what is wrong with a draft, or missing, a `LedgerError` with its `item`.
    func lookedUp(
        _ drafts: [CapDraft], isChecked: Bool = true, _ transaction: PostgresTransaction
    ) async throws -> [Cap] {
        if isChecked {
            for (n, draft) in drafts.enumerated() {
                try LedgerError.ofItem(n) { () throws(LedgerError) in try draft.check() }
            }
        }
        let tenants = try await lockedTenants(of: drafts, transaction)
        var caps = try drafts.enumerated().map { n, draft in
            guard let tenant = tenants[draft.tenant] else {
                throw LedgerError(.notFound, field: "tenant", "there is no tenant \(draft.tenant)").ofItem(n)
            }
            return Cap(draft, of: tenant)
        }
        try await findTeams(&caps, transaction)
        try await findKeys(&caps, transaction)
        var known: Set<Cap.Identity> = []
        for (n, cap) in caps.enumerated() where !known.insert(cap.identity).inserted {
            throw LedgerError(.invalid, field: cap.draft.field, "is given twice").ofItem(n)
        }
        try await findNumbers(&caps, transaction)
        return caps
    }

    private func lockedTenants(
        of drafts: [CapDraft], _ transaction: PostgresTransaction
    ) async throws -> [String: TenantInfo] {
        for (n, draft) in drafts.enumerated() {
            try LedgerError.ofItem(n) { () throws(LedgerError) in
                try AdminText.requirePossible(draft.tenant, field: "tenant")
            }
        }
        let rows = try await transaction.query(
            """
            select * from tenants where name = any(\(Set(drafts.map(\.tenant)).sorted())) and deleted_at is null
            order by id for no key update
            """
        ).rows
        return Dictionary(try rows.map { try TenantInfo($0) }.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    }

    private func findTeams(_ caps: inout [Cap], _ transaction: PostgresTransaction) async throws {
        var named: [(n: Int, name: String)] = []
        for (n, cap) in caps.enumerated() {
            guard case .team(let name) = cap.draft.scope else { continue }
            try LedgerError.ofItem(n) { () throws(LedgerError) in try AdminText.requirePossible(name, field: "team") }
            named.append((n, name))
        }
        guard !named.isEmpty else { return }
        let rows = try await transaction.query(
            """
            select m.id, u.n from unnest(\(named.map { Int64($0.n) }), \(named.map { caps[$0.n].tenant.id }),
              \(named.map(\.name))) as u (n, tenant, name)
            join teams m on m.tenant_id = u.tenant and m.name = u.name
            """
        ).rows
        for row in rows { caps[Int(try row.get("n", as: Int64.self))].identity.team = try row.get("id") }
        for (n, name) in named where caps[n].identity.team == nil {
            throw LedgerError(.notFound, field: "team", "\(caps[n].tenant.name) has no team \(name)").ofItem(n)
        }
    }

    private func findKeys(_ caps: inout [Cap], _ transaction: PostgresTransaction) async throws {
        var numbers: [Int64] = []
        for cap in caps { if case .key(let id) = cap.draft.scope { numbers.append(id) } }
        guard !numbers.isEmpty else { return }
        let rows = try await transaction.query("select id, tenant_id from api_keys where id = any(\(numbers))").rows
        var owners: [Int64: Int64] = [:]
        for row in rows { owners[try row.get("id")] = try row.get("tenant_id", as: Int64.self) }
        for (n, cap) in caps.enumerated() {
            guard case .key(let id) = cap.draft.scope else { continue }
            guard owners[id] == cap.tenant.id else {
                throw LedgerError(.notFound, field: "key", "\(cap.tenant.name) has no key \(id)").ofItem(n)
            }
            caps[n].identity.key = id
        }
    }

    /// Sets the numbers of those that are there.
    func findNumbers(_ caps: inout [Cap], _ transaction: PostgresTransaction) async throws {
        for isLocal in [false, true] {
            let rows = caps.enumerated().filter { $1.draft.isLocal == isLocal }.map { n, cap in cap.row(n) }
            guard !rows.isEmpty else { continue }
            let isTheSame =
                isLocal
                ? "local_limits b on true"
                : """
                budgets b on coalesce(b.model_pattern, '') = coalesce(c.model, '') and b.cycle = c.cycle
                  and coalesce(b.tag, '') = coalesce(c.tag, '')
                """
            let found = try await transaction.query(
                """
                select c.n::bigint as n, b.id from jsonb_to_recordset(\(try PostgresJSON(LedgerJSON.text(rows))))
                  as c (n int, tenant bigint, team bigint, key bigint, model text, tag text, unit text, cycle text)
                join \(unescaped: isTheSame) and b.tenant_id = c.tenant and b.unit = c.unit and b.removed_at is null
                  and coalesce(b.team_id, 0) = coalesce(c.team, 0) and coalesce(b.key_id, 0) = coalesce(c.key, 0)
                """
            ).rows
            for row in found { caps[Int(try row.get("n", as: Int64.self))].id = try row.get("id") }
        }
    }

    /// What there is of each, in their order; nil: nothing.
    func infos(of caps: [Cap], _ transaction: PostgresTransaction) async throws -> [CapInfo?] {
        var budgets: [Int64: BudgetInfo] = [:]
        var limits: [Bool: [Int64: LimitInfo]] = [:]
        func numbers(_ isWanted: (CapDraft) -> Bool) -> [Int64] {
            caps.filter { isWanted($0.draft) }.compactMap(\.id)
        }
        let money = numbers { if case .budget = $0 { true } else { false } }
        if !money.isEmpty {
            for info in try await self.budgets(money, transaction) { budgets[info.id] = info }
        }
        for isLocal in [false, true] {
            let wanted = numbers { if case .limit = $0 { $0.isLocal == isLocal } else { false } }
            guard !wanted.isEmpty else { continue }
            for info in try await self.limits(wanted, isLocal: isLocal, transaction) {
                limits[isLocal, default: [:]][info.id] = info
            }
        }
        return caps.map { cap in
            guard let id = cap.id else { return nil }
            if case .budget = cap.draft { return budgets[id].map { .budget($0) } }
            return limits[cap.draft.isLocal]?[id].map { .limit($0) }
        }
    }

    /// Locks some tenants, all their budgets and some others, and these budgets' latest periods, for several changes
    /// of budgets in one transaction: in the order of everything else that locks them, which is not that of the
    /// changes.
    func lockBudgets(
        of tenants: [Int64], and others: [Int64] = [], _ transaction: PostgresTransaction
    ) async throws {
        _ = try await transaction.query(
            "select id from tenants where id = any(\(tenants)) order by id for no key update")
        _ = try await transaction.query(
            """
            select id from budgets where tenant_id = any(\(tenants)) or id = any(\(others))
            order by id for no key update
            """)
        _ = try await transaction.query(
            """
            select p.id from budget_periods p where p.id in (
              select q.id from budgets b cross join lateral (
                select x.id from budget_periods x where x.id >= b.id * 100000000 and x.id < (b.id + 1) * 100000000
                order by x.id desc limit 3) q
              where b.tenant_id = any(\(tenants)) or b.id = any(\(others)))
            order by p.id for no key update
            """)
    }
}
