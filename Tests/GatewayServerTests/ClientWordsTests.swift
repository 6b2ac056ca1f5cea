import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import GatewayServer

@Suite("Anthropic's clients read of what went wrong in their own words")
struct ClientWordsTests {
    private static func text(_ response: TestResponse) -> String { String(buffer: response.body) }

    @Test("an objection to an image by its place in their request", arguments: [false, true])
    func image(hasSystem: Bool) async throws {
        let image = #"{"type":"image","source":{"type":"url","url":"https://a/b.png"}}"#
        let body =
            #"{"model":"sim/large","max_tokens":50\#(hasSystem ? #","system":"s""# : ""),"#
            + #""messages":[{"role":"user","content":[\#(image)]}]}"#
        var fixture = Fixture()
        let param = "messages[\(hasSystem ? 1 : 0)].content[0].image_url.url"
        fixture.services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions],
            objected: RequestObjection(message: "'\(param)' is no image.", code: "untranslatable_field", param: param))
        let answer = Self.text(try await MessagesEndpointTests.post(fixture, body, isAnthropic: false))
        let name = "messages[0].content[0].source.url"
        #expect(answer.contains("'\(name)' is no image.") && answer.contains(#""param":"\#(name)""#), "\(answer)")
        #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
    }

    @Test("a message with nothing in it, which is refused before it is translated", arguments: [0, 1])
    func emptyMessage(place: Int) async throws {
        let before = place == 0 ? "" : #"{"role":"user","content":"x"},"#
        let body =
            #"{"model":"sim/large","max_tokens":50,"messages":[\#(before){"role":"user","content":[]}]}"#
        let fixture = Fixture()
        let response = try await MessagesEndpointTests.post(fixture, body, isAnthropic: false)
        let said = "Invalid 'messages[\(place)].content': expected a string or an array of at least one block."
        #expect(response.status == .badRequest && Self.text(response).contains(said), "\(Self.text(response))")
        #expect(fixture.provider.calls.isEmpty)
    }

    @Test(
        "a provider's refusal has Anthropic's type of its status",
        arguments: [
            (400, 400, "invalid_request_error"), (404, 404, "not_found_error"), (413, 413, "request_too_large"),
            (422, 422, "invalid_request_error"), (403, 403, "permission_error"),
            // Between the gateway and its provider.
            (401, 502, "upstream_error"), (429, 502, "upstream_error"), (529, 502, "upstream_error"),
        ])
    func refused(status: Int, expected: Int, type: String) async throws {
        let error = ProviderError(code: .status, status: status, message: "no")
        let response = try await MessagesEndpointTests.post(Fixture(scripts: [.init(openError: error)]))
        let said = Self.text(response)
        #expect(response.status.code == expected)
        #expect(said.hasPrefix(#"{"type":"error","error":{"type":"\#(type)","#), "\(said)")
    }

    @Test("OpenAI's have no such type")
    func openAI() async throws {
        let error = ProviderError(code: .status, status: 404, message: "no")
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        let response = try await DirectAnswerTests.post(Fixture(scripts: [.init(openError: error)]), body)
        #expect(response.status == .notFound)
        #expect(DirectAnswerTests.text(response).contains(#""type":"invalid_request_error""#))
    }
}
