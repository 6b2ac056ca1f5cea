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
                GoldenStreams.stop, GoldenStreams.usage(7, 9) + GoldenStreams.done)
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
        for text in ["http://host/v1", "http://user:secret@host/v1#m", "http://#m", "https://host/v1?key=1#m"] {
            #expect(throws: LocalModelError.self) { try RemoteEndpoint.parse(text) }
        }
    }
}
