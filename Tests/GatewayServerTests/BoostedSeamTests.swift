import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Testing

@testable import GatewayServer
@testable import Router

/// An SLM that drafts from a list of steps and cuts them as engines do.
struct CuttingSLM: SmallLanguageModel {
    let steps: [String]
    var format: ToolCallFormat?

    func toolCallFormat() async throws -> ToolCallFormat? { format }

    func draft(_ request: DraftRequest) async throws -> StepDraft {
        var splitter = try StepSplitter(boundary: request.boundary, stops: request.stop, maxTokens: 100)
        var verdict = StepSplitter.Verdict.more
        for character in steps[min(request.answer.count, steps.count - 1)] where verdict == .more {
            verdict = try splitter.push(Array(String(character).utf8))
        }
        if verdict == .more { verdict = splitter.finish() }
        guard case .ends(let end, let count, let text) = verdict else { throw LocalModelError.interrupted }
        var draft = StepDraft(
            text: text, tokens: Array(repeating: 1, count: count),
            logProbabilities: Array(repeating: -0.5, count: count), hidden: [0], end: end, promptTokens: 10,
            reusedTokens: 0)
        draft.stop = splitter.stop
        return draft
    }
    func end(session: UUID) async {}
}

/// It, and a PRM that likes everything.
struct CuttingModels: LocalModels {
    var slm: CuttingSLM
    func slm(
        _ record: ModelRecord, base: ModelRecord?
    ) async throws(LocalModelError) -> any SmallLanguageModel { slm }
    func prm(
        _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel { FakePRM(scores: [0.99]) }
}

@Suite("Where an LLM's text meets the SLM's: nothing is glued, run past or left out of the bill")
struct BoostedSeamTests {
    /// The second step is poor, and this is how the LLM is asked for it.
    static func settings(_ kind: EscalationKind) -> RouteSettings {
        var settings = RouteSettings()
        settings.maxResamples = 0
        settings.exploration = 0
        settings.valueUSD = 0.05
        if kind == .step { settings.llmRestSeconds = 1000 } else { settings.llmStepSeconds = 1000 }
        return settings
    }

    static func fixture(
        _ script: FakeProvider.Script, _ kind: EscalationKind = .rest,
        steps: [String] = ["One.\n", "Bad.\n", "Answer: 3"]
    ) -> Fixture {
        Fixture(scripts: [script], steps: steps, scores: [0.99, 0.05, 0.99], settings: settings(kind))
    }

    static func body(_ more: String = "") -> String {
        #"{"model":"math","messages":[{"role":"user","content":"1+2?"}]\#(more)}"#
    }

    private static func object(_ response: TestResponse) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any])
    }

    static func usage(_ response: TestResponse, _ name: String) throws -> Int? {
        (try object(response)["usage"] as? [String: Any])?[name] as? Int
    }

    /// The text of an answer in one piece.
    static func text(_ response: TestResponse) throws -> String? {
        let choice = (try object(response)["choices"] as? [[String: Any]])?.first
        return (choice?["message"] as? [String: Any])?["content"] as? String
    }

    /// That of a stream.
    static func streamed(_ response: TestResponse) throws -> String {
        var text = ""
        for line in String(buffer: response.body).split(separator: "\n") where line.hasPrefix("data: {") {
            let chunk = try JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any]
            let delta = (chunk?["choices"] as? [[String: Any]])?.first?["delta"] as? [String: Any]
            text += delta?["content"] as? String ?? ""
        }
        return text
    }

    /// The answer's text, asked for whole and as a stream: it must be the same.
    private static func content(more: String = "", _ fixture: () -> Fixture) async throws -> String {
        let whole = try await DirectAnswerTests.post(fixture(), body(more))
        let content = try #require(try Self.text(whole))
        #expect(DirectAnswerTests.text(whole).contains(#""finish_reason":"stop""#))
        let stream = try await DirectAnswerTests.post(fixture(), body(more + #","stream":true"#))
        #expect(try Self.streamed(stream) == content)
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
            #expect(row.costNanoUSD == state.settled && row.escalations == 1)
            #expect(response.headers[.escalations] == "1")
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
        #expect(lost.ledger.snapshot.requests.map(\.escalations) == [1])
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

    @Test(
        "They are told at which the SLM's text ended, also where that has nothing before it",
        arguments: [StrategyKind.stepwise, .cascade, .tree], [true, false])
    func ownStopSequence(kind: StrategyKind, isStream: Bool) async throws {
        var settings = Self.settings(.rest)
        (settings.strategy, settings.treeWidth, settings.resampleSeconds) = (kind, 1, 1000)
        let body =
            #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"x"}],"#
            + #""stop_sequences":["%%%","@@@"],"stream":\#(isStream)}"#
        for last in ["Two.@@@ Done", "@@@ Done"] {
            var fixture = Fixture(settings: settings)
            fixture.services.models = CuttingModels(slm: CuttingSLM(steps: ["One.\n", last]))
            let text = MessagesEndpointTests.text(
                try await MessagesEndpointTests.post(fixture, body, isAnthropic: false))
            #expect(text.contains("One.") && !text.contains("Done"))
            #expect(text.contains(#""stop_reason":"stop_sequence","stop_sequence":"@@@""#))
            #expect(fixture.provider.calls.isEmpty)
        }
        var fixture = Fixture(settings: settings)
        fixture.services.models = CuttingModels(slm: CuttingSLM(steps: ["One.\n", "Two."]))
        let plain = try await MessagesEndpointTests.post(fixture, body, isAnthropic: false)
        #expect(MessagesEndpointTests.text(plain).contains(#""stop_reason":"end_turn","stop_sequence":null"#))
    }

    /// The fixture with another paid model, at the same price and of a provider that takes OpenAI's newer word.
    static func asking(_ model: String, _ given: Fixture) throws -> Fixture {
        var fixture = given
        let reference = ModelReference(provider: "sim", model: model)
        var catalog = try #require(fixture.services.catalog as? FakeCatalog)
        catalog.allRoutes[0].llm = reference
        catalog.prices[reference] = ModelPrice(
            id: 5, model: reference, inputPicoPerToken: 10_000_000, outputPicoPerToken: 30_000_000)
        fixture.services.catalog = catalog
        var traits = ProviderTraits()
        traits.takesMaxCompletionTokens = true
        fixture.services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        return fixture
    }

    @Test(
        "Models that refuse temperature and stop, known by their names, are asked without, in words that they take",
        arguments: [
            ("large", true, false, "none"), ("gpt-4.1", true, false, "none"), ("gpt-5-mini", false, true, "low"),
            ("openai/o3", false, true, "low"), ("ft:o4-mini:acme-chat", false, true, "low"),
            ("eu.anthropic.claude-v1:0", false, false, "none"), ("google/gemini-2.5-pro", true, false, "low"),
            // These think, and take no effort, or not so low a one.
            ("gpt-5-pro-2025-10-06", false, true, "its own"), ("o1-mini", false, true, "its own"),
            ("o1-preview-2024-09-12", false, true, "its own"),
            // And these only sound as if they thought.
            ("gpt-5-chat-latest", false, true, "none"), ("openai/gpt-5.1-chat", false, true, "none"),
        ])
    func plainQuestions(model: String, hasWishes: Bool, isReasoning: Bool, thought: String) async throws {
        for kind in [EscalationKind.step, .rest] {
            let fixture = try Self.asking(model, Self.fixture(completion("Two."), kind))
            _ = try await DirectAnswerTests.post(fixture, Self.body())
            let body = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
            #expect(body.contains(#""temperature":"#) == hasWishes)
            #expect(body.contains(#""stop":"#) == (hasWishes && kind == .step))
            #expect(body.contains(#""max_completion_tokens":"#) == isReasoning)
            #expect(body.contains(#""reasoning_effort":"low""#) == (thought == "low"))
            #expect(body.contains("reasoning_effort") == (thought == "low"))
            // What it may think is held for, above what it may write.
            let bound = try #require(body.firstMatch(of: /"max_(?:completion_)?tokens":(\d+)/).flatMap { Int64($0.1) })
            let thoughts = Int64(thought == "none" ? 0 : RouteSettings.leastThinkingTokens)
            let written = Int64(kind == .step ? Self.settings(kind).maxLLMStepTokens : 0)
            #expect(kind == .step ? bound == written + thoughts : bound > thoughts)
        }
    }

    @Test(
        "A model that refuses a question for its temperature or stop is asked without either from then on",
        arguments: [
            ("Unsupported value: 'temperature' does not support 0", nil as String?, false),
            ("stop_sequences: each must contain non-whitespace", nil, false), ("no", "stop", false), ("no", nil, true),
        ])
    func refusedQuestion(message: String, parameter: String?, hasWishes: Bool) async throws {
        var error = ProviderError(code: .status, status: 400, message: message)
        error.parameter = parameter
        let fixture = Fixture(
            scripts: [.init(openError: error), completion("Two.")], steps: ["One.\n", "Bad.\n", "Answer: 3"],
            scores: [0.99, 0.05, 0.99], settings: Self.settings(.step))
        let first = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(first.headers[.degraded] == "provider_unavailable" && first.headers[.escalations] == "0")
        let second = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(second.headers[.degraded] == nil && second.headers[.escalations] == "1")
        let bodies = fixture.provider.calls.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(bodies.map { $0.contains(#""temperature":"#) } == [true, hasWishes])
        #expect(bodies.map { $0.contains(#""stop":"#) } == [true, hasWishes])
    }

    @Test("Only so many such models are remembered, the latest, and each is news once")
    func samplingRefusals() {
        let known = SamplingRefusals()
        let models = (0...SamplingRefusals.most).map { ModelReference(provider: "sim", model: "\($0)") }
        let news = models.map { known.add($0) }
        let again = known.add(models[1])
        #expect(news.allSatisfy { $0 } && !again)
        #expect(!known.contains(models[0]) && known.contains(models[1]))
    }

    @Test("An answer whose own call spent the last of the budget got all that it wanted; the next one did not")
    func lastOfBudget() async throws {
        // What is left after the call, 6,000,000, is less than the least that another could be held for.
        let fixture = Fixture(
            limit: NanoUSD(28_000_000), scripts: [completion("Two it is. Answer: 3", prompt: 700, completion: 500)],
            steps: ["One.\n", "Bad.\n", "Answer: 3"], scores: [0.99, 0.05, 0.99], settings: Self.settings(.rest))
        let first = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(first.headers[.servedBy] == "mixed" && first.headers[.degraded] == nil)
        #expect(first.headers[.budgetRemainingUSD] == NanoUSD(6_000_000).usdString)
        let second = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(second.headers[.servedBy] == "slm" && second.headers[.degraded] == "budget_exhausted")
        #expect(fixture.provider.calls.count == 1)
    }

    @Test(
        "What a paid model's provider filters ends the answer, and the client is told so in its own word",
        arguments: [EscalationKind.step, .rest], [true, false])
    func filtered(kind: EscalationKind, isStream: Bool) async throws {
        var script = completion("Two, but")
        script.result.finishReason = "content_filter"
        let more = isStream ? #","stream":true"# : ""
        let fixture = Self.fixture(script, kind)
        let text = DirectAnswerTests.text(try await DirectAnswerTests.post(fixture, Self.body(more)))
        #expect(text.contains(#""finish_reason":"content_filter""#) && text.contains("Two, but"))
        #expect(!text.contains("Answer: 3") && fixture.slm.requests.count == 2)
        let messages = #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"x"}]\#(more)}"#
        let refusal = try await MessagesEndpointTests.post(Self.fixture(script, kind), messages, isAnthropic: false)
        #expect(MessagesEndpointTests.text(refusal).contains(#""stop_reason":"refusal","stop_sequence":null"#))
    }

    @Test("Where nothing passes the filter the SLM's draft is the answer; without one the client hears of the filter")
    func filteredWhole() async throws {
        var script = completion("")
        script.result.finishReason = "content_filter"
        let kept = try await DirectAnswerTests.post(Self.fixture(script), Self.body())
        #expect(DirectAnswerTests.text(kept).contains(#""finish_reason":"stop""#))
        let alone = Self.fixture(script)
        alone.slm.fail(.unavailable("no file"))
        let response = try await DirectAnswerTests.post(alone, Self.body())
        #expect(response.status == .ok && response.headers[.servedBy] == "llm")
        #expect(DirectAnswerTests.text(response).contains(#""finish_reason":"content_filter""#))
    }
}
