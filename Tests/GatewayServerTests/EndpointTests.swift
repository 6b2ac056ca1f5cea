import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOEmbedded
import Testing

@testable import GatewayServer

@Suite("What stands beside the answers")
struct EndpointTests {
    private static func get(
        _ fixture: Fixture, _ path: String, method: HTTPRequest.Method = .get, headers: HTTPFields = [:]
    ) async throws -> TestResponse {
        try await RouterClient(fixture.services).send(method, path, headers: headers)
    }

    @Test("Ready until something is missing or draining begins; alive all the while")
    func health() async throws {
        var fixture = Fixture()
        #expect(try await Self.get(fixture, "/health/ready").status == .ok)
        fixture.services.notReady = { ["database"] }
        let missing = try await Self.get(fixture, "/health/ready")
        #expect(missing.status == .serviceUnavailable && String(buffer: missing.body).contains("database"))
        fixture.services.notReady = { [] }
        #expect(try await Self.drain(fixture.services, from: "127.0.0.1") == .ok)
        #expect(try await Self.get(fixture, "/health/ready").status == .serviceUnavailable)
        #expect(try await Self.get(fixture, "/health/live").status == .ok)
    }

    private static func drain(
        _ services: GatewayServices, from peer: String?
    ) async throws -> HTTPResponse.Status {
        let channel = EmbeddedChannel()
        if let peer { channel.remoteAddress = try SocketAddress(ipAddress: peer, port: 5000) }
        let context = GatewayContext(source: .init(channel: channel, logger: services.logger))
        let request = Request(
            head: HTTPRequest(method: .post, scheme: "http", authority: "localhost", path: "/health/drain"),
            body: RequestBody(buffer: ByteBuffer()))
        return try await GatewayApplication.router(services).buildResponder().respond(to: request, context: context)
            .status
    }

    @Test("Without an administrator's key only the gateway's own machine may have it drained")
    func drainedFromHere() async throws {
        for peer in ["10.0.0.7", "2001:db8::1", "::ffff:10.0.0.7", nil] {
            let fixture = Fixture()
            #expect(try await Self.drain(fixture.services, from: peer) == .forbidden, "\(peer ?? "nobody")")
            #expect(!fixture.services.activity.isDraining)
        }
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let fixture = Fixture()
            #expect(try await Self.drain(fixture.services, from: peer) == .ok, "\(peer)")
            #expect(fixture.services.activity.isDraining)
        }
    }

    @Test("row 5: Models list the caller's routes and the priced models of configured providers, and need a key")
    func models() async throws {
        let fixture = Fixture()
        #expect(try await Self.get(fixture, "/v1/models").status == .unauthorized)
        let listed = try await Self.get(fixture, "/v1/models", headers: DirectAnswerTests.headers)
        let text = String(buffer: listed.body)
        #expect(listed.status == .ok && text.contains(#""id":"math""#) && text.contains(#""id":"sim/large""#))
        let byOtherHeader: HTTPFields = [.xAPIKey: FakeCatalog.key]
        #expect(try await Self.get(fixture, "/v1/models", headers: byOtherHeader).status == .ok)
    }

    @Test("Metrics are Prometheus' text; an unknown path is a 404 in the caller's envelope")
    func metrics() async throws {
        let fixture = Fixture()
        let metrics = try await Self.get(fixture, "/metrics")
        #expect(String(buffer: metrics.body).contains("# TYPE gboost_requests_total counter"))
        let unknown = try await Self.get(fixture, "/v2/nothing")
        #expect(unknown.status == .notFound && String(buffer: unknown.body).contains("unknown_path"))
        #expect(unknown.headers[.requestID]?.count == 36)
    }

    @Test("A body over the limit is a 413, a malformed one a 400 that names the field")
    func bodies() async throws {
        var fixture = Fixture()
        fixture.services.limits.maxBodyBytes = 64
        let large = try await DirectAnswerTests.post(fixture, String(repeating: " ", count: 65))
        #expect(large.status == .contentTooLarge)
        let wrong = try await DirectAnswerTests.post(Fixture(), #"{"model":"math","messages":7}"#)
        #expect(wrong.status == .badRequest && String(buffer: wrong.body).contains(#""param":"messages""#))
    }
}
