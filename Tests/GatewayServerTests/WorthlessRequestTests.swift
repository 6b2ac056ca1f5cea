import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import GatewayServer

@Suite("On a boosted route nothing is paid for what is worth nothing")
struct WorthlessRequestTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var path = "/v1/chat/completions"
        /// The request's own fields, other than its model.
        var fields: String
        /// What no SLM can take of it.
        var obstacle: String
        var testDescription: String { "\(path) \(obstacle)" }
    }
    private static let chat = #""messages":[{"role":"user","content":"x"}]"#
    private static let image = #"{"type":"image_url","image_url":{"url":"https://a/b.png"}}"#
    static let cases = [
        Case(fields: chat + #","tools":[{"type":"function","function":{"name":"f"}}]"#, obstacle: "tools"),
        Case(fields: chat + #","tools":[{"type":"custom","custom":{"name":"f"}}]"#, obstacle: "tools"),
        Case(fields: chat + #","logprobs":true"#, obstacle: "logprobs"),
        Case(fields: chat + #","n":2"#, obstacle: "several_choices"),
        Case(fields: #""messages":[{"role":"user","content":[\#(image)]}]"#, obstacle: "images"),
        Case(
            path: "/v1/messages",
            fields: chat + #","max_tokens":9,"tools":[{"type":"memory_20250818","name":"memory"}]"#,
            obstacle: "tools[0].type"),
        Case(path: "/v1/completions", fields: #""prompt":"x""#, obstacle: "/v1/completions"),
        Case(path: "/v1/embeddings", fields: #""input":"x""#, obstacle: "/v1/embeddings"),
        Case(path: "/v1/responses", fields: #""input":"x""#, obstacle: "/v1/responses"),
    ]

    private static func post(
        _ fixture: Fixture, _ asked: Case, model: String = "math", value: String?, strategy: String? = nil
    ) async throws -> TestResponse {
        var services = fixture.services
        services.providers["sim"] = EndpointProvider(inner: fixture.provider, endpoints: Set(PaidEndpoint.allCases))
        var headers = DirectAnswerTests.headers
        headers[.valueUSD] = value
        headers[.strategy] = strategy
        let response = try await RouterClient(services).send(
            .post, asked.path, headers: headers, body: #"{"model":"\#(model)",\#(asked.fields)}"#)
        await services.activity.waitUntilIdle()
        return response
    }

    @Test("What no SLM can take is refused at a value of 0, by the header's name", arguments: cases)
    func refused(asked: Case) async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let response = try await Self.post(fixture, asked, value: "0.000")
        let text = String(buffer: response.body)
        #expect(response.status == .badRequest && text.contains(#""param":"x-gboost-value-usd""#), "\(text)")
        #expect(text.contains("cannot take \(asked.obstacle), and the LLM is not paid, since x-gboost-value-usd is 0."))
        #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
        for value in [nil, "0.000000001"] {
            let paid = Fixture(scripts: [completion("Hi")])
            _ = try await Self.post(paid, asked, value: value)
            #expect(paid.provider.calls.count == 1)
        }
    }

    @Test("A route's own value of 0 is as good as the request's, unless that names more", arguments: cases)
    func worthlessRoute(asked: Case) async throws {
        var settings = RouteSettings()
        settings.valueUSD = 0
        for value in [nil, "0"] {
            let fixture = Fixture(scripts: [completion("Hi")], settings: settings)
            let response = try await Self.post(fixture, asked, value: value)
            let text = String(buffer: response.body)
            #expect(response.status == .badRequest && text.contains(#""param":"x-gboost-value-usd""#), "\(text)")
            #expect(text.contains("value_usd is 0, and the request has no") == (value == nil), "\(text)")
            #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
        }
        let paid = Fixture(scripts: [completion("Hi")], settings: settings)
        _ = try await Self.post(paid, asked, value: "0.000000001")
        #expect(paid.provider.calls.count == 1)
        let direct = Fixture(scripts: [completion("Hi")], settings: settings)
        _ = try await Self.post(direct, asked, value: nil, strategy: "direct")
        #expect(direct.provider.calls.count == 1)
    }

    @Test("Where no router decides the value is not looked at", arguments: cases)
    func direct(asked: Case) async throws {
        for (model, strategy) in [("sim/large", nil), ("math", "direct")] as [(String, String?)] {
            let fixture = Fixture(scripts: [completion("Hi")])
            _ = try await Self.post(fixture, asked, model: model, value: "0", strategy: strategy)
            #expect(fixture.provider.calls.count == 1, "\(model)")
        }
    }

    @Test("An SLM that cannot be asked about tools leaves the request unanswered, and unpaid")
    func failed() async throws {
        var fixture = Fixture(scripts: [completion("Hi")])
        fixture.services.models = AbsentModels()
        let response = try await Self.post(fixture, Self.cases[0], value: "0")
        #expect(response.status == .serviceUnavailable && fixture.provider.calls.isEmpty)
        _ = try await Self.post(fixture, Self.cases[0], value: nil)
        #expect(fixture.provider.calls.count == 1)
    }
}

/// Models of which none can be loaded.
private struct AbsentModels: LocalModels {
    func slm(
        _ record: ModelRecord, base: ModelRecord?
    ) async throws(LocalModelError) -> any SmallLanguageModel { throw LocalModelError.unavailable("away") }
    func prm(
        _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel { throw LocalModelError.unavailable("away") }
}
