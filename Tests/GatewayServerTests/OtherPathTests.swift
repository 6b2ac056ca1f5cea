import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import GatewayServer

@Suite("The paths of LiteLLM's proxy and of Azure's clients lead to the same endpoints")
struct OtherPathTests {
    private static func post(
        _ fixture: Fixture, _ path: String, _ body: String, headers: HTTPFields = DirectAnswerTests.headers
    ) async throws -> TestResponse {
        var services = fixture.services
        services.providers["sim"] = EndpointProvider(inner: fixture.provider, endpoints: Set(PaidEndpoint.allCases))
        let response = try await RouterClient(services).send(.post, path, headers: headers, body: body)
        await services.activity.waitUntilIdle()
        return response
    }
    private static func text(_ response: TestResponse) -> String { String(buffer: response.body) }

    /// As Azure's clients send their key.
    private static let azure: HTTPFields = [.azureAPIKey: FakeCatalog.key, .contentType: "application/json"]
    private static let chat = #""messages":[{"role":"user","content":"x"}],"max_tokens":50"#

    @Test(
        "without /v1 the same is held, sent and answered",
        arguments: FurtherEndpointTests.ways.filter { $0.endpoint != .messages })
    func withoutVersion(way: FurtherEndpointTests.Way) async throws {
        let path = way.endpoint.rawValue
        let (fixture, twin) = (Fixture(scripts: [completion("Hi")]), Fixture(scripts: [completion("Hi")]))
        let (answer, other) = (
            try await Self.post(fixture, path, way.body), try await Self.post(twin, "/v1" + path, way.body)
        )
        #expect(answer.status == .ok && answer.headers[.costUSD] == other.headers[.costUSD])
        let (call, same) = (try #require(fixture.provider.calls.first), try #require(twin.provider.calls.first))
        #expect(call.endpoint == way.endpoint && call.body == same.body)
        let (hold, held) = (fixture.ledger.snapshot.reservations.first, twin.ledger.snapshot.reservations.first)
        #expect(hold != nil && hold?.amount == held?.amount)
        #expect(try await Self.post(fixture, path, way.body, headers: [:]).status == .unauthorized)
    }

    @Test("without /v1 models are listed and told, and Anthropic's endpoints are not there")
    func models() async throws {
        let client = RouterClient(Fixture().services)
        for path in ["/models", "/models/sim/large", "/models/sim%2Flarge"] {
            let answer = try await client.send(.get, path, headers: DirectAnswerTests.headers)
            let twin = try await client.send(.get, "/v1" + path, headers: DirectAnswerTests.headers)
            #expect(answer.status == .ok && answer.body == twin.body, "\(path)")
            #expect(try await client.send(.get, path).status == .unauthorized, "\(path)")
        }
        for path in ["/messages", "/messages/count_tokens"] {
            let answer = try await client.send(.post, path, headers: DirectAnswerTests.headers, body: "{}")
            #expect(answer.status == .notFound, "\(path)")
        }
        let wrong = try await client.send(.get, "/chat/completions", headers: DirectAnswerTests.headers)
        #expect(wrong.status == .methodNotAllowed && wrong.headers[.allow] == "POST")
    }

    @Test(
        "a deployment's name is the model, with its slash as it is or escaped, whatever the body names",
        arguments: ["sim/large", "sim%2Flarge"], ["", #""model":"sim/large","#, #""model":"math","#, #""model":7,"#])
    func deployment(name: String, model: String) async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let path = "/openai/deployments/\(name)/chat/completions?api-version=2024-10-21"
        let answer = try await Self.post(fixture, path, "{\(model)\(Self.chat)}", headers: Self.azure)
        #expect(answer.status == .ok && answer.headers[.servedBy] == "llm", "\(Self.text(answer))")
        let call = try #require(fixture.provider.calls.first)
        let sent = String(decoding: call.body, as: UTF8.self)
        #expect(call.endpoint == .chatCompletions && sent.contains(#""model":"large""#), "\(sent)")
        #expect(sent.components(separatedBy: #""model""#).count == 2)
        #expect(fixture.ledger.snapshot.requests.first?.model == "sim/large")
    }

    @Test("a deployment may be a route, and has OpenAI's further endpoints that Azure has")
    func furtherDeployments() async throws {
        let boosted = try await Self.post(
            Fixture(scores: [0.99]), "/openai/deployments/math/chat/completions", "{\(Self.chat)}", headers: Self.azure)
        #expect(boosted.status == .ok && boosted.headers[.servedBy] == "slm", "\(Self.text(boosted))")
        for (path, body, endpoint) in [
            ("completions", #"{"prompt":"x","max_tokens":50}"#, PaidEndpoint.completions),
            ("embeddings", #"{"input":"x","model":"text"}"#, .embeddings),
        ] {
            let fixture = Fixture(scripts: [completion("Hi")])
            let answer = try await Self.post(
                fixture, "/openai/deployments/sim/large/\(path)", body, headers: Self.azure)
            #expect(answer.status == .ok && fixture.provider.calls.first?.endpoint == endpoint, "\(path)")
        }
        for path in ["sim/large/images/generations", "sim/large", "chat/responses"] {
            let answer = try await Self.post(Fixture(), "/openai/deployments/\(path)", "{}", headers: Self.azure)
            #expect(answer.status == .notFound && Self.text(answer).contains("unknown_path"), "\(path)")
        }
        let client = RouterClient(Fixture().services)
        let wrong = try await client.send(.get, "/openai/deployments/sim/large/embeddings")
        #expect(wrong.status == .methodNotAllowed && wrong.headers[.allow] == "POST")
        #expect(try await client.send(.get, "/openai/deployments/sim/large/images/generations").status == .notFound)
    }

    @Test("a deployment's answer is streamed")
    func stream() async throws {
        let events = [
            #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#,
            #"data: {"id":"c","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10}}"#, "data: [DONE]",
        ].map { $0 + "\n\n" }
        var script = completion("Hi")
        script.chunks = events.map { PaidChunk(bytes: Array($0.utf8), text: "") }
        let fixture = Fixture(scripts: [script])
        let answer = try await Self.post(
            fixture, "/openai/deployments/sim/large/chat/completions", #"{\#(Self.chat),"stream":true}"#,
            headers: Self.azure)
        // The last chunk has the account of it before its end.
        #expect(
            answer.status == .ok && Self.text(answer).hasPrefix(events[0].dropLast(3) + #","gboost":"#),
            "\(Self.text(answer))")
        #expect(Self.text(answer).hasSuffix("data: [DONE]\n\n") && fixture.ledger.snapshot.settled == 1_300_000)
    }

    @Test("a deployment needs a key, a body that is an object, and a model that is there")
    func refusals() async throws {
        let path = "/openai/deployments/sim/large/chat/completions"
        let fixture = Fixture()
        #expect(try await Self.post(fixture, path, "{\(Self.chat)}", headers: [:]).status == .unauthorized)
        let list = try await Self.post(fixture, path, "[]", headers: Self.azure)
        #expect(list.status == .badRequest, "\(Self.text(list))")
        // The body's model is one, and is not asked.
        let unknown = try await Self.post(
            fixture, "/openai/deployments/gpt-9/chat/completions", #"{"model":"sim/large",\#(Self.chat)}"#,
            headers: Self.azure)
        #expect(unknown.status == .notFound && Self.text(unknown).contains("'gpt-9'"))
        #expect(fixture.provider.calls.isEmpty)
    }
}
