import GatewayCore
import Testing

@testable import Ledger

@Suite("Parts of lists, and single owners: no more is read than what is asked for")
struct ListPartTests {
    /// Two teams, and keys: three of the first team, one of the second, one of none.
    private struct World {
        let red: TeamInfo
        let blue: TeamInfo
        var keys: [Int64] = []

        init(_ f: LedgerFixture) async throws {
            red = try await f.admin.createTeam(name: "red", tenant: "acme")
            blue = try await f.admin.createTeam(name: "blue", tenant: "acme")
            let wanted: [(name: String, team: String?)] = [
                ("a", "red"), ("b", "red"), ("a", "blue"), ("c", "red"), ("", nil),
            ]
            for (name, team) in wanted {
                let draft = KeyDraft(tenant: "acme", team: team, name: name)
                keys.append(try await f.admin.createKey(draft).info.id)
            }
        }
    }

    @Test("keys come by pages from the latest on, with how many there are that are not revoked")
    func keys() async throws {
        try await LedgerFixture.with { f in
            let world = try await World(f)
            let (admin, keys, first) = (f.admin, world.keys, f.key.info.id)
            _ = try await admin.createTenant(name: "other")
            let foreign = try await admin.createKey(KeyDraft(tenant: "other", name: "a")).info.id
            try await admin.revokeKey(keys[1])
            let page = try await admin.usableKeys(tenant: "acme", skipping: 1, limit: 2)
            #expect(page.keys.map(\.id) == [keys[3], keys[2]] && page.count == 5)
            let last = try await admin.usableKeys(tenant: "acme", skipping: 4, limit: 2)
            #expect(last.keys.map(\.id) == [first] && last.count == 5)
            let beyond = try await admin.usableKeys(tenant: "acme", skipping: .max, limit: 2)
            #expect(beyond.keys.isEmpty && beyond.count == 5)
            for (filter, found) in [
                (KeyFilter(team: "red"), [keys[3], keys[0]]), (KeyFilter(name: "a"), [keys[2], keys[0]]),
                (KeyFilter(team: "red", name: "a"), [keys[0]]), (KeyFilter(team: "none"), []),
                (KeyFilter(name: "\u{0}"), []),
            ] as [(KeyFilter, [Int64])] {
                let page = try await admin.usableKeys(tenant: "acme", filter, limit: 9)
                #expect(page.keys.map(\.id) == found && page.count == found.count, "\(filter)")
            }
            let ofTeams = try await admin.usableKeys(
                tenant: "acme", ofTeams: [world.red.id, world.blue.id], limit: 1)
            #expect(ofTeams[world.red.id]?.keys.map(\.id) == [keys[3]] && ofTeams[world.red.id]?.count == 2)
            #expect(ofTeams[world.blue.id]?.keys.map(\.team) == ["blue"] && ofTeams.count == 2)
            let latest = try await admin.latestKeys(tenant: "acme", before: keys[2], limit: 2)
            #expect(latest.map(\.id) == [keys[1], keys[0]])
            #expect(try await admin.latestKeys(tenant: "acme", limit: 1).map(\.id) == [keys[4]])
            let names = try await admin.keyNames(tenant: "acme", of: [keys[0], keys[4], foreign])
            #expect(names == [keys[0]: "a"])
        }
    }

    @Test("budgets and limits of some owners are those of all that are theirs, in the same order")
    func owners() async throws {
        try await LedgerFixture.with { f in
            let (admin, world) = (f.admin, try await World(f))
            let (key, other) = (world.keys[0], world.keys[2])
            for scope in [.team("red"), .key(key), .tenant, .key(other), .team("blue")] as [BudgetScope] {
                for window in [BudgetWindow.week, .day] {
                    _ = try await admin.setBudget(
                        BudgetDraft(tenant: "acme", scope: scope, window: window, limit: NanoUSD(9)))
                }
                for unit in [LimitUnit.tokens, .parallel] {
                    _ = try await admin.setLimit(LimitDraft(tenant: "acme", scope: scope, unit: unit, limit: 3))
                }
                _ = try await admin.setLimit(
                    LimitDraft(tenant: "acme", scope: scope, unit: .requests, traffic: .local, limit: 4))
            }
            try await admin.removeBudget(BudgetDraft(tenant: "acme", scope: .key(key), window: .day, limit: .zero))
            let (budgets, limits) = (try await admin.budgets(tenant: "acme"), try await admin.limits(tenant: "acme"))
            #expect(budgets.count == 10 && limits.count == 15)
            for owners in [
                [.tenant], [.key(key)], [.team(world.red.id)], [.key(key), .key(other)],
                [.team(world.blue.id), .team(world.red.id)], [.key(9999)], [],
            ] as [[BudgetOwner]] {
                func isAsked(_ team: Int64?, _ key: Int64?) -> Bool {
                    owners.contains(BudgetOwner(team: team, key: key))
                }
                let some = try await admin.budgets(tenant: "acme", of: owners)
                #expect(some.map(\.id) == budgets.filter { isAsked($0.teamID, $0.keyID) }.map(\.id), "\(owners)")
                let rates = try await admin.limits(tenant: "acme", of: owners)
                #expect(rates.map(\.id) == limits.filter { isAsked($0.teamID, $0.keyID) }.map(\.id), "\(owners)")
            }
            var parts: [LimitInfo] = []
            for skipped in stride(from: Int64(0), through: 16, by: 4) {
                let part = try await admin.limits(tenant: "acme", skipping: skipped, limit: 4)
                #expect(part.count == min(4, max(0, limits.count - Int(skipped))))
                parts += part
            }
            #expect(parts.map(\.scope) == limits.map(\.scope) && parts.map(\.id) == limits.map(\.id))
        }
    }

    /// A call's entry of a March day.
    private static func entry(
        _ f: LedgerFixture, _ moment: String, _ amount: Int64, key: Int64, team: Int64?
    ) async throws {
        try await f.run(
            """
            insert into ledger_entries (at, taken_at, tenant_id, team_id, key_id, request_id, step, attempt, kind, held,
              amount, price_id, input_tokens, output_tokens, periods)
            select '\(moment)', '\(moment)', \(f.tenant.id), \(team.map { "\($0)" } ?? "null"), \(key),
              gen_random_uuid(), 0, 0, 'charge', 0, \(amount), \(f.priceID), 1, 1, '{}'
            """)
    }

    @Test("what some have spent is what the month's reports have of them, before days are added up and after")
    func spend() async throws {
        try await LedgerFixture.with { f in
            let (admin, world) = (f.admin, try await World(f))
            let (keys, red) = (world.keys, world.red.id)
            try await Self.entry(f, "2026-03-05 12:00Z", 100, key: keys[0], team: red)
            try await Self.entry(f, "2026-03-05 13:00Z", 20, key: keys[1], team: red)
            try await Self.entry(f, "2026-03-06 12:00Z", 3, key: keys[0], team: red)
            try await Self.entry(f, "2026-03-06 13:00Z", 4000, key: keys[4], team: nil)
            try await Self.entry(f, "2026-02-06 13:00Z", 50_000, key: keys[0], team: red)
            let owners: [BudgetOwner] = [.key(keys[0]), .key(keys[2]), .team(red), .team(world.blue.id), .tenant]
            let expected: [BudgetOwner: NanoUSD] = [.key(keys[0]): NanoUSD(103), .team(red): NanoUSD(123)]
            #expect(try await admin.monthSpend(tenant: "acme", month: "2026-03", of: owners) == expected)
            while try await admin.rollDays(atMost: 100) > 0 {}
            #expect(try await f.number("select count(*) from rolled_spend") == 5)
            #expect(try await admin.monthSpend(tenant: "acme", month: "2026-03", of: owners) == expected)
            #expect(try await admin.monthSpend(tenant: "acme", month: "2026-03", of: [.tenant]).isEmpty)
            let report = try await admin.spend(tenant: "acme", month: "2026-03", by: .key)
            #expect(report.rows.first { $0.name == "key:\(keys[0])" }?.nanoUSD == 103 && report.rows.count == 3)
        }
    }

    @Test("tenants in their months come by name, page by page, and one team by its name")
    func tenants() async throws {
        try await LedgerFixture.with { f in
            for name in ["zeta", "beta", "gone"] { _ = try await f.admin.createTenant(name: name) }
            let first = try await f.admin.tenantMonths(limit: 2).map(\.tenant)
            #expect(first.map(\.name) == ["acme", "beta"])
            let second = try await f.admin.tenantMonths(after: first[1].id, limit: 2).map(\.tenant)
            #expect(second.map(\.name) == ["gone", "zeta"])
            try await f.admin.deleteTenant("gone")
            let rest = try await f.admin.tenantMonths(after: second[0].id, limit: 2)
            #expect(rest.map(\.tenant.name) == ["zeta"])
            let failure = await #expect(throws: LedgerError.self) {
                try await f.admin.tenantMonths(after: 9999, limit: 2)
            }
            #expect(failure?.field == "after")
            #expect(try await f.admin.team(named: "research", tenant: "acme").name == "research")
            let none = await #expect(throws: LedgerError.self) {
                try await f.admin.team(named: "research", tenant: "zeta")
            }
            #expect(none?.code == .notFound && none?.field == "team")
        }
    }
}
