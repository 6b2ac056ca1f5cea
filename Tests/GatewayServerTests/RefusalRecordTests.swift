import Foundation
import GatewayCore
import Hummingbird
import Synchronization
import Testing

@testable import GatewayServer

@Suite("What is recorded of paid calls, made and refused")
struct RefusalRecordTests {
    private static func sha(_ digit: Character) -> String { String(repeating: digit, count: 64) }

    private static func refused(_ fixture: Fixture) throws -> [RefusedCall] {
        try #require(fixture.ledger.snapshot.requests.last).refused ?? []
    }

    @Test("An escalation that was wanted and not made is recorded with its request, and why")
    func boosted() async throws {
        let poor = Fixture(limit: .zero, scores: [0.05])
        _ = try await DirectAnswerTests.post(poor, BoostedAnswerTests.question)
        let first = try Self.refused(poor)
        // The router knew that nothing is left, and would have paid for every step.
        #expect(first.map(\.step) == [0, 1, 2] && first.allSatisfy { $0.reason == .budget })
        let record = try #require(first.first).escalation
        #expect(record.remaining == .zero && record.actions.contains { $0.action == .llmRest && $0.utility > 0 })
        #expect(record.rewardCalibrated == 0.05 && record.slmSHA256 != nil && record.headSHA256 != nil)
        #expect(first.allSatisfy { $0.refusedBy == "tenant:acme month:2026-11" })
        #expect(first[0].priceID == 3 && record.promptHash?.count == 64)

        let away = Fixture(scores: [0.05])
        away.ledger.state.withLock { $0.isAway = true }
        _ = try await DirectAnswerTests.post(away, BoostedAnswerTests.question)
        let second = try Self.refused(away)
        #expect(second.map(\.reason) == [.ledgerUnavailable] && second.first?.wanted != nil)
        #expect(second.first?.refusedBy == nil)

        let unpriced = Fixture(scores: [0.05], priced: false)
        _ = try await DirectAnswerTests.post(unpriced, BoostedAnswerTests.question)
        #expect(try Set(Self.refused(unpriced).map(\.reason)) == [.priceUnknown])

        // A call that broke had a hold: its record is the settlement.
        let down = Fixture(
            scripts: [.init(openError: ProviderError(code: .unreachable, message: "refused"))], scores: [0.05])
        _ = try await DirectAnswerTests.post(down, BoostedAnswerTests.question)
        #expect(
            !down.ledger.snapshot.settlements.isEmpty
                && down.ledger.snapshot.settlements.allSatisfy {
                    $0.outcome == .failed && $0.escalation.headSHA256 != nil && $0.escalation.remaining != nil
                })
        let calm = Fixture(scores: [0.99])
        _ = try await DirectAnswerTests.post(calm, BoostedAnswerTests.question)
        #expect(try Self.refused(calm).isEmpty && calm.ledger.snapshot.requests.last?.refused == nil)
    }

    @Test("So is a direct call that gets no hold")
    func direct() async throws {
        let poor = Fixture(limit: NanoUSD(5))
        let body = #"{"model":"sim/large","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#
        let response = try await DirectAnswerTests.post(poor, body)
        #expect(response.status == .tooManyRequests)
        let call = try #require(try Self.refused(poor).first)
        #expect(call.reason == .budget && call.escalation.kind == .direct && call.escalation.remaining == NanoUSD(5))
        #expect(call.wanted.map { $0.rawValue > 5 } == true && call.priceID == 3)
        #expect(call.refusedBy == "tenant:acme month:2026-11")
    }

    @Test("Of one request so many are kept, and the rest is counted")
    func bounded() throws {
        let list = RefusedCalls()
        for step in 0..<40 {
            list.add(
                RefusedCall(
                    step: Int16(step), at: Date(), model: Fixture.model, reason: .budget,
                    escalation: EscalationRecord(kind: .step, reason: "r")))
        }
        let kept = try #require(list.take())
        #expect(kept.count == RefusedCalls.limit && kept.last?.more == 8 && list.take() == nil)
    }

    @Test("The files of SLM, adapter, PRM and head are told apart")
    func hashes() async {
        func model(
            _ name: String, _ kind: ModelKind, _ digit: Character, base: String? = nil, _ reward: RewardKind? = nil
        )
            -> ModelRecord
        {
            ModelRecord(
                id: 1, tenantID: 1, name: name, kind: kind, file: "/x", sha256: Self.sha(digit), base: base,
                rewardKind: reward)
        }
        let catalog = FakeCatalog(allModels: [
            model("slm", .slm, "1"), model("tuned", .adapter, "2", base: "slm"), model("judge", .slm, "3"),
            model("tokens", .prm, "4", .tokens), model("shared", .prm, "5", base: "slm", .sharedHead),
            model("head", .prm, "6", base: "judge", .head),
        ])
        func hashes(_ slm: String, _ prm: String?) async -> [String?] {
            let route = RouteRecord(
                id: 1, tenantID: 1, name: "r", slm: slm, prm: prm, llm: Fixture.model, settings: RouteSettings())
            let fixture = Fixture()
            let found = await RouteModels(catalog: catalog, models: fixture.services.models, route: route).hashes()
            return [found.slm, found.adapter, found.prm, found.head].map { $0.map { String($0.prefix(1)) } }
        }
        #expect(await hashes("slm", nil) == ["1", nil, nil, nil])
        #expect(await hashes("slm", "tokens") == ["1", nil, "4", nil])
        #expect(await hashes("tuned", "shared") == ["1", "2", "1", "5"])
        #expect(await hashes("tuned", "head") == ["1", "2", "3", "6"])
    }
}
