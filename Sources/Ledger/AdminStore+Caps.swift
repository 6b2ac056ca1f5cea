internal import GatewayCore
internal import Postgres

extension AdminStore {
    /// Sets budgets and limits, or none of them. They hold at once, for open periods too, but never take back what is
    /// settled or held. Rows that calls wait for are locked last: from then until the commit those calls stand still.
    /// - Parameter isTrial: tests all of them and makes those that are new, but leaves those in force alone, and their
    ///   rows to calls: for a plan that is taken back.
    /// - Returns: what each has become, in the order of the drafts; of a trial what there is.
    /// - Throws: a `LedgerError`, whose `item` says which draft is wrong.
    package func setCaps(_ drafts: [CapDraft], isTrial: Bool = false) async throws(LedgerError) -> [CapInfo] {
        if drafts.isEmpty { return [] }
        return try await changing { transaction in
            var caps = try await lookedUp(drafts, transaction)
            try await requireTimeZones(of: drafts, transaction)
            let before = try await infos(of: caps, transaction)
            for (n, cap) in caps.enumerated() {
                try LedgerError.ofItem(n) { () throws(LedgerError) in try Self.requireRange(cap, before[n]) }
            }
            let rows = caps.enumerated().map { n, cap in cap.row(n, keeping: before[n]) }
            let new = caps.indices.filter { caps[$0].id == nil }
            try await insert(new.filter { !caps[$0].draft.isLocal }.map { rows[$0] }, transaction)
            try await insertLocal(new.filter { caps[$0].draft.isLocal }.map { rows[$0] }, transaction)
            if !new.isEmpty { try await findNumbers(&caps, transaction) }
            if !isTrial {
                let old = caps.indices.filter { before[$0] != nil }
                try await recut(old.filter { before[$0].map(caps[$0].isRecut) == true }, caps, rows, transaction)
                try await change(old.filter { !caps[$0].draft.isLocal }.map { rows[$0] }, transaction)
                try await changeLocal(old.filter { caps[$0].draft.isLocal }.map { rows[$0] }, transaction)
            }
            let after = try await infos(of: caps, transaction).map { info in
                guard let info else { throw LedgerError(.database, "a budget or limit is gone that was just set") }
                return info
            }
            try await note("set", caps, before: before, after: after, transaction)
            return after
        }
    }

    /// Takes budgets and limits away, or none of them: calls are no longer tested against them. Their history stays,
    /// and their drafts' limits say nothing.
    /// - Parameter isTrial: tests them only.
    /// - Returns: what there was, in the order of the drafts.
    @discardableResult
    package func removeCaps(_ drafts: [CapDraft], isTrial: Bool = false) async throws(LedgerError) -> [CapInfo] {
        if drafts.isEmpty { return [] }
        return try await changing { transaction in
            let caps = try await lookedUp(drafts, isChecked: false, transaction)
            let before = try await infos(of: caps, transaction)
            let gone = try before.enumerated().map { n, info in
                guard let info else {
                    let field = caps[n].draft.field
                    throw LedgerError(.notFound, field: field, "there is no such \(field)").ofItem(n)
                }
                return info
            }
            guard !isTrial else { return gone }
            let (local, counted) = (caps.filter(\.draft.isLocal), caps.filter { !$0.draft.isLocal })
            if !counted.isEmpty {
                let ids = counted.compactMap(\.id)
                _ = try await transaction.query(
                    "select id from budgets where id = any(\(ids)) order by id for no key update")
                _ = try await transaction.query("update budgets set removed_at = now() where id = any(\(ids))")
            }
            if !local.isEmpty {
                _ = try await transaction.query(
                    "update local_limits set removed_at = now() where id = any(\(local.compactMap(\.id)))")
            }
            try await note("remove", caps, before: gone, after: nil, transaction)
            return gone
        }
    }

    // MARK: - Changes

    /// Refuses a limit that makes a sum with what was added and carried in the open period which cannot be counted.
    private static func requireRange(_ cap: Cap, _ before: CapInfo?) throws(LedgerError) {
        guard case .budget(let draft) = cap.draft, case .budget(let old)? = before else { return }
        guard draft.limit.adding(old.topUp)?.adding(old.carried) == nil else { return }
        throw BudgetInfo.tooLarge("limit-usd")
    }

    private func requireTimeZones(of drafts: [CapDraft], _ transaction: PostgresTransaction) async throws {
        var known: Set<String> = []
        for (n, draft) in drafts.enumerated() {
            guard case .budget(let budget) = draft, let zone = budget.timeZone, known.insert(zone).inserted else {
                continue
            }
            do { try await requireTimeZone(zone, transaction) } catch let error as LedgerError { throw error.ofItem(n) }
        }
    }

    private func insert(_ rows: [CapRow], _ transaction: PostgresTransaction) async throws {
        guard !rows.isEmpty else { return }
        _ = try await transaction.query(
            """
            insert into budgets (tenant_id, team_id, key_id, model_pattern, tag, unit, cycle, limit_n, thresholds,
              time_zone, week_start, rollover_n)
            select tenant, team, key, model, tag, unit, cycle, limit_n, thresholds, zone, week_start, rollover_n
            from jsonb_to_recordset(\(try PostgresJSON(LedgerJSON.text(rows)))) as c (n int, tenant bigint, team bigint,
              key bigint, model text, tag text, unit text, cycle text, limit_n bigint, thresholds smallint[], zone text,
              week_start smallint, rollover_n bigint)
            order by n
            """)
    }

    private func insertLocal(_ rows: [CapRow], _ transaction: PostgresTransaction) async throws {
        guard !rows.isEmpty else { return }
        _ = try await transaction.query(
            """
            insert into local_limits (tenant_id, team_id, key_id, unit, limit_n)
            select tenant, team, key, unit, limit_n
            from jsonb_to_recordset(\(try PostgresJSON(LedgerJSON.text(rows)))) as c (n int, tenant bigint, team bigint,
              key bigint, unit text, limit_n bigint)
            order by n
            """)
    }

    /// Cuts the periods of some budgets anew: everything of their tenants moves, and is locked before anything else is,
    /// together with what is changed after it.
    private func recut(
        _ recut: [Int], _ caps: [Cap], _ rows: [CapRow], _ transaction: PostgresTransaction
    ) async throws {
        guard !recut.isEmpty else { return }
        let others = caps.filter { !$0.draft.isLocal }.compactMap(\.id)
        try await lockBudgets(of: recut.map { caps[$0].tenant.id }, and: others, transaction)
        for row in recut.map({ rows[$0] }) {
            _ = try await transaction.query(
                "select gboost_recut(\(optional: row.id), \(optional: row.zone), \(Int16(row.weekStart)))")
        }
    }

    private func change(_ rows: [CapRow], _ transaction: PostgresTransaction) async throws {
        guard !rows.isEmpty else { return }
        _ = try await transaction.query(
            "select gboost_change_budgets(\(try PostgresJSON(LedgerJSON.text(rows))))")
    }

    private func changeLocal(_ rows: [CapRow], _ transaction: PostgresTransaction) async throws {
        guard !rows.isEmpty else { return }
        _ = try await transaction.query(
            """
            update local_limits l set limit_n = c.limit_n
            from jsonb_to_recordset(\(try PostgresJSON(LedgerJSON.text(rows)))) as c (budget bigint, limit_n bigint)
            where l.id = c.budget
            """)
    }

    /// Writes the events of all of them, in the order of the drafts.
    private func note(
        _ verb: String, _ caps: [Cap], before: [CapInfo?], after: [CapInfo]?, _ transaction: PostgresTransaction
    ) async throws {
        let subjects = caps.indices.map { after?[$0].scope ?? before[$0]?.scope ?? "" }
        let old = try before.map { try $0.map { PostgresJSON(try $0.json()) } }
        let new = try caps.indices.map { n in try after.map { PostgresJSON(try $0[n].json()) } }
        _ = try await transaction.query(
            """
            insert into events (tenant_id, actor, origin, action, subject, before, after)
            select u.tenant, \(actor), nullif(concat_ws(' via ', \(optional: origin), host(inet_client_addr())), ''),
              u.action, u.subject, u.before, u.after
            from unnest(\(caps.map(\.tenant.id)), \(caps.map { "\($0.draft.field).\(verb)" }), \(subjects),
              \(old), \(new)) with ordinality as u (tenant, action, subject, before, after, n)
            order by u.n
            """)
    }
}

extension BudgetInfo {
    /// A limit, or what is added to it, makes a sum with what was added and carried over which cannot be counted.
    static func tooLarge(_ field: String) -> LedgerError {
        LedgerError(
            .invalid, field: field,
            "is too large: with what was added and carried over it is more than \(NanoUSD(Int64.max)) dollars")
    }
}
