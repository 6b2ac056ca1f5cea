import Curl
import GatewayTesting
import Testing

@Suite("A call that fails")
struct CurlFailureTests {
    @Test("a refused connection is unreachable, and nothing was sent")
    func refused() async throws {
        let peer = try ScriptedPeer([.hang])
        peer.stop()
        let client = try CurlClient()
        #expect(await peer.wait { _ in true })
        let error = try #require(
            await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) })
        #expect(error.code == .unreachable && !error.requestWasSent && error.curlCode == 7)
        await client.shutdown()
    }

    @Test("a switch of protocols that nobody asked for is no response: the call ends as interrupted")
    func switched() async throws {
        try await withPeer([.read, .send("HTTP/1.1 101 Switching\r\n\r\nx")]) { (client, peer) async throws in
            let error = await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            #expect(error?.code == .interrupted && error?.requestWasSent == true)
        }
    }

    @Test("a host that does not exist is unreachable")
    func noSuchHost() async throws {
        let client = try CurlClient()
        let request = CurlRequest(url: "http://nowhere.invalid/")
        let error = try #require(await failure { () async throws(CurlError) in try await client.open(request) })
        #expect(error.code == .unreachable && !error.requestWasSent && error.curlCode == 6)
        await client.shutdown()
    }

    @Test("a peer that ends before the head interrupts", arguments: [[ScriptedPeer.Step.read], [.readHead, .reset]])
    func noHead(script: [ScriptedPeer.Step]) async throws {
        try await withPeer(script) { (client, peer) async throws in
            let error = try #require(
                await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) })
            #expect(error.code == .interrupted && error.requestWasSent)
            #expect(peer.connections == 1)
        }
    }

    @Test("a body that ends early interrupts, after what came of it", arguments: [false, true])
    func cutBody(isReset: Bool) async throws {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"
        try await withPeer([.read, .send(head), .pause(milliseconds: 60)] + (isReset ? [.reset] : [])) {
            (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            #expect(try await response.next() == Array("12345".utf8))
            for _ in 0..<2 {
                let error = await failure { () async throws(CurlError) in try await response.next() }
                #expect(error?.code == .interrupted && error?.requestWasSent == true)
            }
        }
    }

    @Test("a chunked body without its last chunk interrupts")
    func cutChunks() async throws {
        try await withPeer([.read, chunkedHead, chunk("abc")]) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            let error = await failure { () async throws(CurlError) in try await response.body() }
            #expect(error?.code == .interrupted)
        }
    }

    @Test("bytes beyond the announced length are not part of the body")
    func tooMuch() async throws {
        try await withPeer([.read, .send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef")]) {
            (client, peer) async throws in
            #expect(try await client.text(CurlRequest(peer)) == "abc")
        }
    }

    @Test("nonsense instead of HTTP interrupts", arguments: ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 \r\n\r\n", "\r\n\r\n"])
    func nonsense(text: String) async throws {
        try await withPeer([.read, .send(text)]) { (client, peer) async throws in
            let error = await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            #expect(error?.code == .interrupted && error?.requestWasSent == true)
        }
    }

    @Test("a request on a kept connection that dies is not sent a second time")
    func staleConnection() async throws {
        // The peer reads the second request in full, then closes: it may well have done the work.
        try await withPeer([.read, ok("one"), .read, .pause(milliseconds: 20)], [.read, ok("again")]) {
            (client, peer) async throws in
            #expect(try await client.text(CurlRequest(peer, body: "1")) == "one")
            let error = await failure { () async throws(CurlError) in
                try await client.open(CurlRequest(peer, body: "2"))
            }
            #expect(error?.code == .interrupted && error?.requestWasSent == true)
            #expect(peer.requests.map { String(decoding: $0.body, as: UTF8.self) } == ["1", "2"])
            // The client itself is not hurt.
            #expect(try await client.text(CurlRequest(peer, body: "3")) == "again")
        }
    }

    @Test("a connection that the peer closed while idle is replaced without a failure")
    func closedWhileIdle() async throws {
        try await withPeer([.read, ok("one")], [.read, ok("two")]) { (client, peer) async throws in
            #expect(try await client.text(CurlRequest(peer)) == "one")
            #expect(await peer.wait { $0.openConnections == 0 })
            #expect(try await client.text(CurlRequest(peer)) == "two")
        }
    }

    @Test("too large a body is refused, and the connection closed", arguments: [true, false])
    func tooLarge(isChunked: Bool) async throws {
        let text = String(repeating: "x", count: 200_000)
        try await withPeer([.read] + (isChunked ? [chunkedHead, chunk(text), .hang] : [ok(text), .hang])) {
            (client, peer) async throws in
            var request = CurlRequest(peer)
            request.maxResponseBytes = 100_000
            let response = try await client.open(request)
            let error = await failure { () async throws(CurlError) in try await response.body() }
            #expect(error?.code == .tooLarge && error?.requestWasSent == true)
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test("too large a head is refused")
    func tooLargeHead() async throws {
        let line = "X-Long: " + String(repeating: "x", count: 1000) + "\r\n"
        let head = "HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 80)
        try await withPeer([.read, .send(head), .hang]) { (client, peer) async throws in
            let error = await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            #expect(error?.code == .tooLarge)
        }
    }

    @Test(
        "what would change the request on the wire is refused",
        arguments: [
            ("X-A", "1\r\nX-B: 2"), ("X-A", "1\n2"), ("X-A", "a\0b"), ("X-A\r\nX-B", "1"), ("X A", "1"), ("", "1"),
            ("Content-Length", "5"), ("Transfer-Encoding", "chunked"), ("host", "other"), ("Expect", "100-continue"),
        ])
    func headerInjection(name: String, value: String) async throws {
        try await withPeer([.read, ok("no")]) { (client, peer) async throws in
            let request = CurlRequest(url: peer.url, headers: [(name, value)])
            let error = await failure { () async throws(CurlError) in try await client.open(request) }
            #expect(error?.code == .invalidRequest && error?.requestWasSent == false)
            #expect(peer.connections == 0)
        }
    }

    @Test(
        "other schemes, credentials and malformed addresses are refused",
        arguments: [
            "ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "http://u:p@127.0.0.1/", "http://", "http:///x",
            "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "http://127.0.0.1:99999/", "http://[::1",
            "http://u@127.0.0.1?x", "http://@", "http:/127.0.0.1/", "httq://127.0.0.1/", "http://é/",
        ])
    func badURL(url: String) async throws {
        let client = try CurlClient()
        let error = await failure { () async throws(CurlError) in try await client.open(CurlRequest(url: url)) }
        #expect(error?.code == .invalidRequest && error?.requestWasSent == false)
        await client.shutdown()
    }

    @Test("a scheme in capitals, and an at sign behind the host, are as good as any")
    func goodURL() async throws {
        for path in ["/a@b", "/?q=a@b"] {
            try await withPeer([.read, ok("yes")]) { (client, peer) async throws in
                let url = "HTTP" + peer.url.dropFirst(4) + path
                let response = try await client.open(CurlRequest(url: url))
                #expect(response.status == 200)
            }
        }
    }

    @Test("one call more than the limit is refused as busy")
    func busy() async throws {
        var configuration = CurlConfiguration()
        configuration.maxInFlight = 2
        try await withPeer([.read, chunkedHead, .hang], configuration: configuration) { (client, peer) async throws in
            let first = try await client.open(CurlRequest(peer))
            let second = try await client.open(CurlRequest(peer))
            let error = await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            #expect(error?.code == .busy && error?.requestWasSent == false)
            first.cancel()
            #expect(await peer.wait { _ in client.inFlight == 1 })
            _ = try await client.open(CurlRequest(peer))
            second.cancel()
        }
    }
}
