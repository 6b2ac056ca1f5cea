import Foundation
import GatewayCore
import GatewayTesting
import Postgres
import Testing

@testable import Ledger

@Suite("How the catalog is read")
struct CatalogLoadTests {
    private func store(_ f: LedgerFixture) throws -> CatalogStore {
        CatalogStore(pool: f.pool, hasher: try Self.hasher(), logger: .quiet)
    }

    private static func hasher() throws -> KeyHasher { try KeyHasher(pepper: Array("a pepper for tests".utf8)) }

    private func load(_ f: LedgerFixture) async throws -> CatalogSnapshot {
        try await f.pool.transaction(isolation: .repeatableRead) { try await CatalogSnapshot.load($0) }
    }

    private func key(_ secret: String, in snapshot: CatalogSnapshot) throws -> CatalogSnapshot.Key? {
        snapshot.keys[try #require(try Self.hasher().hash(secret))]
    }

    @Test("keys are given what their tenants and teams are; of a tenant that is deleted nothing is left")
    func owners() async throws {
        try await LedgerFixture.with { f in
            try await f.admin.setTeamModels(["math*"], team: "research", tenant: "acme")
            var draft = KeyDraft(tenant: "acme", team: "research")
            draft.models = ["*-small"]
            let limited = try await f.admin.createKey(draft)
            let lone = try await f.admin.createKey(KeyDraft(tenant: "acme"))
            let other = try await f.admin.createTenant(name: "other", timeZone: "Europe/Berlin")
            let others = try await f.admin.createKey(KeyDraft(tenant: "other"))
            let scopes: [(String, BudgetScope)] = [
                ("acme", .tenant), ("acme", .key(lone.info.id)), ("other", .tenant),
            ]
            for (tenant, scope) in scopes {
                _ = try await f.admin.setLimit(
                    LimitDraft(tenant: tenant, scope: scope, unit: .requests, traffic: .local, limit: 3))
            }
            var settings = RouteSettings()
            settings.strategy = .direct
            for tenant in ["acme", "other"] {
                _ = try await f.admin.addRoute(
                    RouteDraft(
                        tenant: tenant, name: "plain", slm: "", prm: nil, llm: LedgerFixture.model, settings: settings))
            }
            try await f.admin.setTeamSuspended(true, team: "research", tenant: "acme")
            let before = try await load(f)
            let first = try #require(try key(limited.secret, in: before))
            #expect(first.isSuspended && first.caller.teamID != nil && first.caller.tenant.id == f.tenant.id)
            #expect(first.caller.models.allows("math-small"))
            #expect(!first.caller.models.allows("math-large") && !first.caller.models.allows("law-small"))
            let second = try #require(try key(lone.secret, in: before))
            #expect(!second.isSuspended && second.caller.teamID == nil && second.caller.models.allows("law-large"))
            #expect(try key(others.secret, in: before)?.caller.tenant.timeZone == "Europe/Berlin")
            #expect(before.localLimits[f.tenant.id]?.map(\.name) == ["tenant:acme", "key:\(lone.info.id)"])
            #expect(before.localLimits[other.id]?.map(\.name) == ["tenant:other"] && before.routes.count == 2)
            try await f.admin.deleteTenant("other")
            let after = try await load(f)
            #expect(after.keys.count == before.keys.count - 1 && after.localLimits[other.id] == nil)
            #expect(try key(others.secret, in: after) == nil && after.routes.keys.map(\.tenantID) == [f.tenant.id])
        }
    }

    @Test("of a model's prices the one in force is kept, and those to come; those before it are not")
    func prices() async throws {
        try await LedgerFixture.with { f in
            var ids = [f.priceID]
            for (dollars, hours) in [("3", -2.0), ("5", 1.0), ("7", 2.0)] {
                let draft = try PriceDraft(
                    model: LedgerFixture.model, inputUSDPerMtok: dollars, outputUSDPerMtok: "1",
                    effectiveAt: Date() + hours * 3600)
                ids.append(try await f.admin.setPrice(draft).price.id)
            }
            let versions = try await load(f).prices[LedgerFixture.model] ?? []
            #expect(versions.map(\.price.id) == Array(ids.dropFirst()))
        }
    }

    @Test("what is read grows as what there is: joins of whole tables, planned for empty ones, took minutes")
    func linear() async throws {
        let tenants: Int64 = 200
        try await LedgerFixture.with { f in
            for sql in [
                "insert into tenants (name) select 'tenant-' || i from generate_series(1, \(tenants)) i",
                "insert into teams (tenant_id, name) select id, 'team' from tenants",
                """
                insert into api_keys (tenant_id, team_id, prefix, hash)
                select tenant_id, id, 'gb-', sha256(id::text::bytea) from teams
                """,
                """
                insert into models (tenant_id, name, kind, file, sha256, bytes)
                select id, 'slm', 'slm', '/slm', repeat('0', 64), 1 from tenants
                """,
                """
                insert into routes (tenant_id, name, slm, llm_provider, llm_model)
                select id, 'route', 'slm', 'sim', 'large' from tenants
                """,
                """
                insert into local_limits (tenant_id, team_id, unit, limit_n)
                select tenant_id, id, 'tokens', 1 from teams
                """,
                """
                insert into prices (provider, model, input_pico, output_pico, effective_at)
                select 'sim', 'model-' || i, 1, 1, now() - n * interval '1 day'
                from generate_series(1, \(tenants / 2)) i, generate_series(1, 2) n
                """,
            ] { try await f.run(sql) }
            let read = try await f.pool.transaction(isolation: .repeatableRead) { transaction in
                // As the worst statistics would have it: each join by comparing every row with every row.
                let joins = ["hashjoin", "mergejoin", "material", "memoize"]
                for way in joins + ["indexscan", "indexonlyscan", "bitmapscan"] {
                    try await transaction.script("set local enable_\(way) = off")
                }
                let before = try await Self.rowsRead(transaction)
                let snapshot = try await CatalogSnapshot.load(transaction)
                #expect(snapshot.keys.count == Int(tenants) + 3 && snapshot.prices.count == Int(tenants / 2) + 1)
                return try await Self.rowsRead(transaction) - before
            }
            // Seven tables with a row for each tenant, and a few rows more; one join would be twenty times as many.
            #expect(read >= 7 * tenants && read < 10 * tenants, "\(read)")
        }
    }

    /// How many rows this session's statements took from tables, as far as the server has not added it up yet: within a
    /// transaction it does not.
    private static func rowsRead(_ transaction: PostgresTransaction) async throws -> Int64 {
        let row = try await transaction.query(
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint as n from pg_stat_xact_user_tables"
        ).rows.first
        return try row?.getOptional("n") ?? 0
    }

    @Test("a key that the database cannot be asked for is not called unknown, however many are; a known one is let in")
    func databaseAway() async throws {
        try await LedgerFixture.with { f in
            let catalog = try store(f)
            try await catalog.refresh()
            let empty = try store(f)
            await f.pool.close(within: .seconds(1))
            let unanswered = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask { await Self.failure(of: "gb-nothing-\(number)", catalog) == .unavailable }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(unanswered == 200)
            #expect(await Self.failure(of: f.key.secret, catalog) == nil)
            // What can be no key of ours needs nobody to be asked.
            #expect(await Self.failure(of: "nothing", catalog) == .unknownKey)
            // Nothing was ever read.
            #expect(await Self.failure(of: f.key.secret, empty) == .unavailable)
        }
    }

    @Test("a key whose look-up failed is looked up again once the catalog can be read, and is unknown only if it is")
    func unreadable() async throws {
        try await LedgerFixture.with { f in
            let catalog = try store(f)
            try await catalog.refresh()
            let key = try await f.admin.createKey(KeyDraft(tenant: "acme"))
            try await f.run("alter table api_keys rename to hidden_keys")
            #expect(await Self.failure(of: key.secret, catalog) == .unavailable)
            #expect(await Self.failure(of: f.key.secret, catalog) == nil)
            try await f.run("alter table hidden_keys rename to api_keys")
            var (made, never): (AuthenticationFailure?, AuthenticationFailure?) = (.unavailable, .unavailable)
            // No key waits for the database longer than two seconds: on a busy machine that may be too short.
            for _ in 0..<5 where made == .unavailable { made = await Self.failure(of: key.secret, catalog) }
            for _ in 0..<5 where never == .unavailable { never = await Self.failure(of: "gb-nothing", catalog) }
            #expect(made == nil && never == .unknownKey)
        }
    }

    private static func failure(of secret: String, _ catalog: CatalogStore) async -> AuthenticationFailure? {
        do throws(AuthenticationFailure) {
            _ = try await catalog.authenticate(secret)
            return nil
        } catch { return error }
    }
}
