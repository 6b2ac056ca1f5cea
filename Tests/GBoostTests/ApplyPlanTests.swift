import GatewayCore
import Ledger
import Testing

@testable import gboost

@Suite("The plan of a declaration: a pure difference")
struct ApplyPlanTests {
    private func declared(_ yaml: String) throws -> DeclaredState { try DeclaredState(yaml: yaml, path: "state.yaml") }

    private func current(_ resources: [CurrentResource]) -> CurrentState {
        var state = CurrentState()
        state.resources = resources
        return state
    }

    private func name(_ kind: ResourceName.Kind, _ text: String) -> ResourceName {
        ResourceName(kind: kind, tenant: kind == .price ? nil : "acme", text: text)
    }

    @Test("what is not there is made, in an order in which it can be; what differs is changed, from what to what")
    func difference() throws {
        let file = try declared(
            """
            tenants:
              - name: acme
                time_zone: Europe/Berlin
                routes: [{ name: math, slm: s, prm: p, llm: sim/m }]
                budgets: [{ limit_usd: 20, alert_at: [50, 80] }]
                keys: [{ name: app, team: research }]
                teams: [research]
            prices:
              - { model: sim/m, input_usd_per_mtok: 1, output_usd_per_mtok: 2 }
            """)
        let there = current([
            CurrentResource(name: name(.tenant, "acme"), fields: ["time_zone": "UTC", "suspended": "true"]),
            CurrentResource(
                name: name(.budget, "tenant month"),
                fields: ["limit_usd": "10.000000000", "alert_at": "50,80", "week_start": "mon"]),
        ])
        let plan = try ApplyPlan(declared: file, current: there, prunes: false)
        #expect(plan.changes.map(\.name.kind) == [.price, .tenant, .team, .key, .budget, .route])
        #expect(plan.changes.map(\.action) == [.create, .change, .create, .create, .change, .create])
        #expect(plan.changes[1].fields == [.init(name: "time_zone", before: "UTC", after: "Europe/Berlin")])
        #expect(plan.text.contains("~ budget acme tenant month  limit_usd 10.000000000 → 20.000000000\n"))
        #expect(plan.text.contains("+ key acme app  team research\n"))
        #expect(plan.text.hasSuffix("4 to create, 2 to change, 0 to remove\n"))
    }

    @Test("where a tenant moves, all budgets that change are locked before the first of them does")
    func locks() throws {
        func locked(_ yaml: String, _ there: [CurrentResource] = []) throws -> [String] {
            try ApplyPlan(declared: try declared(yaml), current: current(there), prunes: false).lockedTenants
        }
        let tenant = CurrentResource(name: name(.tenant, "acme"), fields: ["time_zone": "UTC"])
        let one = "tenants: [{ name: acme, teams: [research], limits: [{ parallel: 2 }] }]"
        #expect(try locked(one, [tenant]).isEmpty)
        let two = "tenants: [{ name: z, budgets: [{ limit_usd: 1 }] }, { name: acme, limits: [{ parallel: 2 }] }]"
        #expect(try locked(two, [tenant]).isEmpty)
        let zone = "tenants: [{ name: acme, time_zone: Asia/Tokyo, budgets: [{ limit_usd: 1 }] }]"
        #expect(try locked(zone, [tenant]) == ["acme"])
    }

    @Test(
        "the same on both sides is nothing to change, and beyond the file only pruning touches, what refers goes first")
    func nothing() throws {
        let file = try declared("tenants: [{ name: acme, budgets: [{ limit_usd: 20, tag: batch, window: day }] }]")
        let there = current([
            CurrentResource(name: name(.tenant, "acme"), fields: ["time_zone": "UTC"]),
            CurrentResource(name: name(.team, "old"), fields: [:]),
            CurrentResource(name: name(.key, "old"), fields: [:], removal: .key(7)),
            CurrentResource(name: name(.budget, "tenant tag batch day"), fields: ["limit_usd": "20.000000000"]),
            CurrentResource(name: name(.route, "old"), fields: [:], removal: .route("old")),
        ])
        #expect(try ApplyPlan(declared: file, current: there, prunes: false).isEmpty)
        let plan = try ApplyPlan(declared: file, current: there, prunes: true)
        #expect(plan.changes.map(\.name.kind) == [.route, .key] && plan.changes.allSatisfy { $0.action == .remove })
    }

    private static let old = ModelPrice(
        model: ModelReference(provider: "sim", model: "m"),
        rates: TokenRates(
            input: 1_000_000, cachedInput: 100_000, cacheWrite5m: 1_250_000, cacheWrite1h: 2_000_000,
            output: 2_000_000, reasoning: 3_000_000),
        tiers: [PriceTier(aboveInputTokens: 200_000, rates: TokenRates(input: 5_000_000, output: 9_000_000))],
        perCall: NanoUSD(7), perImage: NanoUSD(8), batchPercent: 50)

    /// What a file's price comes to where `old` is in force; nil: there is nothing to change.
    private func price(_ more: String, input: String = "1") throws -> ModelPrice? {
        let file = try declared(
            "prices: [{ model: sim/m, input_usd_per_mtok: \(input), output_usd_per_mtok: 2\(more) }]")
        let there = current([
            CurrentResource(name: name(.price, "sim/m"), fields: ResourceText.price(Self.old), price: Self.old)
        ])
        let plan = try ApplyPlan(declared: file, current: there, prunes: true)
        guard let change = plan.changes.first else { return nil }
        #expect(plan.changes.count == 1 && change.action == .change)
        guard case .price(let price) = change.declared?.draft else { return nil }
        return price.draft.price
    }

    @Test("a price that leaves out tiers, discounts, fees and rates keeps those of the version in force")
    func keepsPrice() throws {
        #expect(try price("") == nil)
        var dearer = Self.old
        dearer.rates.input = 1_500_000
        #expect(try price("", input: "1.5") == dearer)
        #expect(
            try price(", batch_percent: 50, tiers: [{ above: 200000, input_usd_per_mtok: 5, output_usd_per_mtok: 9 }]")
                == nil)
    }

    @Test("what a price names is as it says, and none takes it away")
    func namesPrice() throws {
        var wanted = Self.old
        wanted.batchPercent = 100
        #expect(try price(", batch_percent: 100") == wanted)
        wanted = Self.old
        wanted.tiers = []
        #expect(try price(", tiers: []") == wanted)
        wanted.tiers = [
            PriceTier(
                aboveInputTokens: 1000, rates: TokenRates(input: 2_000_000, cachedInput: 500_000, output: 3_000_000)),
            PriceTier(aboveInputTokens: 300_000, rates: TokenRates(input: 4_000_000, output: 5_000_000)),
        ]
        let tiers = """
            , tiers: [{ above: 300000, input_usd_per_mtok: 4, output_usd_per_mtok: 5 },
              { above: 1000, input_usd_per_mtok: 2, output_usd_per_mtok: 3, cached_input_usd_per_mtok: 0.5 }]
            """
        #expect(try price(tiers) == wanted)
        wanted = Self.old
        wanted.rates = TokenRates(input: 1_000_000, output: 2_000_000)
        (wanted.perCall, wanted.perImage) = (.zero, .zero)
        let none = ["cached_input", "cache_write_5m", "cache_write_1h", "reasoning"].map {
            ", \($0)_usd_per_mtok: none"
        }
        #expect(try price(none.joined() + ", per_call_usd: none, per_image_usd: 0") == wanted)
    }

    @Test("a key that leaves out team and end has neither to change, and none takes them away")
    func keepsKey() throws {
        let there = current([
            CurrentResource(
                name: name(.key, "app"), fields: ["team": "research", "expires": "2100-01-01T00:00:00Z"],
                removal: .key(7))
        ])
        func fields(_ key: String) throws -> [ApplyPlan.Field] {
            let file = try declared("tenants: [{ name: acme, keys: [{ name: app\(key) }] }]")
            let plan = try ApplyPlan(declared: file, current: there, prunes: true)
            return plan.changes.filter { $0.name.kind == .key }.flatMap(\.fields)
        }
        #expect(try fields("").isEmpty)
        #expect(try fields(", team: research, expires: 2100-01-01").isEmpty)
        #expect(try fields(", team: ops") == [.init(name: "team", before: "research", after: "ops")])
        #expect(try fields(", team: none") == [.init(name: "team", before: "research", after: "none")])
        #expect(
            try fields(", expires: none") == [.init(name: "expires", before: "2100-01-01T00:00:00Z", after: "none")])
    }

    @Test("a name that several keys have is refused")
    func ambiguous() throws {
        let file = try declared("tenants: [{ name: acme, keys: [{ name: app }] }]")
        var there = current([])
        there.ambiguous = [name(.key, "app")]
        #expect(throws: CommandFailure.self) { try ApplyPlan(declared: file, current: there, prunes: false) }
    }

    @Test(
        "a cap of a name that several keys have is refused by its field; another tenant's keys do not matter",
        arguments: ["budgets: [{ limit_usd: 1, key: app }]", "limits: [{ parallel: 1, key: app }]"])
    func ambiguousCap(list: String) throws {
        let file = try declared("tenants: [{ name: acme, \(list) }]")
        var there = current([])
        there.ambiguous = [ResourceName(kind: .key, tenant: "other", text: "app")]
        #expect(try ApplyPlan(declared: file, current: there, prunes: false).changes.count == 2)
        there.ambiguous.insert(name(.key, "app"))
        let error = #expect(throws: CommandFailure.self) {
            try ApplyPlan(declared: file, current: there, prunes: false)
        }
        #expect(error?.message.contains("[0].key: several keys in use are named app") == true)
    }

    @Test(
        "an error names file, line and field",
        arguments: [
            ("tenants:\n  - nam: acme", "state.yaml:2: tenants[0].nam: is unknown"),
            ("tenants:\n  - time_zone: UTC", "state.yaml:2: tenants[0].name: is missing"),
            ("tenants:\n  - name: a\n    capture_days: 0", "state.yaml:3: tenants[0].capture_days: '0' is neither"),
            ("tenants:\n  - name: a\n    time_zone: Mars", "state.yaml:3: tenants[0].time_zone: 'Mars'"),
            ("tenants:\n  - name: a\n  - name: a", "state.yaml:3: tenants[1]: tenant a stands twice"),
            (
                "tenants:\n  - name: a\n    budgets:\n      - limit_usd: x",
                "state.yaml:4: tenants[0].budgets[0].limit_usd"
            ),
            ("tenants:\n  - name: a\n    budgets: [{ window: day }]", "budgets[0].limit_usd: is missing"),
            ("tenants: [{ name: a, budgets: [{ limit_usd: 1, window: year }] }]", "window: 'year' is not one of: day"),
            ("tenants: [{ name: a, budgets: [{ limit_usd: 1, alert_at: [80, 50] }] }]", "alert_at: is not a rising"),
            ("tenants: [{ name: a, budgets: [{ limit_usd: 1, team: t, key: k }] }]", "key: team and key exclude"),
            ("tenants: [{ name: a, limits: [{ team: t }] }]", "limits[0]: one of requests_per_minute"),
            ("tenants: [{ name: a, limits: [{ parallel: many }] }]", "parallel: 'many' is not a whole number"),
            ("tenants: [{ name: a, routes: [{ name: r, slm: s, llm: m }] }]", "llm: 'm' is not of the form"),
            (
                "tenants: [{ name: a, routes: [{ name: r, slm: s, llm: a/m, settings: { x: 1 } }] }]",
                "routes[0].settings.x: "
            ),
            (
                "tenants: [{ name: a, routes: [{ name: r, slm: s, llm: a/m, "
                    + "settings: { shadow_price: 2, target: floor } }] }]",
                "routes[0].settings.shadow_price: is for the target price only"
            ),
            (
                "tenants: [{ name: a, routes: [{ name: r, slm: s, llm: a/m, "
                    + "settings: { boundary: \"pattern:(?P<s>a)\" } }] }]",
                "is no ICU regular expression"
            ),
            ("prices:\n  - { model: a/m, input_usd_per_mtok: 1 }", "prices[0].output_usd_per_mtok: is missing"),
            (
                "prices:\n  - { model: a/m, input_usd_per_mtok: z, output_usd_per_mtok: 1 }",
                "input_usd_per_mtok: z is not"
            ),
            (
                "prices:\n  - { model: a/m, input_usd_per_mtok: 1, output_usd_per_mtok: 1, batch_percent: 101 }",
                "prices[0].batch_percent: 101 is not a percentage"
            ),
            (
                """
                prices:
                  - model: a/m
                    input_usd_per_mtok: 1
                    output_usd_per_mtok: 1
                    tiers: [{ above: 5, input_usd_per_mtok: 1 }]
                """, "state.yaml:5: prices[0].tiers[0].output_usd_per_mtok: is missing"
            ),
            ("tenants: [", "state.yaml:"), ("", "declares nothing"), ("tenants: acme", "tenants: a list is expected"),
        ])
    func errors(yaml: String, message: String) {
        let error = #expect(throws: CommandFailure.self) { try declared(yaml) }
        #expect(error?.status == .usage)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
