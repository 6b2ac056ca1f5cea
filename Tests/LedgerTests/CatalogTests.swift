import Foundation
import GatewayCore
import GatewayTesting
import Ledger
import Logging
import Postgres
import Testing

@Suite("The catalog's snapshot")
struct CatalogTests {
    private func store(
        _ f: LedgerFixture, now: @escaping @Sendable () -> Date = { Date() }
    ) async throws -> CatalogStore {
        let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
        let store = CatalogStore(pool: f.pool, hasher: hasher, logger: .quiet, now: now)
        try await store.refresh()
        return store
    }

    @Test("a key stands for its caller; a wrong, revoked or suspended one says why")
    func authenticate() async throws {
        try await LedgerFixture.with { f in
            let catalog = try await store(f)
            let caller = try await catalog.authenticate(f.key.secret)
            #expect(caller.keyID == f.key.info.id && caller.tenant.name == "acme" && caller.teamID != nil)
            await #expect(throws: AuthenticationFailure.unknownKey) { try await catalog.authenticate("gb-nothing") }
            await #expect(throws: AuthenticationFailure.unknownKey) { try await catalog.authenticate("") }
            try await f.admin.setTenantSuspended(true, tenant: "acme")
            try await catalog.refresh()
            await #expect(throws: AuthenticationFailure.tenantSuspended) {
                try await catalog.authenticate(f.key.secret)
            }
            try await f.admin.revokeKey(f.key.info.id)
            try await catalog.refresh()
            await #expect(throws: AuthenticationFailure.revoked) { try await catalog.authenticate(f.key.secret) }
        }
    }

    @Test("row 18: a key made after the snapshot works at once, in many requests; a rotated one stops, its id stays")
    func misses() async throws {
        try await LedgerFixture.with { f in
            let catalog = try await store(f)
            // Another key that is not known has the database asked a moment before.
            await #expect(throws: AuthenticationFailure.unknownKey) { try await catalog.authenticate("gb-nothing") }
            var (fresh, known): (NewKey?, [Int64?]) = (nil, [])
            // No key waits for the database longer than two seconds: on a busy machine the first may be too early.
            for _ in 0..<5 where known.isEmpty || known.contains(nil) {
                let key = try await f.admin.createKey(KeyDraft(tenant: "acme", expiresAt: Date() + 3600))
                known = await withTaskGroup(of: Int64?.self) { group in
                    for _ in 0..<20 { group.addTask { try? await catalog.authenticate(key.secret).keyID } }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                fresh = key
            }
            let made = try #require(fresh)
            #expect(known == Array(repeating: made.info.id, count: 20))
            let rotated = try await f.admin.rotateKey(made.info.id)
            try await catalog.refresh()
            #expect(rotated.info.id == made.info.id && rotated.secret != made.secret)
            #expect(try await catalog.authenticate(rotated.secret).keyID == made.info.id)
            await #expect(throws: AuthenticationFailure.unknownKey) { try await catalog.authenticate(made.secret) }
        }
    }

    @Test("a route and a price made after the snapshot are known at once; a provider's model asks for no route")
    func missingNames() async throws {
        try await LedgerFixture.with { f in
            let catalog = try await store(f)
            var settings = RouteSettings()
            settings.strategy = .direct
            var (route, price): (RouteRecord?, ModelPrice?) = (nil, nil)
            // Nothing waits for the database longer than two seconds: on a busy machine that may be too short.
            for number in 0..<5 where route == nil || price == nil {
                let model = ModelReference(provider: "sim", model: "later-\(number)")
                let name = "plain-\(number)"
                _ = try await f.admin.addRoute(
                    RouteDraft(tenant: "acme", name: name, slm: "", prm: nil, llm: model, settings: settings))
                route = await catalog.route(name, tenantID: f.tenant.id)
                _ = try await f.admin.setPrice(
                    PriceDraft(model: model, inputUSDPerMtok: "1", outputUSDPerMtok: "2", effectiveAt: Date() - 60))
                price = await catalog.price(model)
            }
            #expect(route != nil && route?.llm == price?.model)
            #expect(await catalog.route("sim/later", tenantID: f.tenant.id) == nil)
            // What has no price is looked for once, not with every request.
            let never = ModelReference(provider: "sim", model: "never")
            #expect(await catalog.price(never) == nil)
            let start = ContinuousClock.now
            for _ in 0..<100 { #expect(await catalog.price(never) == nil) }
            #expect(start.duration(to: .now) < .seconds(5))
        }
    }

    @Test("prices take effect on time without a new snapshot, and the snapshot outlives the database")
    func prices() async throws {
        try await LedgerFixture.with { f in
            let clock = SettableClock(Date())
            _ = try await f.admin.setPrice(
                PriceDraft(
                    model: LedgerFixture.model, inputUSDPerMtok: "7.25", outputUSDPerMtok: "0.000001",
                    cachedInputUSDPerMtok: "0", effectiveAt: Date() + 3600))
            let catalog = try await store(f, now: { clock.now })
            #expect(await catalog.price(LedgerFixture.model)?.id == f.priceID)
            await f.pool.close(within: .seconds(1))
            await #expect(throws: LedgerError.self) { try await catalog.refresh() }
            clock.now = Date() + 3601
            let later = await catalog.price(LedgerFixture.model)
            #expect(later?.rates.input == 7_250_000 && later?.rates.output == 1)
            #expect(later?.rates.cachedInput == 0)
            #expect(try await catalog.authenticate(f.key.secret).keyID == f.key.info.id)
            #expect(await catalog.pricedModels() == [LedgerFixture.model])
            #expect(await catalog.price(ModelReference(provider: "sim", model: "none")) == nil)
        }
    }

    @Test("a catalog whose version went back, as in a restored database, is followed, and said once")
    func restored() async throws {
        try await LedgerFixture.with { f in
            let log = KeptLog()
            let logger = log.logger
            let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
            let catalog = CatalogStore(pool: f.pool, hasher: hasher, logger: logger)
            try await f.run("update catalog_version set version = version + 1000")
            try await catalog.refresh()
            try await f.admin.revokeKey(f.key.info.id)
            try await f.run("update catalog_version set version = version - 500")
            for _ in 0..<3 { try await catalog.refresh() }
            await #expect(throws: AuthenticationFailure.revoked) { try await catalog.authenticate(f.key.secret) }
            #expect(log.lines(.warning).filter { $0.message.contains("went back") }.count == 1)
            // And from there on as ever.
            let key = try await f.admin.createKey(KeyDraft(tenant: "acme"))
            try await f.admin.setTenantSuspended(true, tenant: "acme")
            try await catalog.refresh()
            await #expect(throws: AuthenticationFailure.tenantSuspended) {
                try await catalog.authenticate(key.secret)
            }
            #expect(log.lines(.warning).count == 1)
        }
    }
}
