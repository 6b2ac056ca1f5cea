import Testing

@testable import Curl

@Suite("The clocks of a call, and of the thread that looks at them")
struct CallClockTests {
    private static func at(_ seconds: Int64) -> Milliseconds { Milliseconds(count: seconds * 1000) }

    private static let limits = CurlTimeouts(
        connect: .seconds(10), firstByte: .seconds(120), idle: .seconds(60), total: .seconds(900))

    @Test("each phase has its limit, the whole call has one, and a reader that holds back is not the peer's silence")
    func phases() {
        var clock = CallClock(Self.limits, startedAt: Self.at(0))
        #expect(clock.deadline?.at == Self.at(10) && clock.deadline?.phase == .connect)
        clock.connected(at: Self.at(5))
        #expect(clock.deadline?.at == Self.at(125) && clock.deadline?.phase == .firstByte)
        clock.arrived(at: Self.at(20))
        #expect(clock.deadline?.at == Self.at(80) && clock.deadline?.phase == .idle)
        clock.paused()
        #expect(clock.deadline?.at == Self.at(900) && clock.deadline?.phase == .total)
        clock.unpaused(at: Self.at(200))
        #expect(clock.deadline?.at == Self.at(260) && clock.deadline?.phase == .idle)
        clock.arrived(at: Self.at(880))
        #expect(clock.deadline?.at == Self.at(900) && clock.deadline?.phase == .total)
    }

    @Test("an absence moves the limit of every phase, never beyond a phase that begins now, and not the whole call's")
    func absence() {
        var clock = CallClock(Self.limits, startedAt: Self.at(0))
        clock.excuse(.seconds(100), at: Self.at(100))
        #expect(clock.deadline?.at == Self.at(110) && clock.deadline?.phase == .connect)
        clock.arrived(at: Self.at(110))
        // Thirty seconds of silence were looked at before it.
        clock.excuse(.seconds(100), at: Self.at(240))
        #expect(clock.deadline?.at == Self.at(270) && clock.deadline?.phase == .idle)
        // Something was read after the thread came back.
        clock.arrived(at: Self.at(340))
        clock.excuse(.seconds(100), at: Self.at(340))
        #expect(clock.deadline?.at == Self.at(400))
        clock.excuse(.seconds(600), at: Self.at(940))
        #expect(clock.deadline?.at == Self.at(900) && clock.deadline?.phase == .total)
    }

    @Test("a thread is late where more passed than it asked for, and a little does not count")
    func looks() {
        var looks = LookClock()
        #expect(looks.looked(at: Self.at(100), afterAtMost: 0) == nil)
        #expect(looks.looked(at: Self.at(110), afterAtMost: 10_000) == nil)
        #expect(looks.looked(at: Self.at(121), afterAtMost: 10_000) == nil)
        #expect(looks.looked(at: Self.at(133), afterAtMost: 10_000) == .seconds(12))
        // The work between two looks took so long.
        #expect(looks.looked(at: Self.at(135), afterAtMost: 0) == .seconds(2))
        // Nothing had a limit, and nothing happened.
        #expect(looks.looked(at: Self.at(500), afterAtMost: -1) == nil)
        #expect(looks.looked(at: Self.at(500), afterAtMost: 0) == nil)
    }
}
