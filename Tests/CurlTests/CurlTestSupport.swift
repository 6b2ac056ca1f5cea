import Curl
import GatewayTesting
import Testing

/// "HTTP/1.1 200 OK" with this body and its length.
func ok(_ body: String, extra: String = "") -> ScriptedPeer.Step {
    .send("HTTP/1.1 200 OK\r\n\(extra)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
}

/// The head of a chunked response.
let chunkedHead = ScriptedPeer.Step.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

/// One chunk of a chunked response; the empty one ends it.
func chunk(_ text: String) -> ScriptedPeer.Step {
    .send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
}

extension CurlResponse {
    /// The whole body.
    func body() async throws(CurlError) -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = try await next() { bytes += more }
        return bytes
    }
    func text() async throws(CurlError) -> String { String(decoding: try await body(), as: UTF8.self) }
}

extension CurlClient {
    /// The whole body of a call, as text.
    func text(_ request: CurlRequest) async throws -> String { try await open(request).text() }
}

extension CurlRequest {
    init(_ peer: ScriptedPeer, body: String = "{}", timeouts: CurlTimeouts = CurlTimeouts()) {
        self.init(url: peer.url + "/v1/chat", body: Array(body.utf8), timeouts: timeouts)
    }
}

/// The error of a call that must fail.
func failure<T>(
    _ work: () async throws(CurlError) -> T, sourceLocation: SourceLocation = #_sourceLocation
) async
    -> CurlError?
{
    do throws(CurlError) {
        _ = try await work()
        Issue.record("the call did not fail", sourceLocation: sourceLocation)
        return nil
    } catch {
        return error
    }
}

/// A client and a peer that both end with the test.
func withPeer(
    _ scripts: [ScriptedPeer.Step]..., configuration: CurlConfiguration = CurlConfiguration(),
    _ work: (CurlClient, ScriptedPeer) async throws -> Void
) async throws {
    let peer = try ScriptedPeer(all: scripts)
    defer { peer.stop() }
    let client = try CurlClient(configuration: configuration)
    do {
        try await work(client, peer)
    } catch {
        await client.shutdown()
        throw error
    }
    await client.shutdown()
    #expect(client.inFlight == 0)
}
