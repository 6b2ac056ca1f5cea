import Curl
import GatewayTesting
import Testing

@Suite("A call over HTTP/1.1")
struct CurlExchangeTests {
    @Test("sends method, path, headers and body as given, and reads head and body")
    func plain() async throws {
        try await withPeer([.read, ok("hello", extra: "X-Request-Id: r-1\r\nEmpty:\r\n")]) {
            (client, peer) async throws in
            let request = CurlRequest(
                url: peer.url + "/v1/chat?x=1",
                headers: [("Authorization", "Bearer k"), ("X-Empty", ""), ("Content-Type", "application/json")],
                body: Array("{\"a\":1}".utf8))
            let response = try await client.open(request)
            #expect(response.status == 200)
            #expect(response.header("x-request-ID") == "r-1")
            #expect(response.header("empty") == "")
            #expect(response.header("none") == nil && response.header("emptx") == nil)
            #expect(try await response.text() == "hello")
            #expect(try await response.next() == nil)
            let sent = try #require(peer.requests.first)
            #expect(sent.head.hasPrefix("POST /v1/chat?x=1 HTTP/1.1\r\n"))
            #expect(sent.header("authorization") == "Bearer k")
            #expect(sent.header("x-empty") == "")
            #expect(sent.header("content-type") == "application/json")
            #expect(sent.header("expect") == nil)
            #expect(sent.body == Array("{\"a\":1}".utf8))
        }
    }

    @Test("hands the head over before the body is there, and each piece as it arrives")
    func stream() async throws {
        try await withPeer(
            [.read, chunkedHead, .gate, chunk("one"), .gate, chunk("two"), chunk("")]
        ) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            #expect(response.bufferedBytes == 0)
            peer.open()
            #expect(try await response.next() == Array("one".utf8))
            peer.open()
            #expect(try await response.next() == Array("two".utf8))
            #expect(try await response.next() == nil)
        }
    }

    @Test("a head that comes byte by byte, after a 100 Continue, is one head")
    func tricklingHead() async throws {
        let head =
            "HTTP/1.1 100 Continue\r\nX-A: no\r\n\r\nHTTP/1.1 201 Created\r\nX-B: yes\r\nContent-Length: 2\r\n\r\nok"
        try await withPeer([.read] + head.map { .send(String($0)) }) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            #expect(response.status == 201)
            #expect(response.header("x-a") == nil)
            #expect(response.header("x-b") == "yes")
            #expect(try await response.text() == "ok")
        }
    }

    @Test("a large request body arrives whole, without waiting for 100 Continue")
    func largeUpload() async throws {
        try await withPeer([.read, ok("ok")]) { (client, peer) async throws in
            let body = String(repeating: "0123456789abcdef", count: 64 * 1024)
            let response = try await client.open(CurlRequest(peer, body: body))
            #expect(try await response.text() == "ok")
            #expect(peer.requests.first?.body.count == 1024 * 1024)
            #expect(peer.requests.first?.header("expect") == nil)
        }
    }

    @Test("a kept connection is used again and nothing of the earlier call is left")
    func reuse() async throws {
        try await withPeer([.read, ok("first"), .read, ok("second"), .read, ok("third")]) {
            (client, peer) async throws in
            let first = CurlRequest(
                method: .put, url: peer.url + "/a", headers: [("X-Secret", "one")], body: Array("long body".utf8))
            #expect(try await client.text(first) == "first")
            #expect(try await client.text(CurlRequest(url: peer.url + "/b")) == "second")
            #expect(try await client.text(CurlRequest(method: .get, url: peer.url + "/c")) == "third")
            let sent = peer.requests
            #expect(sent.map(\.connection) == [0, 0, 0])
            #expect(sent.map { String($0.head.prefix(6)) } == ["PUT /a", "POST /", "GET /c"])
            #expect(sent[1].header("x-secret") == nil && sent[2].header("x-secret") == nil)
            #expect(sent[1].body.isEmpty && sent[1].header("content-length") == "0")
            #expect(sent[2].header("content-length") == nil && sent[2].header("content-type") == nil)
        }
    }

    @Test("a redirection is a status, not followed, also to another host")
    func redirection() async throws {
        let other = try ScriptedPeer([.read, ok("stolen")])
        defer { other.stop() }
        let head = "HTTP/1.1 307 Temporary Redirect\r\nLocation: \(other.url)/x\r\nContent-Length: 0\r\n\r\n"
        try await withPeer([.read, .send(head)]) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            #expect(response.status == 307)
            #expect(response.header("location") == other.url + "/x")
            #expect(try await response.text() == "")
            #expect(peer.connections == 1 && other.connections == 0)
        }
    }

    @Test("an error status comes with its body")
    func errorBody() async throws {
        let body = "{\"error\":{}}"
        try await withPeer(
            [.read, .send("HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 12\r\n\r\n\(body)")]
        ) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            #expect(response.status == 429)
            #expect(response.header("Retry-After") == "7")
            #expect(try await response.text() == body)
        }
    }

    @Test("two hundred parallel calls each get their own answer")
    func parallel() async throws {
        try await withPeer([.read, .pause(milliseconds: 20), ok("pong"), .again]) { (client, peer) async throws in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let request = CurlRequest(peer, body: "call \(number)")
                        return try await client.text(request) == "pong"
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
            let bodies = Set(peer.requests.map { String(decoding: $0.body, as: UTF8.self) })
            #expect(bodies.count == 200 && peer.requests.count == 200)
        }
    }

    @Test("a slow reader holds a fast peer back, and loses nothing")
    func backPressure() async throws {
        let size = 48 * 1024 * 1024
        try await withPeer(
            [.read, .send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .flood(size)]
        ) { (client, peer) async throws in
            var request = CurlRequest(peer, timeouts: CurlTimeouts(idle: .milliseconds(300)))
            request.maxResponseBytes = size
            let response = try await client.open(request)
            #expect(await peer.wait { _ in response.isPaused })
            // Longer than the idle limit: a reader that takes its time is not an idle peer.
            try await Task.sleep(for: .milliseconds(600))
            #expect(response.bufferedBytes <= request.maxBufferedBytes)
            // What is beyond the mark is in the kernel's socket buffers, which are far smaller than the body.
            let held = peer.bytesWritten
            #expect(held < size / 2)
            try await Task.sleep(for: .milliseconds(100))
            #expect(peer.bytesWritten == held)
            var count = 0
            while let bytes = try await response.next() {
                #expect(bytes.count <= request.maxBufferedBytes)
                #expect(bytes.first == UInt8(ascii: "x") && bytes.last == UInt8(ascii: "x"))
                count += bytes.count
            }
            #expect(count == size)
        }
    }
}
