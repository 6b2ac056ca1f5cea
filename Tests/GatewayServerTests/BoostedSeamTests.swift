import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Testing

@testable import GatewayServer
@testable import Router

@Suite("Where an LLM's text meets the SLM's: nothing is glued, run past or left out of the bill")
struct BoostedSeamTests {
    /// The second step is poor, and this is how the LLM is asked for it.
    private static func settings(_ kind: EscalationKind) -> RouteSettings {
        var settings = RouteSettings()
        settings.maxResamples = 0
        settings.exploration = 0
        settings.valueUSD = 0.05
        if kind == .step { settings.llmRestSeconds = 1000 } else { settings.llmStepSeconds = 1000 }
        return settings
    }

    private static func fixture(
        _ script: FakeProvider.Script, _ kind: EscalationKind = .rest,
        steps: [String] = ["One.\n", "Bad.\n", "Answer: 3"]
    ) -> Fixture {
        Fixture(scripts: [script], steps: steps, scores: [0.99, 0.05, 0.99], settings: settings(kind))
    }

    private static func body(_ more: String = "") -> String {
        #"{"model":"math","messages":[{"role":"user","content":"1+2?"}]\#(more)}"#
    }

    private static func object(_ response: TestResponse) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any])
    }

    private static func usage(_ response: TestResponse, _ name: String) throws -> Int? {
        (try object(response)["usage"] as? [String: Any])?[name] as? Int
    }

    /// The answer's text, asked for whole and as a stream: it must be the same.
    private static func content(more: String = "", _ fixture: () -> Fixture) async throws -> String {
        let whole = try await DirectAnswerTests.post(fixture(), body(more))
        let choice = try #require((try object(whole)["choices"] as? [[String: Any]])?.first)
        let content = try #require((choice["message"] as? [String: Any])?["content"] as? String)
        #expect(choice["finish_reason"] as? String == "stop")
        let stream = try await DirectAnswerTests.post(fixture(), body(more + #","stream":true"#))
        var text = ""
        for line in String(buffer: stream.body).split(separator: "\n") where line.hasPrefix("data: {") {
            let chunk = try JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any]
            let delta = (chunk?["choices"] as? [[String: Any]])?.first?["delta"] as? [String: Any]
            text += delta?["content"] as? String ?? ""
        }
        #expect(text == content)
        return content
    }

    @Test("A step that the LLM was cut off in is not closed: the SLM goes on within its line")
    func cutStep() async throws {
        var cut = completion("Two,")
        cut.result.finishReason = "length"
        let script = cut
        let steps = ["One.\n", "Bad.\n", " it is.\n", "Answer: 3"]
        let content = try await Self.content { Self.fixture(script, .step, steps: steps) }
        #expect(content == "One.\nTwo, it is.\nAnswer: 3")
        let fixture = Self.fixture(script, .step, steps: steps)
        _ = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(fixture.ledger.snapshot.settlements.map(\.escalation.kind) == [.step])
        #expect(fixture.slm.requests.dropFirst(2).first?.answer.last == .text("Two,"))
    }

    @Test("A call that broke is in the answer's cost, the request's row, what the router learns and what is left")
    func brokenCall() async throws {
        let error = ProviderError(code: .interrupted, message: "cut")
        for script in [FakeProvider.Script(openError: error), FakeProvider.Script(streamError: error)] {
            var fixture = Self.fixture(script)
            fixture.services.learning = RouterLearning(
                memory: FakeRouterMemory(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let response = try await DirectAnswerTests.post(fixture, Self.body())
            #expect(response.headers[.degraded] == "provider_unavailable")
            let state = fixture.ledger.snapshot
            #expect(state.settled > 0 && state.settlements.map(\.outcome) == [.estimated])
            #expect(response.headers[.costUSD] == NanoUSD(state.settled).usdString)
            #expect(response.headers[.budgetRemainingUSD] == NanoUSD(state.limit - state.settled).usdString)
            let row = try #require(state.requests.first)
            #expect(row.costNanoUSD == state.settled)
            let outcome = try JSONDecoder().decode(
                RouterState.Outcome.self, from: Data(try #require(row.outcome).utf8))
            #expect(abs((outcome.spent ?? 0) - Double(state.settled) / 1e9) < 1e-9)
        }
        // Nobody could answer instead: the row knows what it cost all the same.
        let lost = Self.fixture(FakeProvider.Script(openError: error))
        lost.slm.fail(.unavailable("no file"))
        let direct = Self.fixture(FakeProvider.Script(openError: error))
        #expect(try await DirectAnswerTests.post(lost, Self.body()).status == .serviceUnavailable)
        let named = Self.body().replacingOccurrences(of: "math", with: "sim/large")
        #expect(try await DirectAnswerTests.post(direct, named).status != .ok)
        for state in [lost.ledger.snapshot, direct.ledger.snapshot] {
            #expect(state.settled > 0 && state.requests.map(\.costNanoUSD) == [state.settled])
        }
    }

    @Test("Text that no provider counted is counted by its bytes, against the client's bound too")
    func uncounted() async throws {
        var script = completion("Two it is. Answer: 3")
        script.result.usage = nil
        let whole = try await DirectAnswerTests.post(Self.fixture(script), Self.body())
        // A token of the SLM's, and 20 bytes.
        #expect(try Self.usage(whole, "completion_tokens") == 6)
        script.streamError = ProviderError(code: .interrupted, message: "cut")
        let broken = Self.fixture(script)
        _ = try await DirectAnswerTests.post(broken, Self.body(#","max_tokens":8,"stream":true"#))
        #expect(broken.slm.requests.last?.maxTokens == 2)
    }

    @Test("Tokens that another server keeps to itself are counted")
    func remoteTokens() async throws {
        var fixture = Fixture(scores: [0.99])
        fixture.slm = FakeSLM(fixture.slm.steps, isRemote: true)
        fixture.services.models = FakeModels(slm: fixture.slm, prm: FakePRM(scores: [0.99]))
        let response = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(try Self.usage(response, "completion_tokens") == 21)
        #expect(try Self.usage(response, "prompt_tokens") == 10)
    }

    @Test("Where no SLM counted the prompt, the LLM's count of it is given")
    func promptTokens() async throws {
        let fixture = Fixture(scripts: [completion("Whole answer.")])
        fixture.slm.fail(.interrupted)
        let response = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(try Self.usage(response, "prompt_tokens") == 100)
    }

    @Test(
        "A stop string that the LLM's text begins with or completes ends the answer: no rejected draft follows",
        arguments: [("\\nQ:", "Q: and 4?"), ("###", "### Done")])
    func stopsAtOnce(stop: String, reply: String) async throws {
        let content = try await Self.content(more: #","stop":["\#(stop)"]"#) { Self.fixture(completion(reply)) }
        #expect(content == "One.\n")
    }

    @Test("The LLM's words are not glued to a step that ends within a line", arguments: [" is 3.", "is 3."])
    func words(reply: String) async throws {
        let steps = ["The sum", " bad", "."]
        let content = try await Self.content { Self.fixture(completion(reply), steps: steps) }
        #expect(content == "The sum is 3.")
    }

    @Test("Anthropic's clients are told at which stop sequence the LLM's text ended", arguments: [true, false])
    func stopSequence(isStream: Bool) async throws {
        let body =
            #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"x"}],"#
            + #""stop_sequences":["@@@"],"stream":\#(isStream)}"#
        let response = try await MessagesEndpointTests.post(
            Self.fixture(completion("Two.@@@ Done")), body, isAnthropic: false)
        let text = MessagesEndpointTests.text(response)
        #expect(text.contains("Two.") && !text.contains("Done"))
        #expect(text.contains(#""stop_reason":"stop_sequence","stop_sequence":"@@@""#))
    }
}
