import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import Synchronization

@testable import GatewayServer

/// What the gateway answered.
struct TestResponse: Sendable {
    var status: HTTPResponse.Status
    var headers: HTTPFields
    var body: ByteBuffer
}

/// Hands requests to the gateway's router as its server would, without a socket.
struct RouterClient: Sendable {
    private let responder: RouterResponder<GatewayContext>
    private let logger: Logger

    init(_ services: GatewayServices) {
        responder = GatewayApplication.router(services).buildResponder()
        logger = services.logger
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: String? = nil
    ) async throws -> TestResponse {
        let response = try await answer(method, path, headers: headers, body: body)
        let sink = ResponseSink()
        try await response.body.write(sink)
        return TestResponse(status: response.status, headers: response.headers, body: sink.body)
    }

    /// Asks, and has left when the answer comes: nothing of it is written, not even its head.
    func sendAndLeave(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: String? = nil
    ) async throws -> HTTPResponse.Status {
        try await answer(method, path, headers: headers, body: body).status
    }

    private func answer(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields, body: String?
    ) async throws -> Response {
        var headers = headers
        if let body { headers[.contentLength] = String(body.utf8.count) }
        let request = Request(
            head: HTTPRequest(
                method: method, scheme: "http", authority: "localhost", path: path, headerFields: headers),
            body: RequestBody(buffer: ByteBuffer(string: body ?? "")))
        let source = ApplicationRequestContextSource(channel: EmbeddedChannel(), logger: logger)
        return try await responder.respond(to: request, context: GatewayContext(source: source))
    }
}

/// Keeps what is written.
private final class ResponseSink: ResponseBodyWriter {
    private let written = Mutex(ByteBuffer())

    var body: ByteBuffer { written.withLock { $0 } }

    func write(_ buffer: ByteBuffer) async throws { written.withLock { _ = $0.writeImmutableBuffer(buffer) } }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
