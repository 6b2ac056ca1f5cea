import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOEmbedded
import Testing

@testable import GatewayServer

@Suite("Whose refusals they are, and whose fault")
struct RefusalCountTests {
    private struct Gone: Error {}

    private static let path = "/v1/chat/completions"

    @Test("A refusal after authentication counts under its tenant, one before it under none")
    func tenants() async throws {
        let fixture = Fixture()
        let body = #"{"model":"gpt-9","messages":[{"role":"user","content":"x"}]}"#
        #expect(try await DirectAnswerTests.post(fixture, body).status == .notFound)
        #expect(try await DirectAnswerTests.post(fixture, body, headers: [:]).status == .unauthorized)
        let text = fixture.services.metrics.registry.render()
        #expect(text.contains(#"gboost_requests_total{tenant="acme",model="",status="404"} 1"#), "\(text)")
        #expect(text.contains(#"gboost_requests_total{tenant="",model="",status="401"} 1"#), "\(text)")
    }

    @Test("An upload that breaks off is the client's: no 500, no word in the log, and its tenant's")
    func aborted() async throws {
        let fixture = Fixture()
        let (body, source) = RequestBody.makeStream()
        let request = Request(
            head: HTTPRequest(
                method: .post, scheme: "http", authority: "localhost", path: Self.path,
                headerFields: DirectAnswerTests.headers),
            body: body)
        let context = GatewayContext(source: .init(channel: EmbeddedChannel(), logger: fixture.services.logger))
        await source.yield(ByteBuffer(string: #"{"model":"#))
        source.finish(Gone())
        let responder = GatewayApplication.router(fixture.services).buildResponder()
        #expect(try await responder.respond(to: request, context: context).status == .badRequest)
        #expect(GatewayRefusal.unfinishedRequest.logText == nil)
        let text = fixture.services.metrics.registry.render()
        #expect(text.contains(#"gboost_requests_total{tenant="acme",model="",status="400"} 1"#), "\(text)")
        #expect(!text.contains(#"status="500""#))
    }
}
