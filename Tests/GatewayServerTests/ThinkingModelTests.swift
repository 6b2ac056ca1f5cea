import Foundation
import GatewayCore
import HTTPTypes
import Testing

@testable import GatewayServer

@Suite("Paid models that think: what is held for it is no room to write in; and what models refuse is learned")
struct ThinkingModelTests {
    private typealias Seam = BoostedSeamTests

    /// Two requests of which each asks the LLM for its second step.
    private static func fixture(
        _ scripts: [FakeProvider.Script], _ settings: RouteSettings, limit: NanoUSD = NanoUSD(NanoUSD.perDollar)
    ) -> Fixture {
        Fixture(
            limit: limit, scripts: scripts, steps: ["One.\n", "Bad.\n", "Answer: 3"], scores: [0.99, 0.05, 0.99],
            settings: settings)
    }

    private static func refusal(_ message: String, _ parameter: String? = nil) -> ProviderError {
        var error = ProviderError(code: .status, status: 400, message: message)
        error.parameter = parameter
        return error
    }

    @Test("A model that refuses the effort is asked without it from then on")
    func refusedEffort() async throws {
        let error = Self.refusal("Unsupported value: 'reasoning_effort' does not support 'low' with this model.")
        let fixture = try Seam.asking(
            "gpt-5-mini", Self.fixture([.init(openError: error), completion("Two.")], Seam.settings(.step)))
        let first = try await DirectAnswerTests.post(fixture, Seam.body())
        #expect(first.headers[.degraded] == "provider_unavailable")
        let second = try await DirectAnswerTests.post(fixture, Seam.body())
        #expect(second.headers[.degraded] == nil && second.headers[.escalations] == "1")
        let bodies = fixture.provider.calls.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(bodies.map { $0.contains("reasoning_effort") } == [true, false])
        // It may think all the same.
        #expect(fixture.provider.calls.allSatisfy { $0.maxOutputTokens == 128 + 1024 })
    }

    @Test(
        "What a refusal is about: the field that it gives, else what its message quotes, begins or ends with",
        arguments: [
            ("`stop` is not supported with this model", nil as String?, true), ("\"stopSequences\" at 0", nil, true),
            ("This model doesn't take 'temperature'.", nil, true), ("temperature: range is 0 to 1", nil, true),
            ("Unrecognized request argument supplied: reasoning_effort", nil, true),
            ("This model doesn't support the stopSequences field. Remove stopSequences and try again.", nil, true),
            ("This model doesn't support the temperature field. Remove it.", nil, true),
            ("The model returned the following errors: stop_sequences: each must hold a word", nil, true),
            ("Unsupported value: 'temperature' does not support 0", "None", true),
            ("no", "reasoning.effort", true), ("no", "generation_config.stop_sequences[0]", true),
            ("no", "reasoning_effort", true), ("'stop' is odd", "", true),
            // About something else, whatever words are in it.
            ("'stop' cannot help here", "max_tokens", false), ("no", "messages[0].stop", false),
            ("Invalid content: please stop at a temperature of 20 degrees", nil, false),
            ("Content \"stop the temperature\" was flagged", nil, false), ("no", nil, false),
        ])
    func namedWish(message: String, parameter: String?, isWish: Bool) {
        #expect(Self.refusal(message, parameter).namesWish == isWish)
        var error = Self.refusal(message, parameter)
        error.status = 429
        #expect(!error.namesWish)
    }

    @Test("What was learned of a model is forgotten after an hour, and may be learned again")
    func forgotten() {
        let (known, start) = (SamplingRefusals(), ContinuousClock.now)
        let isNew = known.add(Fixture.model, now: start)
        #expect(isNew && known.contains(Fixture.model, now: start + .seconds(3599)))
        #expect(!known.contains(Fixture.model, now: start + .seconds(3600)))
        let isKnown = known.add(Fixture.model, now: start + .seconds(3599))
        let isNewAgain = known.add(Fixture.model, now: start + .seconds(3600))
        #expect(!isKnown && isNewAgain && known.contains(Fixture.model, now: start + .seconds(7199)))
    }

    @Test("A text ends at its own bound, whole and as a stream, and no more is reported", arguments: [false, true])
    func ends(isStream: Bool) async throws {
        var script = completion(String(repeating: "word ", count: 400))
        script.result.usage = TokenUsage(input: 100, output: 1400, reasoning: 1000)
        let fixture = try Seam.asking("gpt-5-mini", Seam.fixture(script))
        let more = isStream ? #","stream":true,"stream_options":{"include_usage":true}"# : ""
        let response = try await DirectAnswerTests.post(fixture, Seam.body(#","max_tokens":32"# + more))
        // A token of the SLM's, and 31: 155 of 2,000 bytes, since there were 400 tokens; of a stream 310.
        #expect(fixture.provider.calls.map(\.maxOutputTokens) == [31 + 1024])
        let text = try isStream ? Seam.streamed(response) : Seam.text(response)
        let (words, last) = isStream ? (61, "word ") : (30, "word")
        #expect(text == "One.\n\(String(repeating: "word ", count: words))\(last)")
        let body = DirectAnswerTests.text(response)
        #expect(body.contains(#""finish_reason":"length""#) && body.contains(#""completion_tokens":32"#))
        // All of it was written, and is paid for.
        #expect(fixture.ledger.snapshot.settlements.map { $0.usage?.output } == [1400])
    }

    @Test("A text within its bound is left alone, and thoughts that were not told apart are not counted as its tokens")
    func unreported() async throws {
        var script = completion("Two it is. Answer: 3")
        script.result.usage = TokenUsage(input: 100, output: 1000)
        let fixture = try Seam.asking("gpt-5-mini", Seam.fixture(script))
        let response = try await DirectAnswerTests.post(fixture, Seam.body(#","max_tokens":32"#))
        #expect(try Seam.text(response) == "One.\nTwo it is. Answer: 3")
        #expect(try Seam.usage(response, "completion_tokens") == 32)
        #expect(DirectAnswerTests.text(response).contains(#""finish_reason":"stop""#))
    }

    @Test("A text is cut in proportion, in whole characters, and where thoughts are not told apart not below its bound")
    func cut() {
        let bound = TextBound(tokens: 10)
        let text = String(repeating: "é", count: 100)
        func length(_ output: Int64, _ reasoning: Int64) -> Int? {
            let usage = TokenUsage(input: 1, output: output, reasoning: reasoning)
            return bound.cut(text, PaidResult(usage: usage))?.count
        }
        #expect(length(40, 20) == 50 && length(37, 1) == 27)
        #expect(length(40, 0) == 25 && length(400, 0) == 20)
        #expect(length(10, 0) == nil && length(30, 20) == nil)
        #expect(bound.cut(text, PaidResult())?.count == 20)
        #expect(bound.cut("éé", PaidResult(usage: TokenUsage(input: 1, output: 400))) == nil)
    }

    @Test("A step that both models write is as long as any: they think nothing together")
    func fused() async throws {
        var settings = Seam.settings(.step)
        (settings.fusionWeight, settings.llmThinkingTokens) = (1, 500)
        var fixture = Self.fixture([completion("Two.")], settings)
        var traits = ProviderTraits()
        traits.takesFusion = true
        fixture.services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        _ = try await DirectAnswerTests.post(fixture, Seam.body())
        let call = try #require(fixture.provider.calls.first)
        #expect(call.fusion?.request.maxTokens == 128 && call.maxOutputTokens == 128 + 500)
    }

    @Test("Thoughts are weighed as they are held for: no call is asked for that has no room for them")
    func weighed() async throws {
        for (model, calls) in [("large", 1), ("gpt-5-mini", 0)] {
            let scripts = [completion("Two it is. Answer: 3")]
            // A rest fits, and 1,024 tokens more do not.
            let fixture = try Seam.asking(
                model, Self.fixture(scripts, Seam.settings(.rest), limit: NanoUSD(20_000_000)))
            let response = try await DirectAnswerTests.post(fixture, Seam.body())
            #expect(fixture.provider.calls.count == calls)
            #expect(response.headers[.degraded] == (calls == 0 ? "budget_exhausted" : nil))
            let metrics = fixture.services.metrics.registry.render()
            #expect(!metrics.contains("gboost_reservations_denied_total{"))
        }
    }
}
