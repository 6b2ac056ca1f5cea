import GatewayCore
import Logging
import Postgres
import Testing

@testable import Ledger

@Suite("Keys of another gateway, lists of models, and routes without an SLM")
struct ImportedKeyTests {
    @Test("a key whose SHA-256 was imported is known; what is stored is neither it nor its hash")
    func imported() async throws {
        let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
        let digest = KeyHasher.plainDigest("sk-some-key")
        #expect(digest.count == 64 && hasher.hash("sk-some-key") == hasher.hash(sha256: digest.uppercased()))
        #expect(hasher.hash("sk-some-key") != hasher.hash("gb-some-key"))
        let other = try KeyHasher(pepper: Array("another pepper for tests".utf8))
        #expect(other.hash(sha256: digest) != hasher.hash(sha256: digest))
        // A hash that leaked from elsewhere is no key, and neither is the text that is hashed.
        #expect(hasher.hash(digest) == nil && hasher.hash("sha256:\(digest)") == nil)
        for wrong in ["", "zz", String(repeating: "g", count: 64), digest + "0"] {
            #expect(hasher.hash(sha256: wrong) == nil)
        }
        #expect(hasher.hash("sk-" + String(repeating: "x", count: 300)) == nil)
    }

    @Test("a key is found by its number, its secret, the hash it came with, or a name that no other has")
    func names() async throws {
        try await LedgerFixture.with { fixture in
            var draft = KeyDraft(tenant: fixture.tenant.name, name: "app")
            draft.importedSHA256 = KeyHasher.plainDigest("sk-key-of-an-app")
            draft.models = ["math", "sim/*"]
            let made = try await fixture.admin.createKey(draft)
            #expect(made.secret.isEmpty && made.info.models == ["math", "sim/*"])
            for name in ["key:\(made.info.id)", "sk-key-of-an-app", KeyHasher.plainDigest("sk-key-of-an-app"), "app"] {
                let found = try await fixture.admin.key(named: name)
                #expect(found.info.id == made.info.id && found.tenant == fixture.tenant.name, "\(name)")
            }
            await #expect(throws: LedgerError.self) { try await fixture.admin.createKey(draft) }
            _ = try await fixture.admin.createKey(KeyDraft(tenant: fixture.tenant.name, name: "app"))
            await #expect(throws: LedgerError.self) { try await fixture.admin.key(named: "app") }
            await #expect(throws: LedgerError.self) { try await fixture.admin.key(named: "") }
        }
    }

    @Test("a key may name what its own list and its team's list both have, and a change holds at once")
    func lists() async throws {
        try await LedgerFixture.with { fixture in
            let tenant = fixture.tenant.name
            _ = try await fixture.admin.createTeam(name: "narrow", tenant: tenant)
            try await fixture.admin.setTeamModels(["sim/*", "math"], team: "narrow", tenant: tenant)
            let key = try await fixture.admin.createKey(KeyDraft(tenant: tenant, team: "narrow", name: "k"))
            let catalog = CatalogStore(
                pool: fixture.pool, hasher: try KeyHasher(pepper: Array("a pepper for tests".utf8)),
                logger: .init(label: "test"))
            func allowed() async throws -> [String] {
                try await catalog.refresh()
                let caller = try await catalog.authenticate(key.secret)
                return ["math", "sim/general", "other", "math2"].filter { caller.models.allows($0) }
            }
            #expect(try await allowed() == ["math", "sim/general"])
            try await fixture.admin.setKeyModels(["math*", "other"], key: key.info.id)
            #expect(try await allowed() == ["math"])
            try await fixture.admin.setTeamModels(nil, team: "narrow", tenant: tenant)
            #expect(try await allowed() == ["math", "other", "math2"])
            try await fixture.admin.setKeyModels([], key: key.info.id)
            #expect(try await allowed().isEmpty)
            await #expect(throws: LedgerError.self) {
                try await fixture.admin.setKeyModels(["no way"], key: key.info.id)
            }
            let actions = try await fixture.admin.events(tenant: tenant).map(\.action)
            #expect(actions.contains("key.models") && actions.contains("team.models"))
        }
    }

    @Test("a direct route needs no SLM, any other does, and its name may have a slash")
    func routes() async throws {
        try await LedgerFixture.with { fixture in
            var settings = RouteSettings()
            settings.strategy = .direct
            var draft = RouteDraft(
                tenant: fixture.tenant.name, name: "vendor/gpt", slm: "", prm: nil, llm: LedgerFixture.model,
                settings: settings)
            let route = try await fixture.admin.addRoute(draft)
            #expect(route.slm.isEmpty && route.name == "vendor/gpt")
            draft.name = "boosted"
            draft.settings.strategy = .stepwise
            draft.prm = "prm"
            await #expect(throws: LedgerError.self) { try await fixture.admin.addRoute(draft) }
            await #expect(throws: (any Error).self) {
                try await fixture.pool.query("update routes set settings = '{}' where slm is null")
            }
        }
    }
}
