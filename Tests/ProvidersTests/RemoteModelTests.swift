import Curl
import Foundation
import GatewayCore
import GatewayTesting
import Providers
import Testing

/// An SLM that another server holds, before a peer that answers as vLLM and llama-server do.
@Suite("A model that another server holds") struct RemoteModelTests {
    private static func request(_ answer: [AnswerSegment] = [], boundary: StepBoundary? = .newline) -> DraftRequest {
        DraftRequest(
            session: UUID(), messages: [ChatMessage(role: "user", content: "2 + 3?")], answer: answer,
            sampling: Sampling(temperature: 0.5, seed: 7), maxTokens: 40, boundary: boundary, wantsHidden: false)
    }

    @Test("a step is cut where it ends, and the next one goes on from the text so far")
    func steps() async throws {
        let first =
            [ScriptedPeer.Step.read]
            + stream(
                GoldenStreams.delta("Two and"), GoldenStreams.delta(" three.\\n"), GoldenStreams.delta("So"),
                GoldenStreams.stop, GoldenStreams.usage(7, 9) + GoldenStreams.done, headers: "Connection: close\r\n")
        let second =
            [ScriptedPeer.Step.read]
            + stream(
                GoldenStreams.delta("Five."), GoldenStreams.stop, GoldenStreams.usage(11, 2) + GoldenStreams.done, "")
        try await withProvider(first, second) { provider, peer in
            let model = RemoteModel(provider: provider, model: "small")
            let step = try await model.draft(Self.request())
            #expect(step.text == "Two and three.\n" && step.end == .boundary && step.tokenCount == 4)
            #expect(step.segment == .text("Two and three.\n"))
            let rest = try await model.draft(Self.request([step.segment]))
            #expect(rest.text == "Five." && rest.end == .answer && rest.promptTokens == 11 && rest.tokenCount == 2)
            let bodies = peer.requests.map { String(decoding: $0.body, as: UTF8.self) }
            #expect(bodies.count == 2 && bodies[0].contains("\"model\":\"small\"") && bodies[0].contains("\"seed\":7"))
            #expect(!bodies[0].contains("continue_final_message"))
            #expect(bodies[1].contains(#"{"role":"assistant","content":"Two and three.\n"}"#))
            #expect(bodies[1].contains(#""continue_final_message":true"#))
        }
    }

    @Test("what was read is estimated by its bytes, the answer so far among them, where no count comes")
    func uncounted() async throws {
        // A step that is cut is given up before the usage; others send none, or zeros.
        let cut =
            [ScriptedPeer.Step.read]
            + stream(
                GoldenStreams.delta("Two and three.\\n"), GoldenStreams.delta("So"), GoldenStreams.stop,
                GoldenStreams.done, "", headers: "Connection: close\r\n")
        let zeros =
            [ScriptedPeer.Step.read]
            + stream(
                GoldenStreams.delta("Five."), GoldenStreams.stop, GoldenStreams.usage(0, 3) + GoldenStreams.done, "")
        try await withProvider(cut, zeros) { provider, _ in
            let model = RemoteModel(provider: provider, model: "small")
            let step = try await model.draft(Self.request())
            #expect(step.end == .boundary && step.promptTokens == 2 && step.reusedTokens == 0)
            let rest = try await model.draft(Self.request([step.segment]))
            // 6 bytes of the question and 15 of the answer.
            #expect(rest.end == .answer && rest.promptTokens == 6 && rest.reusedTokens == 0)
        }
    }

    @Test("a status that says nothing of this request is the model's failure, not an engine's that stopped")
    func brokenServer() async throws {
        let body = #"{"error":{"message":"secret prompt"}}"#
        let answer = "HTTP/1.1 500 No\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        try await withProvider([.read, .send(answer)]) { provider, _ in
            do {
                _ = try await RemoteModel(provider: provider, model: "small").draft(Self.request())
                Issue.record("it answered")
            } catch {
                guard case .unavailable(let text) = error as? LocalModelError else {
                    Issue.record("\(error)")
                    return
                }
                #expect(text.contains("500") && !text.contains("secret"))
            }
        }
    }

    @Test("what it cannot do is said: hidden states, tokens of another model")
    func limits() async throws {
        try await withProvider([.read]) { provider, _ in
            let model = RemoteModel(provider: provider, model: "small")
            var hidden = Self.request()
            hidden.wantsHidden = true
            await #expect(throws: LocalModelError.self) { _ = try await model.draft(hidden) }
            await #expect(throws: LocalModelError.self) { _ = try await model.draft(Self.request([.tokens([1])])) }
        }
    }

    @Test("its failures are a local model's", arguments: [(429, true), (503, true), (400, false), (500, false)])
    func failures(status: Int, isOverload: Bool) async throws {
        let body = #"{"error":{"message":"no"}}"#
        let answer = "HTTP/1.1 \(status) No\r\nRetry-After: 3\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        try await withProvider([.read, .send(answer)]) { provider, _ in
            do {
                _ = try await RemoteModel(provider: provider, model: "small").draft(Self.request())
                Issue.record("it answered")
            } catch {
                #expect((error as? LocalModelError == .overloaded(retryAfterSeconds: 3)) == isOverload, "\(error)")
            }
        }
    }

    @Test("a reward model is asked for its first tokens")
    func firstTokens() async throws {
        let body = """
            {"choices":[{"index":0,"message":{"role":"assistant","content":"Yes"},"finish_reason":"length","logprobs":
            {"content":[{"token":"Yes","logprob":-0.2,"top_logprobs":[{"token":"Yes","logprob":-0.2},
            {"token":"No","logprob":-1.8}]}]}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}
            """
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        try await withProvider([.read, .send(head + body)]) { provider, peer in
            let tokens = try await RemoteModel(provider: provider, model: "prm")
                .firstTokens([ChatMessage(role: "user", content: "Right?")])
            #expect(tokens.map(\.token) == ["Yes", "No"] && tokens.map(\.logProbability) == [-0.2, -1.8])
            #expect(
                peer.requests.first.map { String(decoding: $0.body, as: UTF8.self).contains("top_logprobs") } == true)
        }
    }

    @Test("a URL names its model, and holds no password")
    func endpoints() throws {
        #expect(try RemoteEndpoint.parse("/models/a.gguf") == nil)
        let endpoint = try RemoteEndpoint.parse("http://10.0.0.7:8000/v1#Qwen/Qwen2.5-1.5B")
        #expect(endpoint == RemoteEndpoint(baseURL: "http://10.0.0.7:8000/v1", model: "Qwen/Qwen2.5-1.5B"))
        let keyed = try RemoteEndpoint.parse("https://host/v1?key=env:GBOOST_REMOTE_A&reward=pooling&step=%0A%0A#m")
        #expect(keyed?.baseURL == "https://host/v1" && keyed?.key == "env:GBOOST_REMOTE_A" && keyed?.model == "m")
        #expect(keyed?.reward == .pooling && keyed?.stepMark == "\n\n")
        for text in [
            "http://host/v1", "http://user:secret@host/v1#m", "http://#m", "https://host/v1?key=1#m",
            "https://host/v1?key=env:OPENAI_API_KEY#m", "https://host/v1?reward=x#m", "https://host/v1?a=b#m",
        ] {
            #expect(throws: LocalModelError.self) { try RemoteEndpoint.parse(text) }
        }
    }

    @Test("what a client wishes for the choice of tokens, and a schema, reach the other server")
    func sampling() async throws {
        let answer =
            [ScriptedPeer.Step.read]
            + stream(GoldenStreams.delta("{}"), GoldenStreams.stop, GoldenStreams.usage(7, 9) + GoldenStreams.done)
        try await withProvider(answer) { provider, peer in
            var request = Self.request(boundary: nil)
            request.sampling.topK = 7
            request.sampling.repeatPenalty = 1.5
            request.sampling.logitBias = [9: -5]
            request.sampling.jsonSchema = #"{"type":"object"}"#
            _ = try await RemoteModel(provider: provider, model: "small").draft(request)
            let body = String(decoding: try #require(peer.requests.first).body, as: UTF8.self)
            #expect(body.contains(#""top_k":7"#) && body.contains(#""repetition_penalty":1.5"#))
            #expect(body.contains(#""logit_bias":{"9":-5"#) && body.contains(#""schema":{"type":"object"}"#))
            #expect(!body.contains("min_p") && !body.contains("presence_penalty"))
        }
    }

    private static func answer(_ body: String, status: Int = 200) -> [ScriptedPeer.Step] {
        // It closes, and says so: a client that kept the connection would send its next request into it.
        let head = [
            "HTTP/1.1 \(status) X", "Content-Type: application/json", "Connection: close",
            "Content-Length: \(body.utf8.count)", "", "",
        ].joined(separator: "\r\n")
        return [.read, .send(head + body)]
    }

    private static func step(_ text: String) -> StepDraft {
        StepDraft(
            text: text, tokens: [], logProbabilities: [], hidden: [], end: .boundary, promptTokens: 0, reusedTokens: 0)
    }

    @Test("a pooling endpoint gets the steps with their marks and the key, and gives the last mark's probability")
    func pooling() async throws {
        let answer = Self.answer(#"{"data":[{"index":0,"data":[[0.9,0.1],[0.25,0.75]]}]}"#)
        let peer = try ScriptedPeer(all: [answer])
        let client = try CurlClient()
        var endpoint = RemoteEndpoint(baseURL: "\(peer.url)/v1", model: "prm")
        endpoint.reward = .pooling
        let scorer = RemoteScorer(endpoint, kind: .pooling, key: Secret("k3y"), client: client)
        let question = [ChatMessage(role: "user", content: "2 + 3?")]
        let reward = try await scorer.score(
            session: UUID(), messages: question, answer: ["Two.\n"], draft: Self.step("Five.\n"))
        #expect(reward == ProcessReward(raw: 0.75, calibrated: 0.75))
        let request = try #require(peer.requests.first)
        #expect(request.head.contains("POST /pooling ") && request.head.contains("Bearer k3y"))
        #expect(String(decoding: request.body, as: UTF8.self).contains("Two.<extra_0>Five.<extra_0>"))
        await client.shutdown()
    }

    @Test("a score endpoint reads all candidates in one call; what is no probability, and a failure, are no reward")
    func scores() async throws {
        let peer = try ScriptedPeer(all: [
            Self.answer(#"{"data":[{"index":1,"score":0.2},{"index":0,"score":0.8}]}"#),
            Self.answer(#"{"data":[{"index":0,"score":3.5}]}"#), Self.answer("{}", status: 500),
        ])
        let client = try CurlClient()
        let endpoint = RemoteEndpoint(baseURL: "\(peer.url)/v1/", model: "prm")
        let scorer = RemoteScorer(endpoint, kind: .score, key: nil, client: client)
        let question = [ChatMessage(role: "user", content: "2 + 3?")]
        let rewards = try await scorer.score(
            session: UUID(), messages: question, answer: [], candidates: [Self.step("a"), Self.step("b")])
        #expect(rewards.map(\.raw) == [0.8, 0.2])
        for _ in 0..<2 {
            await #expect(throws: LocalModelError.self) {
                _ = try await scorer.score(
                    session: UUID(), messages: question, answer: [], draft: Self.step("a"))
            }
        }
        #expect(peer.requests.count == 3 && peer.requests.allSatisfy { $0.head.contains("POST /score ") })
        await client.shutdown()
    }
}
