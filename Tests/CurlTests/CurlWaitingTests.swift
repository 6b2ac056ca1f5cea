import Curl
import GatewayTesting
import Testing

@Suite("A call that waits")
struct CurlWaitingTests {
    private let short = Duration.milliseconds(150)

    private func timed<T>(_ work: () async throws -> T) async rethrows -> (T, Duration) {
        let clock = ContinuousClock()
        let start = clock.now
        return (try await work(), clock.now - start)
    }

    @Test("the connection has a limit: a server that never shakes hands")
    func connectTimeout() async throws {
        try await withPeer([.hang]) { (client, peer) async throws in
            let request = CurlRequest(
                url: "https://127.0.0.1:\(peer.port)/", timeouts: CurlTimeouts(connect: short, firstByte: .seconds(60)))
            let (error, took) = await timed {
                await failure { () async throws(CurlError) in try await client.open(request) }
            }
            #expect(error?.code == .timeout(.connect) && error?.requestWasSent == false)
            #expect(took >= short && took < .seconds(30))
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test(
        "the first byte has a limit of its own, shorter or longer than the connection's",
        arguments: [(500, 700), (10_000, 150)])
    func firstByteTimeout(connectMilliseconds: Int, milliseconds: Int) async throws {
        try await withPeer([.read, .hang]) { (client, peer) async throws in
            let limits = CurlTimeouts(
                connect: .milliseconds(connectMilliseconds), firstByte: .milliseconds(milliseconds))
            let (error, took) = await timed {
                await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer, timeouts: limits))
                }
            }
            #expect(error?.code == .timeout(.firstByte) && error?.requestWasSent == true)
            #expect(took >= short && took < .seconds(30))
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test("a peer that takes the connection but never reads runs into the first-byte limit")
    func neverReads() async throws {
        try await withPeer([.hang]) { (client, peer) async throws in
            var request = CurlRequest(peer, timeouts: CurlTimeouts(firstByte: short))
            request.body = [UInt8](repeating: 0x20, count: 32 * 1024 * 1024)
            let error = await failure { () async throws(CurlError) in try await client.open(request) }
            #expect(error?.code == .timeout(.firstByte) && error?.requestWasSent == true)
        }
    }

    @Test("a stream that falls silent runs into the idle limit, after what came of it")
    func idleTimeout() async throws {
        try await withPeer(
            [
                .read, chunkedHead, chunk("a"), .pause(milliseconds: 1100), chunk("b"), .pause(milliseconds: 1100),
                chunk("c"), .hang,
            ]
        ) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer, timeouts: CurlTimeouts(idle: .seconds(2))))
            var text = ""
            let error = await failure { () async throws(CurlError) in
                while let bytes = try await response.next() { text += String(decoding: bytes, as: UTF8.self) }
            }
            #expect(text == "abc")
            #expect(error?.code == .timeout(.idle) && error?.requestWasSent == true)
        }
    }

    @Test("a stream that trickles for ever runs into the total limit")
    func totalTimeout() async throws {
        let trickle = [ScriptedPeer.Step](repeating: .pause(milliseconds: 20), count: 1) + [chunk(".")]
        try await withPeer(
            [.read, chunkedHead] + Array([[ScriptedPeer.Step]](repeating: trickle, count: 300).joined())
        ) {
            (client, peer) async throws in
            let limits = CurlTimeouts(idle: .seconds(5), total: .seconds(2))
            let (error, took) = try await timed {
                let response = try await client.open(CurlRequest(peer, timeouts: limits))
                return await failure { () async throws(CurlError) in try await response.body() }
            }
            #expect(error?.code == .timeout(.total))
            #expect(took >= .milliseconds(1990) && took < .seconds(30))
        }
    }

    @Test("cancelling while connecting ends the call at once, and nothing was sent")
    func cancelConnecting() async throws {
        try await withPeer([.hang]) { (client, peer) async throws in
            var request = CurlRequest(url: "https://127.0.0.1:\(peer.port)/")
            // The tests of other parts may keep this one waiting: it is not about time.
            request.timeouts.connect = .seconds(120)
            let asked = request
            let task = Task {
                await failure { () async throws(CurlError) in try await client.open(asked) }
            }
            #expect(await peer.wait { $0.connections == 1 })
            task.cancel()
            let (error, took) = await timed { await task.value }
            #expect(error?.code == .cancelled && error?.requestWasSent == false)
            #expect(took < .seconds(20))
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test("cancelling before the call is cancelling it")
    func cancelBefore() async throws {
        try await withPeer([.read, ok("no")]) { (client, peer) async throws in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            }
            #expect(await task.value?.code == .cancelled)
            #expect(await peer.wait { _ in client.inFlight == 0 })
        }
    }

    @Test("cancelling while waiting for the head ends the call at once, and it was sent")
    func cancelWaiting() async throws {
        try await withPeer([.read, .hang]) { (client, peer) async throws in
            let task = Task {
                await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            }
            #expect(await peer.wait { $0.requests.count == 1 })
            task.cancel()
            let (error, took) = await timed { await task.value }
            #expect(error?.code == .cancelled && error?.requestWasSent == true)
            #expect(took < .seconds(20))
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test("cancelling a reader ends its wait, and another task can read on")
    func cancelReading() async throws {
        try await withPeer([.read, chunkedHead, .gate, chunk("late"), chunk("")]) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            let task = Task { await failure { () async throws(CurlError) in try await response.next() } }
            try await Task.sleep(for: .milliseconds(50))
            task.cancel()
            let (error, took) = await timed { await task.value }
            #expect(error?.code == .cancelled && error?.requestWasSent == true)
            #expect(took < .seconds(20))
            peer.open()
            #expect(try await response.text() == "late")
        }
    }

    @Test("cancelling the call closes its connection, wakes its reader and frees its place")
    func cancelCall() async throws {
        try await withPeer([.read, chunkedHead, chunk("a"), .hang]) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            #expect(try await response.next() == Array("a".utf8))
            async let waiting = failure { () async throws(CurlError) in try await response.next() }
            try await Task.sleep(for: .milliseconds(20))
            response.cancel()
            response.cancel()
            #expect(await waiting?.code == .cancelled)
            #expect(await peer.wait { $0.openConnections == 0 })
            #expect(await peer.wait { _ in client.inFlight == 0 })
        }
    }

    @Test("cancelling a paused call works, and letting go of a response cancels it")
    func cancelPaused() async throws {
        let size = 64 * 1024 * 1024
        let script: [ScriptedPeer.Step] = [
            .read, .send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .flood(size),
        ]
        try await withPeer(script) { (client, peer) async throws in
            do {
                let response = try await client.open(CurlRequest(peer))
                #expect(await peer.wait { _ in response.isPaused })
            }
            #expect(await peer.wait { $0.openConnections == 0 })
            #expect(await peer.wait { _ in client.inFlight == 0 })
        }
    }

    @Test("shutting down ends every call, at whatever stage, and refuses further ones")
    func shutdown() async throws {
        try await withPeer([.read, chunkedHead, .hang], [.read, .hang]) { (client, peer) async throws in
            let response = try await client.open(CurlRequest(peer))
            async let reading = failure { () async throws(CurlError) in try await response.next() }
            async let opening = failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            #expect(await peer.wait { $0.requests.count == 2 })
            async let twice: Void = client.shutdown()
            let (_, took) = await timed { await client.shutdown() }
            await twice
            #expect(took < .seconds(20))
            #expect(await reading?.code == .shutDown)
            #expect(await opening?.code == .shutDown)
            let late = await failure { () async throws(CurlError) in try await client.open(CurlRequest(peer)) }
            #expect(late?.code == .shutDown && late?.requestWasSent == false)
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test("many calls cancelled at random moments leave nothing behind")
    func cancelStorm() async throws {
        try await withPeer([.read, chunkedHead, chunk("a"), .pause(milliseconds: 5), chunk("b"), chunk(""), .again]) {
            (client, peer) async throws in
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let task = Task { try await client.text(CurlRequest(peer)) }
                        try? await Task.sleep(for: .microseconds(number * 97 % 9000))
                        task.cancel()
                        if let text = try? await task.value { #expect(text == "ab") }
                    }
                }
            }
            #expect(await peer.wait { _ in client.inFlight == 0 })
            #expect(try await client.text(CurlRequest(peer)) == "ab")
        }
    }
}
