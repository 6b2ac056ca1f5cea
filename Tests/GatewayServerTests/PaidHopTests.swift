import Foundation
import GatewayCore
import Logging
import Testing

@testable import GatewayServer

@Suite("The paid hop holds the most and settles the exact charge")
struct PaidHopTests {
    /// Long prompts are cheaper, so that the tier that a prompt's bound is in is not the dearest one.
    private static let price = ModelPrice(
        id: 3, model: Fixture.model,
        rates: TokenRates(input: 10_000, cachedInput: 1000, cacheWrite5m: 12_500, output: 30_000, reasoning: 40_000),
        tiers: [PriceTier(aboveInputTokens: 200, rates: TokenRates(input: 5000, output: 20_000))],
        perCall: NanoUSD(7), batchPercent: 50)

    private static func hop(
        _ ledger: FakeLedger, price: ModelPrice? = price, scripts: [FakeProvider.Script] = []
    ) -> PaidHop {
        var catalog = FakeCatalog()
        catalog.prices[Fixture.model] = price
        return PaidHop(
            catalog: catalog, ledger: ledger, providers: ["sim": FakeProvider(scripts)],
            guards: ProviderGuards(), metrics: Fixture().services.metrics,
            logger: Logger(label: "test"))
    }

    private static func plan(input: Int64, output: Int64, least: Int64 = 1) -> PaidPlan {
        PaidPlan(
            id: HoldID(request: UUID(), step: 0, attempt: 0),
            caller: Caller(tenant: FakeCatalog.tenant, teamID: nil, keyID: 7), model: Fixture.model, kind: .direct,
            inputTokens: input, maxOutputTokens: output, leastOutputTokens: least)
    }

    @Test("A hold covers the dearest rates that can apply, and what is posted is by those that do")
    func tiers() async throws {
        let ledger = FakeLedger(limit: NanoUSD(NanoUSD.perDollar))
        let hop = Self.hop(ledger)
        let held = try await hop.hold(Self.plan(input: 300, output: 10))
        #expect(held.amount == NanoUSD(300 * 12_500 / 1000 + 10 * 40 + 7))
        #expect(ledger.snapshot.reservations.map(\.amount) == [held.amount])
        let usage = TokenUsage(input: 201, cachedInput: 100, output: 10, reasoning: 5, raw: "{}")
        let posted = await hop.settle(
            held, result: PaidResult(usage: usage), failure: nil,
            escalation: EscalationRecord(kind: .direct, reason: "asked for"))
        #expect(posted == NanoUSD(201 * 5 + 10 * 20 + 7))
        #expect(ledger.snapshot.settlements.first?.usage == usage)
    }

    @Test("A hold shrinks to what fits, to the token; counts that are not possible cost all of it")
    func shrinks() async throws {
        let ledger = FakeLedger(limit: NanoUSD(300 * 12_500 / 1000 + 7 + 4 * 40 + 39))
        let hop = Self.hop(ledger)
        let held = try await hop.hold(Self.plan(input: 300, output: 10))
        #expect(held.maxOutputTokens == 4 && held.amount == NanoUSD(300 * 12_500 / 1000 + 7 + 4 * 40))
        let posted = await hop.settle(
            held, result: PaidResult(usage: TokenUsage(input: 10, cacheWrite5m: 11, output: 1)), failure: nil,
            escalation: EscalationRecord(kind: .direct, reason: "asked for"))
        #expect(posted == held.amount && ledger.snapshot.settlements.first?.outcome == .estimated)
        await #expect(throws: PaidRefusal.self) { try await hop.hold(Self.plan(input: 300, output: 10, least: 5)) }
    }

    @Test(
        "Counts of nothing and absurd ones are no counts: the whole hold is posted, and the provider's words are kept",
        arguments: [
            TokenUsage(input: 0, output: 0, raw: "{}"), TokenUsage(input: 0, output: 9, raw: "{}"),
            TokenUsage(input: .max, output: 1, raw: "{}"), TokenUsage(input: 1, output: .max, raw: "{}"),
            TokenUsage(input: 1, output: 1 << 41, raw: "{}"), TokenUsage(input: 1, output: 1, images: .max, raw: "{}"),
        ])
    func uncounted(usage: TokenUsage) async throws {
        let ledger = FakeLedger(limit: NanoUSD(NanoUSD.perDollar))
        let hop = Self.hop(ledger)
        let held = try await hop.hold(Self.plan(input: 300, output: 10))
        let result = PaidResult(usage: usage)
        let posted = await hop.settle(
            held, result: result, failure: nil, escalation: EscalationRecord(kind: .direct, reason: "asked for"))
        #expect(posted == held.amount)
        let settlement = try #require(ledger.snapshot.settlements.first)
        #expect(settlement.outcome == .estimated)
        #expect(settlement.usage == TokenUsage(input: 0, output: 0, raw: "{}"))
        // Of a boosted answer they are not counted either: four bytes are a token.
        #expect(result.tokens(of: "12345678") == 2)
    }

    @Test("A model that costs nothing is called without a budget's money, whatever is counted")
    func free() async throws {
        let free = ModelPrice(id: 3, model: Fixture.model, rates: TokenRates(input: 0, output: 0))
        for (input, outcome) in [(Int64(5), CallOutcome.completed), (0, .estimated)] {
            let ledger = FakeLedger(limit: .zero)
            let hop = Self.hop(ledger, price: free)
            let held = try await hop.hold(Self.plan(input: 300, output: 10))
            let posted = await hop.settle(
                held, result: PaidResult(usage: TokenUsage(input: input, output: 2)), failure: nil,
                escalation: EscalationRecord(kind: .direct, reason: "asked for"))
            #expect(posted == .zero && ledger.snapshot.settlements.map(\.outcome) == [outcome])
        }
    }

    @Test("Whoever asked for a call that broke before its answer is told what was posted, and what is left after it")
    func breaks() async throws {
        let amount = NanoUSD(300 * 12_500 / 1000 + 10 * 40 + 7)
        let cases: [(ProviderError.Code, NanoUSD)] = [(.interrupted, amount), (.status, .zero)]
        for (code, posted) in cases {
            let ledger = FakeLedger(limit: NanoUSD(NanoUSD.perDollar))
            let error = ProviderError(code: code, status: code == .status ? 400 : nil, message: "broke")
            let hop = Self.hop(ledger, scripts: [FakeProvider.Script(openError: error)])
            let refusal = await #expect(throws: PaidRefusal.self) {
                _ = try await hop.attempt(
                    Self.plan(input: 300, output: 10), record: EscalationRecord(kind: .direct, reason: "asked for")
                ) { PaidCall(model: $0.plan.model, body: [], isStream: false, requestID: "1") }
            }
            let charge = try #require(refusal?.charge)
            #expect(charge.cost == posted && charge.budget.settled == posted && charge.budget.held == .zero)
            #expect(ledger.snapshot.settled == posted.rawValue)
        }
    }

    @Test("A budget that refuses says what the call needs at least, and what is left")
    func needed() async throws {
        for least in [Int64(10), 5] {
            let amount = NanoUSD(300 * 12_500 / 1000 + least * 40 + 7)
            let refusal = await #expect(throws: PaidRefusal.self) {
                try await Self.hop(FakeLedger(limit: NanoUSD(9))).hold(Self.plan(input: 300, output: 10, least: least))
            }
            let said = try #require(refusal?.refusal)
            #expect(said.metadata.contains { $0.name == "needed_usd" && $0.value == amount.usdString })
            #expect(said.message.contains(amount.usdString) && said.message.contains("0.000000009"))
            #expect(said.shouldRetry == false)
        }
        #expect(GatewayRefusal.noBudget.message.contains("no budget of its own"))
    }

    @Test("A rate limit that a call can never fit is not worth another try; one that is used up is")
    func never() async throws {
        for (needed, isWorthIt) in [(Int64(311), false), (310, true)] {
            let state = LimitState(
                unit: .tokens, scope: "key:7", limit: 310, used: 0, resetsAt: Date(timeIntervalSinceNow: 28),
                needed: needed)
            let refusal = await #expect(throws: PaidRefusal.self) {
                try await Self.hop(FakeLedger(outcome: .limited(state))).hold(Self.plan(input: 300, output: 10))
            }
            let said = try #require(refusal?.refusal)
            #expect((said.retryAfterSeconds != nil) == isWorthIt && said.shouldRetry == (isWorthIt ? nil : false))
            #expect(said.message.contains("needs up to \(needed) tokens") != isWorthIt, "\(said.message)")
            #expect(said.metadata.contains { $0.name == "needed" && $0.value == "\(needed)" })
        }
    }

    @Test("row 6: Without a price, or with one whose bound does not fit, nothing is held")
    func unknown() async throws {
        var huge = Self.price
        huge.rates.output = .max
        for price in [nil, huge] {
            let ledger = FakeLedger(limit: NanoUSD(.max))
            let hop = Self.hop(ledger, price: price)
            let refusal = await #expect(throws: PaidRefusal.self) {
                try await hop.hold(Self.plan(input: 300, output: 1000))
            }
            guard case .priceUnknown = refusal else {
                Issue.record("refused otherwise")
                continue
            }
            #expect(ledger.snapshot.reservations.isEmpty)
        }
    }
}
