import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Synchronization
import Testing
import WireFormat

@testable import GatewayServer

@Suite("A boosted route answers by its SLM and escalates where it pays")
struct BoostedAnswerTests {
    static let question = #"{"model":"math","messages":[{"role":"user","content":"1+2?"}]}"#
    static let streamed = #"{"model":"math","messages":[{"role":"user","content":"1+2?"}],"stream":true}"#

    private static func post(_ fixture: Fixture, _ body: String = question) async throws -> TestResponse {
        try await DirectAnswerTests.post(fixture, body)
    }
    private static func content(_ response: TestResponse) throws -> String {
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any])
        let choice = try #require((json["choices"] as? [[String: Any]])?.first)
        return try #require((choice["message"] as? [String: Any])?["content"] as? String)
    }
    /// Concatenated `delta.content` of a stream.
    private static func streamedContent(_ response: TestResponse) throws -> String {
        var text = ""
        for line in String(buffer: response.body).split(separator: "\n") where line.hasPrefix("data: {") {
            let object = try JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any]
            let choice = (object?["choices"] as? [[String: Any]])?.first
            text += (choice?["delta"] as? [String: Any])?["content"] as? String ?? ""
        }
        return text
    }

    @Test("Good steps cost nothing")
    func slmAlone() async throws {
        let fixture = Fixture(scores: [0.99])
        let response = try await Self.post(fixture)
        #expect(response.status == .ok)
        #expect(try Self.content(response) == "One.\nTwo.\nAnswer: 3")
        #expect(response.headers[.servedBy] == "slm")
        #expect(response.headers[.steps] == "3")
        #expect(response.headers[.costUSD] == "0.000000000")
        #expect(response.headers[.degraded] == nil)
        #expect(fixture.provider.calls.isEmpty)
        await fixture.services.activity.waitUntilIdle()
        #expect(fixture.ledger.snapshot.requests.first?.servedBy == .slm)
    }

    @Test("What the client wishes for the choice of tokens reaches the SLM")
    func sampling() async throws {
        let fixture = Fixture(scores: [0.99])
        let fields =
            #""temperature":0.5,"top_p":0,"top_k":7,"min_p":0.1,"repeat_penalty":1.1,"frequency_penalty":0.2,"#
            + #""presence_penalty":-0.3,"logit_bias":{"9":-5},"seed":4}"#
        #expect(try await Self.post(fixture, String(Self.question.dropLast()) + "," + fields).status == .ok)
        var expected = Sampling(temperature: 0.5, topP: 1e-6, topK: 7, seed: 4)
        expected.minP = 0.1
        expected.repeatPenalty = 1.1
        expected.frequencyPenalty = 0.2
        expected.presencePenalty = -0.3
        expected.logitBias = [9: -5]
        #expect(fixture.slm.requests.first?.sampling == expected)
    }

    @Test("A client that leaves while a step is drafted is paid for no more, and what was learned is kept")
    func leftWhileDrafting() async throws {
        var settings = RouteSettings()
        (settings.maxResamples, settings.valueUSD) = (0, 0.05)
        var fixture = Fixture(scripts: [completion("Better two.")], settings: settings)
        let stream = AnswerStream<AnswerHead>()
        fixture.services.models = FakeModels(
            slm: fixture.slm, prm: FakePRM(scores: [0.99, 0.05]) { if $0 == 1 { stream.abandon() } })
        let chat = try ChatCompletionRequest(Array(Self.streamed.utf8))
        let job = AnswerJob(
            shared: SharedServices(fixture.services),
            caller: Caller(tenant: FakeCatalog.tenant, teamID: nil, keyID: 7), request: .chat(chat),
            options: try RequestOptions(HTTPFields()), requestID: UUID(), startedAt: .now, startedOn: Date(),
            stream: stream)
        let route = try #require(await fixture.services.catalog.route("math", tenantID: 1))
        await BoostedAnswer(job: job, chat: chat, route: route, strategy: route.settings.strategy).run()
        await fixture.services.activity.waitUntilIdle()
        #expect(fixture.slm.requests.count == 2 && fixture.provider.calls.isEmpty)
        #expect(fixture.ledger.snapshot.requests.map(\.status) == [499])
    }

    @Test("A poor step is replaced by the LLM's, is never shown, and is recorded with its reasons")
    func escalates() async throws {
        var settings = RouteSettings()
        settings.maxResamples = 0
        settings.valueUSD = 0.05
        let fixture = Fixture(
            scripts: [completion("Better two.")], scores: [0.99, 0.05, 0.99], settings: settings)
        let response = try await Self.post(fixture, Self.streamed)
        let text = try Self.streamedContent(response)
        #expect(!text.contains("Two."))
        #expect(text.hasPrefix("One.\nBetter two."))
        let state = fixture.ledger.snapshot
        #expect(state.held.isEmpty && state.settlements.count == 1)
        let record = try #require(state.settlements.first).escalation
        #expect(record.rewardCalibrated == 0.05 && !record.actions.isEmpty && record.slmSHA256 != nil)
        #expect(record.promptHash?.count == 64 && record.answerHash?.count == 64)
        #expect(String(buffer: response.body).contains(#""cost_usd":"0.001300000""#))
        let body = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(body.contains("One.") && !body.contains("Two."))
    }

    @Test("The stream's text is the text without a stream")
    func sameText() async throws {
        let script = completion("Better.")
        let plain = try await Self.post(Fixture(scripts: [script], scores: [0.99, 0.3, 0.99]))
        let stream = try await Self.post(Fixture(scripts: [script], scores: [0.99, 0.3, 0.99]), Self.streamed)
        #expect(try Self.content(plain) == Self.streamedContent(stream))
    }

    /// The pieces of a stream's text.
    private static func pieces(_ response: TestResponse) throws -> [String] {
        try String(buffer: response.body).split(separator: "\n").filter { $0.hasPrefix("data: {") }.compactMap { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any]
            let choice = (object?["choices"] as? [[String: Any]])?.first
            return (choice?["delta"] as? [String: Any])?["content"] as? String
        }.filter { !$0.isEmpty }
    }

    /// A rest in three pieces, of a route that escalates it after the first step.
    private static func rest(_ error: ProviderError? = nil) -> Fixture {
        var settings = RouteSettings()
        settings.maxResamples = 0
        settings.valueUSD = 0.05
        settings.stepGainShare = 0
        var script = completion("Two it is. Answer: 3 [END]")
        script.chunks = ["Two", " it is. Ans", "wer: 3 [END]"].map { PaidChunk(bytes: Array($0.utf8), text: $0) }
        script.streamError = error
        return Fixture(scripts: [script], scores: [0.99, 0.05, 0.99], settings: settings)
    }

    @Test("The rest that an LLM writes reaches a streaming client as it comes, and is the same text in the end")
    func readsAlong() async throws {
        let fixture = Self.rest()
        let response = try await Self.post(fixture, Self.streamed)
        #expect(try Self.pieces(response) == ["One.\n", "Two", " it is. Ans", "wer: 3"])
        #expect(fixture.provider.calls.map(\.isStream) == [true])
        let body = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(body.contains(#""stream":true"#))
        let end = String(buffer: response.body)
        #expect(end.contains(#""cost_usd":"0.001300000""#) && end.contains(#""served_by":"mixed""#))
        #expect(fixture.ledger.snapshot.held.isEmpty && fixture.ledger.snapshot.settlements.count == 1)
        let whole = Self.rest()
        #expect(try await Self.content(Self.post(whole)) == "One.\nTwo it is. Answer: 3")
        #expect(whole.provider.calls.map(\.isStream) == [false])
    }

    @Test("Where the LLM breaks off, the SLM goes on from what the client has read; the call is paid for")
    func breaksOff() async throws {
        let fixture = Self.rest(ProviderError(code: .interrupted, message: "cut"))
        let response = try await Self.post(fixture, Self.streamed)
        #expect(try Self.streamedContent(response) == "One.\nTwo it is. Answer: 3Answer: 3")
        #expect(String(buffer: response.body).contains(#""degraded":"provider_unavailable""#))
        let state = fixture.ledger.snapshot
        #expect(state.held.isEmpty && state.settlements.map(\.outcome) == [.completed])
    }

    @Test("row 5: Without budget, ledger or provider the SLM answers all the same, and the header says why")
    func degrades() async throws {
        let poor = Fixture(limit: .zero, scores: [0.05])
        let first = try await Self.post(poor)
        #expect(first.status == .ok && first.headers[.degraded] == "budget_exhausted")
        #expect(try Self.content(first) == "One.\nTwo.\nAnswer: 3")
        let away = Fixture(scores: [0.05])
        away.ledger.state.withLock { $0.isAway = true }
        let second = try await Self.post(away)
        #expect(second.status == .ok && second.headers[.degraded] == "ledger_unavailable")
        let down = Fixture(
            scripts: [.init(openError: ProviderError(code: .unreachable, message: "refused"))], scores: [0.05])
        let third = try await Self.post(down)
        #expect(third.status == .ok && third.headers[.degraded] == "provider_unavailable")
        #expect(down.ledger.snapshot.settled == 0 && down.ledger.snapshot.held.isEmpty)
        let unpriced = Fixture(scores: [0.05], priced: false)
        let fourth = try await Self.post(unpriced)
        #expect(fourth.status == .ok && fourth.headers[.degraded] == "price_unknown")
        #expect(poor.provider.calls.isEmpty && away.provider.calls.isEmpty && unpriced.provider.calls.isEmpty)
    }

    @Test("A failing PRM means an unscored answer, not an error")
    func rewardUnavailable() async throws {
        var fixture = Fixture()
        fixture.services.models = FakeModels(slm: fixture.slm, prm: FakePRM(scores: [0], fails: true))
        let response = try await Self.post(fixture)
        #expect(response.status == .ok && response.headers[.degraded] == "reward_unavailable")
        #expect(fixture.provider.calls.isEmpty)
    }

    @Test("A dead engine is asked again; a dead SLM leaves the answer to the LLM")
    func engineFails() async throws {
        let fixture = Fixture(scripts: [completion("Whole answer.")])
        fixture.slm.fail(.interrupted)
        let response = try await Self.post(fixture)
        #expect(fixture.slm.requests.count == 3)
        #expect(response.status == .ok && response.headers[.servedBy] == "llm")
        #expect(try Self.content(response) == "Whole answer.")
        for (failure, words) in [
            (LocalModelError.unavailable("no file"), "The model of this route is not available."),
            (LocalModelError.unusablePattern("no file"), "end by a pattern that cannot be used."),
        ] {
            let broke = Fixture(limit: .zero)
            broke.slm.fail(failure)
            let refused = try await Self.post(broke)
            let text = String(buffer: refused.body)
            #expect(refused.status == .serviceUnavailable && text.contains("model_unavailable"))
            #expect(text.contains(words) && !text.contains("no file"), "\(text)")
        }
    }

    @Test("What an SLM cannot take goes to the LLM whole, under the route's name")
    func tools() async throws {
        let fixture = Fixture(scripts: [completion("Called.")])
        let body = """
            {"model":"math","messages":[{"role":"user","content":"x"}],"max_tokens":20,\
            "tools":[{"type":"function","function":{"name":"f"}}]}
            """
        let response = try await Self.post(fixture, body)
        #expect(response.status == .ok && response.headers[.servedBy] == "llm")
        #expect(fixture.ledger.snapshot.reservations.first?.route == "math")
        #expect(fixture.slm.requests.isEmpty)
    }

    @Test("The client's stop strings go out with its own question: nothing is paid for that comes after them")
    func clientStop() async throws {
        let stop = #""stop":["QED","\n\n"]"#
        for (scores, isSent) in [([0.05], true), ([0.99, 0.05], false)] {
            for question in [Self.question, Self.streamed] {
                let fixture = Fixture(
                    scripts: [completion("Two.")], scores: scores, settings: BoostedSeamTests.settings(.rest))
                let response = try await Self.post(fixture, String(question.dropLast()) + ",\(stop)}")
                let body = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
                #expect(response.status == .ok && body.contains(stop) == isSent && body.contains("\"stop\"") == isSent)
            }
        }
        // Anthropic's clients are told which it was, which their own gateway has to see.
        let fixture = Fixture(
            scripts: [completion("Two.@@@ Done")], scores: [0.05], settings: BoostedSeamTests.settings(.rest))
        let message =
            #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"x"}],"stop_sequences":["@@@"]}"#
        let answer = try await MessagesEndpointTests.post(fixture, message, isAnthropic: false)
        #expect(MessagesEndpointTests.text(answer).contains(#""stop_reason":"stop_sequence","stop_sequence":"@@@""#))
        let body = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(!body.contains("@@@"))
    }

    @Test("What frameworks send back with a reply keeps no SLM from answering, and it is told who speaks")
    func echoedReply() async throws {
        let fixture = Fixture(scores: [0.99])
        let reply =
            #"{"role":"assistant","content":"3","tool_calls":[],"function_call":null,"audio":null,"refusal":null,"#
            + #""annotations":[],"reasoning":"hm","reasoning_content":"hm","reasoning_details":[{}],"parsed":null,"#
            + #""provider_specific_fields":{"a":1}}"#
        let first = #"{"role":"user","name":"Bo","content":"1+2?"}"#
        let second = #"{"role":"user","name":"Al","content":"2?"}"#
        let response = try await Self.post(fixture, #"{"model":"math","messages":[\#(first),\#(reply),\#(second)]}"#)
        #expect(response.status == .ok && response.headers[.servedBy] == "slm" && response.headers[.steps] == "3")
        let messages = try #require(fixture.slm.requests.first).messages
        #expect(messages.map(\.content) == ["Bo: 1+2?", "3", "Al: 2?"] && messages[1].toolCalls == nil)
        #expect(fixture.provider.calls.isEmpty)
    }

    @Test("The request's value decides: nothing is spent on an answer that is worth nothing")
    func value() async throws {
        let fixture = Fixture(scripts: [completion("Better.")], scores: [0.05])
        var headers = DirectAnswerTests.headers
        headers[.valueUSD] = "0"
        let response = try await DirectAnswerTests.post(fixture, Self.question, headers: headers)
        #expect(response.status == .ok && response.headers[.servedBy] == "slm")
        #expect(fixture.provider.calls.isEmpty)
    }
}
