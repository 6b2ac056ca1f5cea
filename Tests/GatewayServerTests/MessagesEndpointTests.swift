import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import GatewayServer

/// A provider that takes Anthropic's messages alone, or what a test says.
struct EndpointProvider: PaidProvider {
    let inner: FakeProvider
    var endpoints: Set<PaidEndpoint> = [.messages, .countTokens]
    var traits = ProviderTraits()
    /// To whatever it is to be sent.
    var objected: RequestObjection?
    var name: String { inner.name }
    func open(_ call: PaidCall) async throws -> any PaidExchange { try await inner.open(call) }
    func objection(to body: [UInt8], model: String) -> RequestObjection? { objected }
}

@Suite("Anthropic's wire towards clients")
struct MessagesEndpointTests {
    static let headers: HTTPFields = [
        .xAPIKey: FakeCatalog.key, .contentType: "application/json", .anthropicVersion: "2023-06-01",
        .anthropicBeta: "b1",
    ]
    static let body = #"{"model":"sim/large","max_tokens":50,"messages":[{"role":"user","content":"x"}],"odd":1e400}"#

    static func post(
        _ fixture: Fixture, _ body: String = body, path: String = "/v1/messages", headers: HTTPFields = headers,
        isAnthropic: Bool = true
    ) async throws -> TestResponse {
        var services = fixture.services
        if isAnthropic { services.providers["sim"] = EndpointProvider(inner: fixture.provider) }
        let response = try await RouterClient(services).send(.post, path, headers: headers, body: body)
        await services.activity.waitUntilIdle()
        return response
    }
    static func text(_ response: TestResponse) -> String { String(buffer: response.body) }

    static func message(_ text: String) -> FakeProvider.Script {
        let body =
            #"{"id":"msg_1","type":"message","content":[{"type":"text","text":"\#(text)"}],"stop_reason":"end_turn","#
            + #""usage":{"input_tokens":100,"output_tokens":10},"odd":1e400}"#
        return .init(
            chunks: [PaidChunk(bytes: Array(body.utf8), text: text)],
            result: PaidResult(usage: TokenUsage(input: 100, output: 10), finishReason: "stop"))
    }

    @Test("row 3: To an Anthropic provider the body goes byte for byte, with the held max_tokens and the beta header")
    func direct() async throws {
        let fixture = Fixture(scripts: [Self.message("Hi")])
        let response = try await Self.post(fixture)
        #expect(response.status == .ok && Self.text(response).contains(#""odd":1e400"#))
        #expect(Self.text(response).contains(#""gboost":{"request_id""#))
        #expect(response.headers[.costUSD] == "0.001300000")
        let call = try #require(fixture.provider.calls.first)
        #expect(call.endpoint == .messages)
        #expect(
            String(decoding: call.body, as: UTF8.self)
                == Self.body.replacingOccurrences(of: "sim/large", with: "large"))
        #expect(call.headers.map(\.name) == ["anthropic-version", "anthropic-beta"])
        // The prompt's bound: bytes of the body, 16 a message and 512.
        let hold = try #require(fixture.ledger.snapshot.reservations.first)
        #expect(hold.amount.rawValue == (Int64(Self.body.utf8.count) + 16 + 512) * 10_000 + 50 * 30_000)
    }

    @Test("row 7: Refusals come in Anthropic's envelope, and nothing is sent")
    func refusals() async throws {
        let poor = Fixture(limit: NanoUSD(1000))
        let noMoney = try await Self.post(poor)
        #expect(noMoney.status == .tooManyRequests && noMoney.headers[.shouldRetry] == "false")
        #expect(Self.text(noMoney).hasPrefix(#"{"type":"error","error":{"type":"budget_exceeded","#))
        #expect(Self.text(noMoney).contains(#""scope":"tenant:acme""#))
        #expect(Self.text(noMoney).contains(#""request_id":""#))
        let rich = Fixture()
        let cases: [(String, HTTPFields, String)] = [
            (Self.body, [:], "authentication_error"),
            (Self.body.replacingOccurrences(of: "sim/large", with: "nobody"), Self.headers, "not_found_error"),
            (Self.body.replacingOccurrences(of: #""max_tokens":50,"#, with: ""), Self.headers, "invalid_request_error"),
            (Self.body.replacingOccurrences(of: "odd", with: "container"), Self.headers, "invalid_request_error"),
        ]
        for (body, headers, type) in cases {
            let response = try await Self.post(rich, body, headers: headers)
            #expect(Self.text(response).hasPrefix(#"{"type":"error","error":{"type":"\#(type)","#))
        }
        #expect(poor.provider.calls.isEmpty && rich.provider.calls.isEmpty)
        #expect(rich.ledger.snapshot.reservations.isEmpty)
    }

    @Test("An OpenAI-compatible provider gets a translation, and its answer is translated back")
    func translated() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let plain = Self.body.replacingOccurrences(of: #","odd":1e400"#, with: "")
        let response = try await Self.post(fixture, plain, isAnthropic: false)
        #expect(response.status == .ok)
        #expect(Self.text(response).contains(#""content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn""#))
        #expect(Self.text(response).contains(#""output_tokens":10}"#))
        let call = try #require(fixture.provider.calls.first)
        #expect(call.endpoint == .chatCompletions)
        #expect(
            String(decoding: call.body, as: UTF8.self)
                == #"{"model":"large","max_tokens":50,"messages":[{"role":"user","content":"x"}]}"#)
        let refused = try await Self.post(fixture, isAnthropic: false)
        #expect(refused.status == .badRequest && Self.text(refused).contains(#""param":"odd""#))
        #expect(fixture.provider.calls.count == 1)
    }

    @Test(
        "What a vendor objects to is named in the client's own words",
        arguments: [
            ("stop", "stop_sequences"), ("reasoning_effort", "output_config.effort"),
            ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"), ("tools", "tools"),
        ])
    func objections(param: String, name: String) async throws {
        var fixture = Fixture()
        var provider = EndpointProvider(inner: fixture.provider, endpoints: [.chatCompletions])
        provider.objected = RequestObjection(
            message: "'\(param)' is not had there.", code: "untranslatable_field", param: param)
        fixture.services.providers["sim"] = provider
        let plain = Self.body.replacingOccurrences(of: #","odd":1e400"#, with: "")
        let asked = Self.text(try await Self.post(fixture, plain, isAnthropic: false))
        #expect(asked.contains("'\(name)' is not had") && asked.contains(#""param":"\#(name)""#), "\(asked)")
        let other = DirectAnswerTests.text(try await DirectAnswerTests.post(fixture, plain))
        #expect(other.contains("'\(param)' is not had") && other.contains(#""param":"\#(param)""#), "\(other)")
        #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
    }

    @Test("A translation is bounded in its provider's word, by what is held for", arguments: [true, false])
    func limitWord(isNewer: Bool) async throws {
        var fixture = Fixture(scripts: [completion("Hi")])
        var traits = ProviderTraits()
        traits.takesMaxCompletionTokens = isNewer
        traits.prefersMaxCompletionTokens = isNewer
        fixture.services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        let plain = Self.body.replacingOccurrences(of: #","odd":1e400"#, with: "")
        #expect(try await Self.post(fixture, plain, isAnthropic: false).status == .ok)
        let word = isNewer ? "max_completion_tokens" : "max_tokens"
        let sent = #"{"model":"large","\#(word)":50,"messages":[{"role":"user","content":"x"}]}"#
        let call = try #require(fixture.provider.calls.first)
        #expect(String(decoding: call.body, as: UTF8.self) == sent)
        // The prompt's bound is that of the translation, which has the model's whole name.
        let input = Int64(sent.utf8.count + "sim/".utf8.count) + 16 + 512
        let hold = try #require(fixture.ledger.snapshot.reservations.first)
        #expect(hold.amount.rawValue == input * 10_000 + 50 * 30_000)
    }

    @Test("An OpenAI client of an Anthropic provider: the default bound is held for and sent as max_tokens")
    func fromOpenAI() async throws {
        let fixture = Fixture(scripts: [Self.message("Hi")])
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}]}"#
        let response = try await Self.post(
            fixture, body, path: "/v1/chat/completions", headers: DirectAnswerTests.headers)
        #expect(response.status == .ok)
        #expect(Self.text(response).contains(#""message":{"role":"assistant","content":"Hi","refusal":null}"#))
        let call = try #require(fixture.provider.calls.first)
        #expect(call.endpoint == .messages)
        #expect(String(decoding: call.body, as: UTF8.self).hasSuffix(#","max_tokens":4096}"#))
    }

    @Test("A boosted route answers in Anthropic's form, streamed and not")
    func boosted() async throws {
        let fixture = Fixture(scores: [0.99])
        let whole = try await Self.post(
            fixture, #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"x"}]}"#)
        #expect(whole.status == .ok && whole.headers[.servedBy] == "slm")
        #expect(Self.text(whole).contains(#""content":[{"type":"text","text":"One.\nTwo.\nAnswer: 3"}]"#))
        #expect(Self.text(whole).contains(#""stop_reason":"end_turn""#))
        let streamed = try await Self.post(
            fixture, #"{"model":"math","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"x"}]}"#)
        let names = Self.text(streamed).split(separator: "\n").filter { $0.hasPrefix("event: ") }.map {
            $0.dropFirst(7)
        }
        #expect(
            names == [
                "message_start", "content_block_start", "content_block_delta", "content_block_delta",
                "content_block_delta", "content_block_stop", "message_delta", "message_stop",
            ])
        #expect(fixture.provider.calls.isEmpty)
    }

    @Test(
        "A thread is refused before anything is held or drafted, in the words that Anthropic's clients look for",
        arguments: [#"{"type":"create"}"#, #"{"type":"continue","previous_message_id":"msg_1"}"#])
    func threads(thread: String) async throws {
        let counting = "/v1/messages/count_tokens"
        for (model, path, isAnthropic) in [
            ("sim/large", "/v1/messages", true), ("sim/large", "/v1/messages", false), ("math", "/v1/messages", false),
            ("sim/large", counting, true), ("math", counting, false),
        ] {
            let fixture = Fixture(scripts: [Self.message("Hi")])
            let body =
                #"{"model":"\#(model)","max_tokens":50,"messages":[{"role":"user","content":"x"}],"stream":true,"#
                + #""thread":\#(thread)}"#
            let refused = try await Self.post(fixture, body, path: path, isAnthropic: isAnthropic)
            let text = Self.text(refused)
            #expect(refused.status == .badRequest, "\(model) \(path)")
            #expect(text.hasPrefix(#"{"type":"error","error":{"type":"invalid_request_error","#), "\(text)")
            #expect(text.contains(#""details":{"error_code":"thread_unsupported_request"}"#), "\(text)")
            #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
            #expect(fixture.slm.requests.isEmpty)
        }
        let none = Fixture(scripts: [Self.message("Hi")])
        let body = String(Self.body.dropLast()) + #","thread":null}"#
        #expect(try await Self.post(none, body).status == .ok)
    }

    @Test("What an SLM cannot take goes to the route's LLM in full, or is refused where the route may not pay")
    func boostedObstacles() async throws {
        let tools = #"{"name":"f","input_schema":{"type":"object"}}"#
        let body = #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"x"}],"tools":[\#(tools)]}"#
        let fixture = Fixture(scripts: [Self.message("Hi")])
        let response = try await Self.post(fixture, body)
        #expect(response.status == .ok && response.headers[.servedBy] == "llm")
        #expect(fixture.ledger.snapshot.settlements.first?.escalation.reason == "the SLM cannot take tools")
        // A field that has no equal in the SLMs' format is an obstacle as well.
        let memory = #"{"type":"memory_20250818","name":"memory"}"#
        let vendor = body.replacingOccurrences(of: tools, with: memory)
        #expect(try await Self.post(fixture, vendor).status == .ok)
        #expect(fixture.ledger.snapshot.settlements.last?.escalation.reason == "the SLM cannot take tools[0].type")
        var settings = RouteSettings()
        settings.escalationForbidden = true
        let closed = Fixture(settings: settings)
        let refused = try await Self.post(closed, body)
        #expect(refused.status == .badRequest && Self.text(refused).contains("may not escalate"))
        #expect(closed.provider.calls.isEmpty)
    }

    @Test("The direct strategy of a route that may not pay asks its SLM, whoever chose it, and no LLM is asked at all")
    func forbiddenDirect() async throws {
        let plain = #"{"model":"math","max_tokens":50,"messages":[{"role":"user","content":"x"}]}"#
        let tools = String(plain.dropLast()) + #","tools":[{"name":"f","input_schema":{"type":"object"}}]}"#
        var direct = Self.headers
        direct[.strategy] = "direct"
        var settings = RouteSettings()
        settings.escalationForbidden = true
        for (strategy, headers) in [(StrategyKind.stepwise, direct), (StrategyKind.direct, Self.headers)] {
            settings.strategy = strategy
            var closed = Fixture(scripts: [Self.message("Hi")], settings: settings)
            let local = try await Self.post(closed, plain, headers: headers)
            #expect(local.status == .ok && local.headers[.servedBy] == "slm")
            #expect(Self.text(local).contains("Answer: 3"))
            for (path, body) in [
                ("/v1/messages", tools), ("/v1/embeddings", #"{"model":"math","input":"x"}"#),
                ("/v1/completions", #"{"model":"math","prompt":"x"}"#),
                ("/v1/responses", #"{"model":"math","input":"x"}"#),
            ] {
                let refused = try await Self.post(closed, body, path: path, headers: headers)
                #expect(refused.status == .badRequest && Self.text(refused).contains("may not escalate"), "\(path)")
            }
            var catalog = try #require(closed.services.catalog as? FakeCatalog)
            catalog.allRoutes[0].slm = ""
            closed.services.catalog = catalog
            let alone = try await Self.post(closed, plain, headers: headers)
            #expect(alone.status == .badRequest && Self.text(alone).contains("'math' has no model of its own"))
            #expect(closed.provider.calls.isEmpty && closed.ledger.snapshot.reservations.isEmpty)
        }
    }

    @Test(
        "Where the provider that counts is down the estimate stands in; what is at fault is said",
        arguments: [(529, 200), (429, 200), (400, 400), (401, 502)])
    func countTokensFailed(status: Int, expected: Int) async throws {
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}]}"#
        let down = FakeProvider.Script(openError: ProviderError(code: .status, status: status, message: "down"))
        let answer = try await Self.post(Fixture(scripts: [down]), body, path: "/v1/messages/count_tokens")
        #expect(answer.status.code == expected, "\(Self.text(answer))")
        #expect(Self.text(answer).hasSuffix(#""gboost":{"estimated":true}}"#) == (expected == 200))
    }

    @Test("Tokens are counted by the provider without a hold, or estimated and said so")
    func countTokens() async throws {
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}]}"#
        let counted = Fixture(scripts: [
            .init(chunks: [PaidChunk(bytes: Array(#"{"input_tokens":7}"#.utf8), text: "")])
        ])
        let path = "/v1/messages/count_tokens"
        #expect(Self.text(try await Self.post(counted, body, path: path)) == #"{"input_tokens":7}"#)
        #expect(counted.provider.calls.first?.endpoint == .countTokens)
        #expect(counted.ledger.snapshot.reservations.isEmpty)
        let estimated = try await Self.post(
            counted, body.replacingOccurrences(of: "sim/large", with: "math"), path: path)
        #expect(Self.text(estimated).hasSuffix(#""gboost":{"estimated":true}}"#))
        #expect(counted.provider.calls.count == 1)
        #expect(try await Self.post(counted, body, path: path, headers: [:]).status == .unauthorized)
    }
}
