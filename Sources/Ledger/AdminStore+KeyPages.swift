internal import Postgres

/// Which of a tenant's keys a list is of.
package struct KeyFilter: Sendable, Hashable {
    /// Nil: of any team, and of none.
    package var team: String?
    /// Nil: of any name, and of none.
    package var name: String?
    package init(team: String? = nil, name: String? = nil) {
        self.team = team
        self.name = name
    }
}

/// Some keys of a list.
package struct KeyPage: Sendable, Hashable {
    package var keys: [KeyInfo]
    /// How many there are in the whole list.
    package var count: Int64
}

/// Parts of the lists of keys, of which a tenant may have tens of thousands.
extension AdminStore {
    /// A page of a tenant's keys that are not revoked, the latest first.
    /// - Parameters:
    ///   - skipped: how many later ones come before the first one that is wanted.
    ///   - limit: how many at most.
    package func usableKeys(
        tenant: String, _ filter: KeyFilter = KeyFilter(), skipping skipped: Int64 = 0, limit: Int
    ) async throws(LedgerError) -> KeyPage {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            guard [filter.team, filter.name].compactMap({ $0 }).allSatisfy({ AdminText.isPossible($0) }) else {
                return KeyPage(keys: [], count: 0)
            }
            let counts = try await transaction.query(
                """
                select count(*) as n from api_keys k left join teams m on m.id = k.team_id
                where k.tenant_id = \(owner.id) and k.revoked_at is null
                  and (\(optional: filter.team) is null or m.name = \(optional: filter.team))
                  and (\(optional: filter.name) is null or k.name = \(optional: filter.name))
                """
            ).rows
            let count: Int64 = try counts.first?.get("n") ?? 0
            guard skipped < count else { return KeyPage(keys: [], count: count) }
            let keys = try await transaction.query(
                """
                select k.*, m.name as team from api_keys k left join teams m on m.id = k.team_id
                where k.tenant_id = \(owner.id) and k.revoked_at is null
                  and (\(optional: filter.team) is null or m.name = \(optional: filter.team))
                  and (\(optional: filter.name) is null or k.name = \(optional: filter.name))
                order by k.id desc offset \(skipped) limit \(limit)
                """
            ).rows.map { try KeyInfo($0) }
            return KeyPage(keys: keys, count: count)
        }
    }

    /// The latest keys of some teams that are not revoked, by the team's number, each team's by their numbers. A team
    /// without any is left out.
    /// - Parameter limit: how many of each team at most.
    package func usableKeys(
        tenant: String, ofTeams teams: [Int64], limit: Int
    ) async throws(LedgerError) -> [Int64: KeyPage] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            let rows = try await transaction.query(
                """
                select k.*, m.name as team from (
                  select x.*, row_number() over (partition by x.team_id order by x.id desc) as place,
                    count(*) over (partition by x.team_id) as total
                  from api_keys x
                  where x.tenant_id = \(owner.id) and x.revoked_at is null and x.team_id = any(\(teams))) k
                join teams m on m.id = k.team_id
                where k.place <= \(limit) order by k.id
                """
            ).rows
            var pages: [Int64: KeyPage] = [:]
            for row in rows {
                let team = try row.get("team_id", as: Int64.self)
                let count = try row.get("total", as: Int64.self)
                pages[team, default: KeyPage(keys: [], count: count)].keys.append(try KeyInfo(row))
            }
            return pages
        }
    }

    /// A tenant's keys, revoked ones too, the latest first.
    /// - Parameters:
    ///   - before: only those with a smaller number; nil: from the last one on.
    ///   - limit: how many at most.
    package func latestKeys(
        tenant: String, before: Int64? = nil, limit: Int
    ) async throws(LedgerError) -> [KeyInfo] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            return try await transaction.query(
                """
                select k.*, m.name as team from api_keys k left join teams m on m.id = k.team_id
                where k.tenant_id = \(owner.id) and k.id < \(before ?? Int64.max) order by k.id desc limit \(limit)
                """
            ).rows.map { try KeyInfo($0) }
        }
    }

    /// The names of some of a tenant's keys, revoked ones too, by number. Those without a name are left out.
    package func keyNames(tenant: String, of keys: [Int64]) async throws(LedgerError) -> [Int64: String] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            let rows = try await transaction.query(
                """
                select id, name from api_keys where tenant_id = \(owner.id) and id = any(\(keys)) and name <> ''
                """
            ).rows
            var names: [Int64: String] = [:]
            for row in rows { names[try row.get("id", as: Int64.self)] = try row.get("name", as: String.self) }
            return names
        }
    }
}
