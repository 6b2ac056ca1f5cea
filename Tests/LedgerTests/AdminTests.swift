import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("Administration")
struct AdminTests {
    private func failure(_ body: () async throws -> Void) async -> LedgerError? {
        await #expect(throws: LedgerError.self) { try await body() }
    }

    @Test("errors name the field that is wrong")
    func fields() async throws {
        try await LedgerFixture.with { f in
            let admin = f.admin
            for zone in ["CET+1", "CET", "Europe/Berlim", "Europe/Berlin1", "", "+02:00"] {
                let error = await failure { _ = try await admin.createTenant(name: "a", timeZone: zone) }
                #expect(error?.field == "time-zone", "\(zone)")
            }
            for (index, zone) in ["Etc/GMT-14", "America/Port-au-Prince", "America/Argentina/Ushuaia"].enumerated() {
                _ = try await admin.createTenant(name: "z\(index)", timeZone: zone)
            }
            #expect(await failure { _ = try await admin.createTenant(name: "a b") }?.field == "name")
            #expect(await failure { _ = try await admin.createTenant(name: "acme") }?.code == .conflict)
            #expect(await failure { _ = try await admin.tenant(named: "none") }?.code == .notFound)
            let teamless = KeyDraft(tenant: "acme", team: "x")
            #expect(await failure { _ = try await admin.createKey(teamless) }?.field == "team")
            let past = KeyDraft(tenant: "acme", expiresAt: .distantPast)
            #expect(await failure { _ = try await admin.createKey(past) }?.field == "expires")
            let negative = BudgetDraft(tenant: "acme", limit: NanoUSD(-1))
            #expect(await failure { _ = try await admin.setBudget(negative) }?.field == "limit-usd")
            let alert = BudgetDraft(tenant: "acme", limit: .zero, alertAt: [101])
            #expect(await failure { _ = try await admin.setBudget(alert) }?.field == "alert-at")
            #expect(await failure { _ = try await admin.spend(tenant: "acme", month: "2026-13") }?.field == "month")
            let price = await failure {
                _ = try PriceDraft(model: LedgerFixture.model, inputUSDPerMtok: "1.0000001", outputUSDPerMtok: "1")
            }
            #expect(price?.field == "input-usd-per-mtok")
        }
    }

    @Test("a value that the database refuses is answered with what is allowed, whichever check it was")
    func allowed() async throws {
        try await LedgerFixture.with { f in
            for error in [
                await failure({ _ = try await f.admin.createTenant(name: "a b") }),
                await failure({ _ = try await f.admin.createTeam(name: "T T", tenant: "acme") }),
            ] {
                #expect(error?.code == .invalid && error?.field == "name")
                #expect(error?.message.contains("1 to 63 letters, digits and . _ -") == true)
                #expect(error.map { "\($0)".contains("SQLSTATE") } == false)
            }
            let names = try await f.pool.query(
                """
                select conname::text as name from pg_constraint where contype = 'c' and conrelid = any (array['tenants',
                  'teams', 'routes', 'prices', 'price_tiers', 'budget_overrides', 'retention', 'statement_entries',
                  'destinations']::regclass[])
                """
            ).rows.map { try $0.get("name", as: String.self) }
            #expect(names.count > 25)
            #expect(names.filter { LedgerConstraint.problem($0) == nil } == [])
            let rate = try #require(LedgerConstraint.problem("price_tiers_cached_input_pico_check"))
            #expect(rate.field == "cached-input" && rate.message == "is negative")
        }
    }

    /// A head may belong to an adapter; on its own states only beside the route whose SLM that is.
    private func heads(_ f: LedgerFixture, file: String) async throws {
        for name in ["fine", "finer"] {
            _ = try await f.admin.addModel(
                ModelDraft(tenant: "acme", name: name, kind: .adapter, file: file, base: "small"))
        }
        let second = ModelDraft(tenant: "acme", name: "x", kind: .adapter, file: file, base: "fine")
        #expect(await failure { _ = try await f.admin.addModel(second) }?.field == "base")
        for (name, kind) in [("own", RewardKind.sharedHead), ("reader", .head)] {
            _ = try await f.admin.addModel(
                ModelDraft(tenant: "acme", name: name, kind: .prm, file: file, base: "fine", rewardKind: kind))
        }
        var draft = RouteDraft(
            tenant: "acme", name: "fine", slm: "finer", prm: "own", llm: LedgerFixture.model, settings: RouteSettings())
        #expect(await failure { _ = try await f.admin.addRoute(draft) }?.field == "prm")
        draft.prm = "reader"
        _ = try await f.admin.addRoute(draft)
        (draft.slm, draft.prm) = ("fine", "own")
        _ = try await f.admin.changeRoute(draft)
        draft.slm = "small"
        #expect(await failure { _ = try await f.admin.changeRoute(draft) }?.field == "prm")
        #expect(await failure { try await f.admin.removeModel("fine", tenant: "acme") }?.field == "model")
        try await f.admin.removeRoute("fine", tenant: "acme")
        for name in ["own", "reader", "fine", "finer"] { try await f.admin.removeModel(name, tenant: "acme") }
    }

    /// Nothing but heads and adapters belongs to another model, and nothing to itself.
    private func bases(_ f: LedgerFixture, file: String) async {
        let drafts = [
            ModelDraft(tenant: "acme", name: "y", kind: .slm, file: file, base: "small"),
            ModelDraft(tenant: "acme", name: "y", kind: .slm, file: file, base: "y"),
            ModelDraft(tenant: "acme", name: "small", kind: .adapter, file: file, base: "small"),
            ModelDraft(tenant: "acme", name: "y", kind: .prm, file: file, base: "small", rewardKind: .tokens),
        ]
        for draft in drafts {
            #expect(await failure { _ = try await f.admin.addModel(draft) }?.field == "base", "\(draft)")
        }
    }

    @Test("models carry the SHA-256 of their file, routes need models of the right kind, removal respects both")
    func modelsAndRoutes() async throws {
        try await LedgerFixture.with { f in
            let file = temporaryDirectory()
            try Data("abc".utf8).write(to: URL(fileURLWithPath: file))
            let slm = try await f.admin.addModel(ModelDraft(tenant: "acme", name: "small", kind: .slm, file: file))
            #expect(slm.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
            let headless = ModelDraft(tenant: "acme", name: "p", kind: .prm, file: file, rewardKind: .sharedHead)
            #expect(await failure { _ = try await f.admin.addModel(headless) }?.field == "base")
            _ = try await f.admin.addModel(
                ModelDraft(
                    tenant: "acme", name: "judge", kind: .prm, file: file, base: "small", rewardKind: .sharedHead))
            let baseless = ModelDraft(tenant: "acme", name: "h", kind: .prm, file: file, rewardKind: .head)
            #expect(await failure { _ = try await f.admin.addModel(baseless) }?.field == "base")
            let head = try await f.admin.addModel(
                ModelDraft(tenant: "acme", name: "h", kind: .prm, file: file, base: "small", rewardKind: .head))
            #expect(head.rewardKind == .head)
            try await f.admin.removeModel("h", tenant: "acme")
            try await heads(f, file: file)
            await bases(f, file: file)
            var draft = RouteDraft(
                tenant: "acme", name: "math", slm: "judge", prm: "judge", llm: LedgerFixture.model,
                settings: RouteSettings())
            #expect(await failure { _ = try await f.admin.addRoute(draft) }?.field == "slm")
            draft.slm = "small"
            draft.settings = try RouteSettings(json: #"{"max_steps": 7, "shadow_price": 2.5}"#)
            let route = try await f.admin.addRoute(draft)
            #expect(route.settings.maxSteps == 7 && route.settings.shadowPrice == 2.5)
            let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
            let catalog = CatalogStore(pool: f.pool, hasher: hasher, logger: .quiet)
            try await catalog.refresh()
            #expect(await catalog.route("math", tenantID: f.tenant.id) == route)
            #expect(await catalog.route("math", tenantID: f.tenant.id + 1) == nil)
            #expect(await catalog.models().map(\.name) == ["small", "judge"])
            let needed = await failure { try await f.admin.removeModel("judge", tenant: "acme") }
            #expect(needed?.message.contains("route math") == true)
            try await f.admin.removeRoute("math", tenant: "acme")
            try await f.admin.removeModel("judge", tenant: "acme")
            #expect(try await f.admin.models(tenant: "acme").map(\.name) == ["small"])
            let latest = try await f.admin.events(tenant: "acme").prefix(2).map(\.action)
            #expect(latest == ["model.remove", "route.remove"])
        }
    }

    @Test(
        "route settings name what is wrong",
        arguments: [
            (#"{"max_step": 1}"#, "settings.max_step"), (#"{"max_steps": "1"}"#, "settings.max_steps"),
            (#"{"max_steps": 0}"#, "settings.max_steps"),
            (#"{"llm_success_prior": 2}"#, "settings.llm_success_prior"),
            ("[]", "settings"), (#"{"strategy": "guess"}"#, "settings.strategy"),
        ])
    func settings(json: String, field: String) {
        let error = #expect(throws: LedgerError.self) { try RouteSettings(json: json) }
        #expect(error?.field == field)
    }

    @Test(
        "settings that no route is saved with are named by their field, and are still read of routes that have them",
        arguments: [
            (#"{"boundary": {"pattern": "("}}"#, "settings.boundary"),
            (#"{"boundary": {"pattern": "(?P<s>a)"}}"#, "settings.boundary"),
            (#"{"shadow_price": 2, "target": "floor"}"#, "settings.shadow_price"),
            (#"{"target": "budget", "shadow_price": 2}"#, "settings.shadow_price"),
        ])
    func unsavable(json: String, field: String) throws {
        let settings = try RouteSettings(json: json)
        let error = #expect(throws: LedgerError.self) { try settings.checkForSaving() }
        #expect(error?.field == field)
    }

    @Test("a route is added and changed only with a step pattern that is run in time")
    func patterns() async throws {
        try await LedgerFixture.with { (f) async throws in
            var settings = RouteSettings()
            settings.strategy = .direct
            settings.boundary = .pattern(#"(?<=[.!?])\s"#)
            var draft = RouteDraft(
                tenant: "acme", name: "r", slm: "", prm: nil, llm: LedgerFixture.model, settings: settings)
            let made = try await f.admin.addRoute(draft)
            #expect(made.settings.boundary == settings.boundary)
            draft.settings.boundary = .pattern("([a-z ]+)+Q")
            let changed = await failure { _ = try await f.admin.changeRoute(draft) }
            draft.name = "s"
            let added = await failure { _ = try await f.admin.addRoute(draft) }
            for error in [changed, added] {
                #expect(error?.field == "settings.boundary" && error?.message.contains("too long") == true)
            }
            let kept = try await f.admin.routes(tenant: "acme")
            #expect(kept.map(\.settings.boundary) == [settings.boundary])
        }
    }

    @Test("events have instants as text in UTC; what the journal has is read back by what wrote it")
    func instants() async throws {
        try await LedgerFixture.with { f in
            let made = try await f.admin.createTenant(name: "later")
            let event = try #require(try await f.admin.events(tenant: "later").first)
            let after = try #require(event.after)
            let text = /"createdAt": "([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)"/
            let written = String(try #require(try text.firstMatch(in: after), "\(after)").output.1)
            let read = try Date(written, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            #expect(abs(read.timeIntervalSince(made.createdAt)) < 0.002)
            #expect(try LedgerJSON.decode([Date].self, from: LedgerJSON.encode([made.createdAt])) == [made.createdAt])
        }
    }

    @Test("row 18: no secret, nor its hash, stands in lists, events or descriptions")
    func secrets() async throws {
        try await LedgerFixture.with { f in
            _ = try await f.admin.rotateKey(f.key.info.id)
            let secret = f.key.secret.dropFirst(KeyHasher.displayedCharacters)
            let dump = try await f.number("select count(*) from events where position('\(secret)' in events::text) > 0")
            #expect(dump == 0)
            #expect(!"\(f.key)".contains(secret) && !String(reflecting: f.key).contains(secret))
            let hash = try #require(try KeyHasher(pepper: Array("a pepper for tests".utf8)).hash(f.key.secret))
            #expect(hash != KeyHasher.hashWithoutPepper(f.key.secret))
        }
    }

    @Test("a deleted tenant's key is refused, its name is free again, its ledger stays, and is found by its number")
    func deletion() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let call = f.reservation(10)
            #expect(try await ledger.reserve(call).isGranted)
            #expect(try await f.admin.deleteTenant("acme").deletedAt != nil)
            #expect(try await ledger.reserve(f.reservation(1)) == .callerRejected)
            await ledger.settle(.of(call.id, 9))
            let heir = try await f.admin.createTenant(name: "acme")
            #expect(try await f.number("select sum(amount) from ledger_entries") == 9)
            #expect(try await f.admin.spend(tenant: "acme").settledNanoUSD == 0)
            let number = "#\(f.tenant.id)"
            #expect(try await f.admin.spend(tenant: number).settledNanoUSD == 9)
            #expect(try await f.admin.tenant(named: number).deletedAt != nil)
            // Nothing new is for who is gone, and who is there has a name only.
            #expect(await failure { _ = try await f.admin.createTeam(name: "late", tenant: number) }?.code == .notFound)
            #expect(await failure { try await f.admin.deleteTenant(number) }?.code == .notFound)
            for name in ["#\(heir.id)", "#0", "#", "#+\(f.tenant.id)", "\(f.tenant.id)"] {
                #expect(await failure { _ = try await f.admin.spend(tenant: name) }?.code == .notFound, "\(name)")
            }
            try await f.admin.deleteTenant("acme")
            #expect(try await f.admin.tenants(deleted: true).map(\.id) == [f.tenant.id, heir.id])
            #expect(try await f.admin.tenants().isEmpty)
        }
    }

    @Test("a spend report adds up by every grouping, and its JSON has the published names")
    func spend() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            for index in 0..<6 as Range<Int64> {
                let call = f.reservation(20, route: index % 2 == 0 ? "math" : nil)
                #expect(try await ledger.reserve(call).isGranted)
                if index < 5 { await ledger.settle(.of(call.id, index)) }
            }
            for grouping in SpendGrouping.allCases {
                let report = try await f.admin.spend(tenant: "acme", by: grouping)
                #expect(report.settledNanoUSD == 10 && report.heldNanoUSD == 20 && report.limitNanoUSD == 1000)
                #expect(report.rows.reduce(0) { $0 + $1.nanoUSD } == 10 && report.rows.reduce(0) { $0 + $1.calls } == 5)
            }
            let report = try await f.admin.spend(tenant: "acme", by: .route)
            #expect(report.rows.map(\.name) == ["(direct)", "math"] && report.rows.map(\.nanoUSD) == [4, 6])
            let json = try LedgerJSON.text(report)
            for name in ["tenant", "month", "limit_nano_usd", "settled_nano_usd", "held_nano_usd", "rows"] {
                #expect(json.contains("\"\(name)\":"))
            }
            let gauges = try await f.admin.gauges()
            #expect(gauges.openHolds == 1 && gauges.budgets.map(\.state.held) == [NanoUSD(20)])
        }
    }

    @Test(
        "rates are exact both ways",
        arguments: [
            ("2.5", 2_500_000, "2.5"), ("0.000001", 1, "0.000001"), ("0", 0, "0"), ("15", 15_000_000, "15"),
            ("1.234567", 1_234_567, "1.234567"),
        ] as [(String, Int64, String)])
    func rates(text: String, pico: Int64, back: String) {
        #expect(TokenRate.picoPerToken(usdPerMillion: text) == pico)
        #expect(TokenRate.usdPerMillion(picoPerToken: pico) == back)
    }

    @Test("what is no rate is refused", arguments: ["", "-1", "1e3", "1.", ".5", "1.2345678", "9999999999999", "1,5"])
    func badRates(text: String) { #expect(TokenRate.picoPerToken(usdPerMillion: text) == nil) }
}

extension KeyHasher {
    /// What the hash must not be: the same for everybody who knows the secret.
    static func hashWithoutPepper(_ secret: String) -> [UInt8]? {
        try? KeyHasher(pepper: Array(repeating: 0, count: 16)).hash(secret)
    }
}
