import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import Testing

@testable import GatewayServer

@Suite("Every way to a paid endpoint")
struct FurtherEndpointTests {
    struct Way: Sendable, CustomStringConvertible {
        var endpoint: PaidEndpoint
        /// The request's own fields.
        var fields: String
        /// Where the bound of the answer stands.
        var limit: String?
        /// Tokens of the prompt that are held for, beyond those of its bytes.
        var extra: Int64
        /// How many times its bytes count.
        var factor: Int64 = 1
        var description: String { "/v1\(endpoint.rawValue)" }
        var body: String { #"{"model":"sim/large",\#(fields)\#(limit.map { #","\#($0)":50"# } ?? "")}"# }
    }
    static let ways = [
        Way(
            endpoint: .chatCompletions, fields: #""messages":[{"role":"user","content":"x"}]"#, limit: "max_tokens",
            extra: 528),
        Way(
            endpoint: .messages, fields: #""messages":[{"role":"user","content":"x"}]"#, limit: "max_tokens",
            extra: 528),
        Way(endpoint: .completions, fields: #""prompt":"x","odd":1e400"#, limit: "max_tokens", extra: 512),
        Way(endpoint: .embeddings, fields: #""input":"x","odd":1e400"#, limit: nil, extra: 0, factor: 11),
        Way(endpoint: .responses, fields: #""input":"x","odd":1e400"#, limit: "max_output_tokens", extra: 528),
    ]

    static func post(
        _ fixture: Fixture, _ way: Way, _ body: String? = nil, headers: HTTPFields = DirectAnswerTests.headers
    ) async throws -> TestResponse {
        var services = fixture.services
        services.providers["sim"] = EndpointProvider(inner: fixture.provider, endpoints: Set(PaidEndpoint.allCases))
        let response = try await RouterClient(services).send(
            .post, way.description, headers: headers, body: body ?? way.body)
        await services.activity.waitUntilIdle()
        return response
    }
    static func text(_ response: TestResponse) -> String { String(buffer: response.body) }

    @Test("row 7: needs a key, a price, a budget and the ledger before anything is sent", arguments: ways)
    func gated(way: Way) async throws {
        let unpriced = Fixture(priced: false)
        #expect(Self.text(try await Self.post(unpriced, way)).contains("price_unknown"))
        let poor = Fixture(limit: NanoUSD(1000))
        let noMoney = try await Self.post(poor, way)
        #expect(noMoney.status == .tooManyRequests && Self.text(noMoney).contains("budget_exceeded"))
        let rich = Fixture()
        #expect(try await Self.post(rich, way, headers: [:]).status == .unauthorized)
        rich.ledger.state.withLock { $0.isAway = true }
        #expect(try await Self.post(rich, way).status == .serviceUnavailable)
        #expect((unpriced.provider.calls + poor.provider.calls + rich.provider.calls).isEmpty)
    }

    @Test("row 3: is held for what is sent: the bound of the prompt and exactly the answer's limit", arguments: ways)
    func held(way: Way) async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let response = try await Self.post(fixture, way)
        #expect(response.status == .ok && response.headers[.costUSD] == "0.001300000")
        let call = try #require(fixture.provider.calls.first)
        #expect(call.endpoint == way.endpoint)
        let sent = way.body.replacingOccurrences(of: "sim/large", with: "large")
        #expect(String(decoding: call.body, as: UTF8.self) == sent)
        let hold = try #require(fixture.ledger.snapshot.reservations.first)
        let input = Int64(way.body.utf8.count) * way.factor + way.extra
        #expect(hold.amount.rawValue == input * 10_000 + (way.limit == nil ? 1 : 50) * 30_000)
    }

    @Test("is refused where the cost has no bound, with the field at fault")
    func unbounded() async throws {
        let fixture = Fixture()
        for (index, field, param) in [
            (4, #""previous_response_id":"r""#, "previous_response_id"), (4, #""background":true"#, "background"),
            (4, #""tools":[{"type":"web_search"}]"#, "tools[0]"), (2, #""service_tier":"priority""#, "service_tier"),
            (4, #""context_management":[{"type":"compaction"}]"#, "context_management"),
            (4, #""data_sources":[{}]"#, "data_sources"),
            (4, #""plugins":[{"id":"web"}]"#, "plugins"), (4, #""models":["a/b"]"#, "models"),
            (0, #""tools":[{"type":"web_search"}]"#, "tools[0]"), (0, #""models":["a/b"]"#, "models"),
            (0, #""search_parameters":{"mode":"auto"}"#, "search_parameters"),
            (0, #""prediction":{"type":"content","content":"x"}"#, "prediction"),
            (0, #""web_search_options":{}"#, "web_search_options"), (0, #""enable_search":true"#, "enable_search"),
            (3, #""messages":[{"role":"user","content":"x"}]"#, "messages"),
        ] {
            let way = Self.ways[index]
            let body = "\(way.body.dropLast()),\(field)}"
            let response = try await Self.post(fixture, way, body)
            #expect(response.status == .badRequest && Self.text(response).contains(#""param":"\#(param)""#), "\(field)")
        }
        #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
    }

    @Test(
        "An item that stands for what is elsewhere, or for a document, is refused by name",
        arguments: [
            (#"{"id":"msg_1"}"#, "input[0]"), (#"{"type":null,"id":"msg_1","role":"user"}"#, "input[0]"),
            (#"{"id":"msg_1","content":[]}"#, "input[0]"), (#"{"type":"item_reference","id":"msg_1"}"#, "input[0]"),
            (
                #"{"role":"user","content":[{"type":"input_image","image_url":"data:application/pdf;base64,QUJD"}]}"#,
                "input[0].content[0]"
            ),
            (#"{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,QUJD"}]}"#, nil),
            (#"{"type":"reasoning","id":"rs_1","summary":[]}"#, nil), (#"{"role":"user","content":"x"}"#, nil),
        ] as [(String, String?)])
    func items(item: String, param: String?) async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let body = #"{"model":"sim/large","input":[\#(item)],"max_output_tokens":50,"context_management":[]}"#
        let response = try await Self.post(fixture, Self.ways[4], body)
        #expect(response.status == (param == nil ? .ok : .badRequest), "\(Self.text(response))")
        if let param { #expect(Self.text(response).contains(#""param":"\#(param)""#)) }
        #expect(fixture.provider.calls.isEmpty == (param != nil))
    }

    @Test(
        "Texts and tokens are embedded and completed; what else stands in their place is refused by name",
        arguments: [
            (#""x""#, nil), (#"["x","y"]"#, nil), ("[1,2]", nil), ("[[1,2],[3]]", nil), ("[]", nil),
            (#"{"image":"data:image/png;base64,QUJD"}"#, ""), (#"["x",{"image":"https://a/b.png"}]"#, "[1]"),
            (#"[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]"#, "[0]"),
            (#"[["x",{"image":"https://a/b.png"}]]"#, "[0]"),
        ] as [(String, String?)])
    func texts(value: String, place: String?) async throws {
        for (index, name) in [(2, "prompt"), (3, "input")] {
            let fixture = Fixture(scripts: [completion("Hi")])
            let body = #"{"model":"sim/large","\#(name)":\#(value),"max_tokens":50}"#
            let response = try await Self.post(fixture, Self.ways[index], body)
            #expect(response.status == (place == nil ? .ok : .badRequest), "\(Self.text(response))")
            if let place { #expect(Self.text(response).contains(#""param":"\#(name)\#(place)""#)) }
            #expect(fixture.provider.calls.isEmpty == (place != nil))
        }
    }

    @Test("Completions are held for every prompt and choice")
    func choices() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let body = #"{"model":"sim/large","prompt":["a","b"],"n":2,"best_of":3,"max_tokens":50}"#
        #expect(try await Self.post(fixture, Self.ways[2], body).status == .ok)
        let hold = try #require(fixture.ledger.snapshot.reservations.first)
        #expect(hold.amount.rawValue == (Int64(body.utf8.count) + 512) * 10_000 + 6 * 50 * 30_000)
    }

    @Test("What a provider does not serve is a 400, and a provider's own ways are kept")
    func traits() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        var traits = ProviderTraits()
        traits.prefersMaxCompletionTokens = true
        traits.takesStreamOptions = false
        var services = fixture.services
        services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        let client = RouterClient(services)
        let chat = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"stream":true}"#
        let refused = try await client.send(
            .post, "/v1/embeddings", headers: DirectAnswerTests.headers, body: Self.ways[3].body)
        #expect(refused.status == .badRequest && Self.text(refused).contains("does not serve /v1/embeddings"))
        _ = try await client.send(.post, "/v1/chat/completions", headers: DirectAnswerTests.headers, body: chat)
        await services.activity.waitUntilIdle()
        let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(sent.hasSuffix(#""stream":true,"max_completion_tokens":4096}"#))
    }
}
