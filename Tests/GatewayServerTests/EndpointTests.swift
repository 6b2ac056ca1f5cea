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

    @Test(
        "A model is told by its name, as the list has it, its slash escaped or not; others are a 404",
        arguments: ["math", "sim/large", "sim%2Flarge"])
    func model(name: String) async throws {
        let fixture = Fixture()
        let path = "/v1/models/\(name)"
        let id = name.replacing("%2F", with: "/")
        #expect(try await Self.get(fixture, path).status == .unauthorized)
        let told = try await Self.get(fixture, path, headers: DirectAnswerTests.headers)
        #expect(told.status == .ok && String(buffer: told.body).hasPrefix(#"{"id":"\#(id)","object":"model""#))
        var headers = DirectAnswerTests.headers
        headers[.anthropicVersion] = "2023-06-01"
        let other = try await Self.get(fixture, path, headers: headers)
        #expect(other.status == .ok && String(buffer: other.body).hasPrefix(#"{"type":"model","id":"\#(id)","#))
        for unknown in ["\(path)/x", "\(path)x", "/v1/models/sim", "/v1/models/%FF"] {
            let refused = try await Self.get(fixture, unknown, headers: DirectAnswerTests.headers)
            #expect(refused.status == .notFound, "\(unknown)")
            #expect(String(buffer: refused.body).contains(#""code":"model_not_found""#))
        }
    }

    @Test("A model whose provider is not configured is none to be told of")
    func hiddenModel() async throws {
        var fixture = Fixture()
        fixture.services.providers = [:]
        let hidden = try await Self.get(fixture, "/v1/models/sim/large", headers: DirectAnswerTests.headers)
        #expect(hidden.status == .notFound)
    }

    @Test("HEAD is answered as GET, without a body, whatever comes of it")
    func heads() async throws {
        let fixture = Fixture()
        let keyed = DirectAnswerTests.headers
        let cases: [(path: String, headers: HTTPFields, status: Int)] = [
            ("/health/live", [:], 200), ("/metrics", [:], 200), ("/v1/models", keyed, 200),
            ("/v1/models/sim/large", keyed, 200), ("/v1/models", [:], 401), ("/key/info", [:], 401),
            ("/admin/v1/models", keyed, 401), ("/openapi.json", [:], 404), ("/v2/nothing", [:], 404),
            ("/v1/messages", keyed, 405), ("/v1/chat/completions", keyed, 405),
        ]
        for (path, headers, status) in cases {
            let got = try await Self.get(fixture, path, headers: headers)
            let head = try await Self.get(fixture, path, method: .head, headers: headers)
            #expect(head.status.code == status && got.status.code == status, "\(path)")
            #expect(head.body.readableBytes == 0 && got.body.readableBytes > 0, "\(path)")
            #expect(head.headers[.contentType] == got.headers[.contentType], "\(path)")
            #expect(head.headers[.contentLength].flatMap { Int($0) } ?? 0 > 0, "\(path)")
        }
    }

    @Test("A wrong method is told what the path takes")
    func methods() async throws {
        let fixture = Fixture()
        let cases: [(method: HTTPRequest.Method, path: String, allowed: String)] = [
            (.get, "/v1/chat/completions", "POST"), (.delete, "/v1/messages", "POST"),
            (.post, "/v1/models", "GET, HEAD"), (.delete, "/v1/models/sim/large", "GET, HEAD"),
            (.get, "/admin/v1/models/slm/load", "POST"), (.put, "/key/generate", "POST"),
        ]
        for (method, path, allowed) in cases {
            let refused = try await Self.get(fixture, path, method: method)
            #expect(refused.status == .methodNotAllowed && refused.headers[.allow] == allowed, "\(path)")
            #expect(String(buffer: refused.body).contains(#""code":"method_not_allowed""#))
        }
        for path in ["/", "/v1", "/v1/nothing", "/admin/v1/models/slm/load/now"] {
            #expect(try await Self.get(fixture, path, method: .post).status == .notFound, "\(path)")
        }
    }

    @Test("The request's id stands where each vendor's clients look for it")
    func requestIDs() async throws {
        let fixture = Fixture()
        let mine = try await Self.get(fixture, "/v1/models", headers: DirectAnswerTests.headers)
        #expect(mine.headers[.openAIRequestID] == mine.headers[.requestID])
        #expect(mine.headers[.anthropicRequestID] == nil)
        let theirs = try await Self.get(fixture, "/v1/messages", method: .post)
        #expect(theirs.status == .unauthorized)
        #expect(theirs.headers[.anthropicRequestID] == theirs.headers[.requestID])
        #expect(theirs.headers[.openAIRequestID] == nil)
    }

    @Test("A compressed body is a 415 that names its encoding")
    func encodings() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        for (encoding, status) in [("gzip", 415), ("identity, br", 415), ("identity", 200), ("", 200)] {
            var headers = DirectAnswerTests.headers
            headers[.contentEncoding] = encoding
            let response = try await DirectAnswerTests.post(fixture, body, headers: headers)
            #expect(response.status.code == status, "\(encoding)")
            guard status == 415 else { continue }
            let text = String(buffer: response.body)
            #expect(text.contains("'\(encoding.suffix(2) == "br" ? "br" : encoding)'"), "\(text)")
            #expect(text.contains(#""param":"content-encoding""#))
        }
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
