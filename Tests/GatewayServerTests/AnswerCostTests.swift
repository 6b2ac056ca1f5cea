import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import GatewayServer

@Suite("What an answer cost, as its client is told")
struct AnswerCostTests {
    /// The cost, those of its steps, and what of it is in no step.
    private struct Costs {
        var total: Decimal
        var steps: [Decimal]
        var unused: Decimal

        init(_ response: TestResponse) throws {
            let body = try JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any]
            let facts = try #require(body?["gboost"] as? [String: Any])
            func amount(_ value: Any?) throws -> Decimal {
                try #require((value as? String).flatMap { Decimal(string: $0) })
            }
            total = try amount(facts["cost_usd"])
            unused = try amount(facts["unused_cost_usd"])
            let steps = try #require(facts["steps"] as? [[String: Any]])
            self.steps = try steps.map { try $0["cost_usd"] is NSNull ? 0 : amount($0["cost_usd"]) }
        }
    }

    @Test("Its steps and what was paid for nothing make up the whole, whatever became of a paid reply")
    func addsUp() async throws {
        let broken = ProviderError(code: .interrupted, message: "cut")
        var unseen = completion("Two")
        unseen.streamError = broken
        let scripts: [(FakeProvider.Script, isUsed: Bool)] = [
            (completion("Two."), true), (completion(" "), false), (unseen, false), (.init(openError: broken), false),
        ]
        for kind in [EscalationKind.step, .rest] {
            for (script, isUsed) in scripts {
                let fixture = BoostedSeamTests.fixture(script, kind)
                let response = try await DirectAnswerTests.post(fixture, BoostedSeamTests.body())
                let costs = try Costs(response)
                #expect(costs.total > 0 && costs.steps.reduce(costs.unused, +) == costs.total)
                #expect((costs.unused == 0) == isUsed && costs.steps.contains { $0 > 0 } == isUsed)
                #expect(response.headers[.costUSD] == NanoUSD(fixture.ledger.snapshot.settled).usdString)
            }
        }
        let free = try await Costs(DirectAnswerTests.post(Fixture(scores: [0.99]), BoostedSeamTests.body()))
        #expect(free.total == 0 && free.unused == 0)
    }

    @Test("A direct call is one paid call, whether it is a route's or its model's own name that was asked for")
    func escalations() async throws {
        var settings = RouteSettings()
        settings.strategy = .direct
        for model in ["math", "sim/large"] {
            let body = #"{"model":"\#(model)","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
            let fixture = Fixture(scripts: [completion("Hi")], settings: settings)
            let response = try await DirectAnswerTests.post(fixture, body)
            #expect(response.headers[.escalations] == "1" && response.headers[.steps] == "0")
            #expect(DirectAnswerTests.text(response).contains(#""escalations":1,"cost_usd":"0.001300000""#))
            #expect(fixture.ledger.snapshot.requests.map(\.escalations) == [1])
            let broken = FakeProvider.Script(openError: ProviderError(code: .interrupted, message: "cut"))
            let refused = FakeProvider.Script(openError: ProviderError(code: .status, status: 400, message: "no"))
            for (script, count) in [(broken, 1), (refused, 0)] {
                let failing = Fixture(scripts: [script], settings: settings)
                #expect(try await DirectAnswerTests.post(failing, body).status != .ok)
                #expect(failing.ledger.snapshot.requests.map(\.escalations) == [count])
            }
        }
    }
}
