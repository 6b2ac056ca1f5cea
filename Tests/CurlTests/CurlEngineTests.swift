import CLinux
import GatewayTesting
import Glibc
import Synchronization
import Testing

@testable import Curl

@Suite("An engine that nobody drove for a while")
struct CurlEngineTests {
    @Test(
        "what came meanwhile is read before a call's time is up",
        arguments: [
            CurlTimeouts(connect: nil, firstByte: nil, idle: .seconds(60)),
            CurlTimeouts(connect: nil, firstByte: nil, idle: nil, total: .seconds(60)),
        ])
    func late(limits: CurlTimeouts) async throws {
        let driven = try DrivenEngine(limits, then: [.gate, chunk("b"), chunk("")])
        defer { driven.end() }
        driven.driveToFirstByte()
        #expect(driven.call.bufferedBytes == 1 && !driven.call.isEnded)
        driven.peer.open()
        #expect(await driven.peer.wait { $0.openConnections == 0 })
        // As if the process were stopped: longer than the call may take.
        driven.clock.pass(.seconds(100))
        #expect(driven.engine.settle() == 1 && driven.call.isEnded)
        var text = ""
        while let bytes = try await driven.call.take().bytes { text += String(decoding: bytes, as: UTF8.self) }
        #expect(text == "ab")
    }

    @Test("a time in which nobody looked is no silence of the peer's; one in which somebody did is")
    func silent() async throws {
        let driven = try DrivenEngine(CurlTimeouts(connect: nil, firstByte: nil, idle: .seconds(60)), then: [.hang])
        defer { driven.end() }
        driven.driveToFirstByte()
        driven.clock.pass(.seconds(100))
        #expect(driven.engine.settle() == 0 && !driven.call.isEnded)
        for _ in 0..<600 where !driven.call.isEnded {
            driven.clock.pass(.milliseconds(500))
            _ = driven.engine.settle()
            driven.engine.look(for: 0)
        }
        #expect(await driven.failure() == .timeout(.idle))
    }

    @Test("the whole call's limit counts every time")
    func total() async throws {
        let limits = CurlTimeouts(connect: nil, firstByte: nil, idle: nil, total: .seconds(60))
        let driven = try DrivenEngine(limits, then: [.hang])
        defer { driven.end() }
        driven.driveToFirstByte()
        driven.clock.pass(.seconds(100))
        #expect(driven.engine.settle() == 1)
        #expect(await driven.failure() == .timeout(.total))
    }
}

/// The monotonic clock, which can be put forward.
private final class ForwardClock: Sendable {
    private let ahead = Mutex(Duration.zero)
    var now: Milliseconds { Milliseconds.now() + ahead.withLock { $0 } }
    func pass(_ time: Duration) { ahead.withLock { $0 += time } }
}

/// An engine without a thread, and one call of it whose answer begins with "a".
private final class DrivenEngine {
    let clock = ForwardClock()
    let peer: ScriptedPeer
    let call: CurlCall
    let engine: CurlEngine
    private let epoll: CInt

    init(_ limits: CurlTimeouts, then steps: [ScriptedPeer.Step]) throws {
        // Head and first chunk in one write: between them nothing can be waited for.
        let start = ScriptedPeer.Step.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        peer = try ScriptedPeer(all: [[.read, start] + steps])
        call = CurlCall(CurlRequest(peer, timeouts: limits))
        let (epoll, clock) = (epoll_create1(0), self.clock)
        self.epoll = epoll
        let configuration = CurlConfiguration()
        guard
            let engine = CurlEngine(epoll: epoll, wakeup: -1, configuration: configuration, time: { clock.now })
        else { throw CurlError(.configuration, message: "no engine", requestWasSent: false) }
        self.engine = engine
    }

    func driveToFirstByte() {
        engine.perform(.start(call))
        for _ in 0..<3000 where call.bufferedBytes == 0 && !call.isEnded {
            _ = engine.settle()
            engine.look(for: 20)
        }
    }

    /// How the call failed, after what came of it.
    func failure() async -> CurlError.Code? {
        guard call.isEnded else { return nil }
        do throws(CurlError) {
            while try await call.take().bytes != nil {}
            return nil
        } catch {
            return error.code
        }
    }

    func end() {
        _ = engine.failAll(.shutDown, "the test is over")
        engine.close()
        close(epoll)
        peer.stop()
    }
}
