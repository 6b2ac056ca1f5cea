internal import Glibc

/// The clocks of one call: until when it may wait, and for what. Pure state, told the time by its owner.
struct CallClock: Sendable {
    private let limits: CurlTimeouts
    private let startedAt: Milliseconds
    private var phase = CurlError.Phase.connect
    /// When the current phase began, or when something last arrived.
    private var phaseAt: Milliseconds
    private var isPaused = false

    init(_ limits: CurlTimeouts, startedAt: Milliseconds) {
        self.limits = limits
        self.startedAt = startedAt
        phaseAt = startedAt
    }

    /// The connection is made; the response is waited for.
    mutating func connected(at now: Milliseconds) {
        phase = .firstByte
        phaseAt = now
    }

    mutating func arrived(at now: Milliseconds) {
        phase = .idle
        phaseAt = now
    }

    /// The reader holds the stream back.
    mutating func paused() { isPaused = true }

    mutating func unpaused(at now: Milliseconds) {
        isPaused = false
        phaseAt = now
    }

    /// For a time that ended at `now` nobody looked at the sockets: no limit but the whole call's counts it.
    mutating func excuse(_ absence: Duration, at now: Milliseconds) { phaseAt = min(now, phaseAt + absence) }

    /// The moment at which this call has waited too long, and for what.
    var deadline: (at: Milliseconds, phase: CurlError.Phase)? {
        let limit: Duration? =
            switch phase {
            case .connect: limits.connect
            case .firstByte: limits.firstByte
            case .idle, .total: isPaused ? nil : limits.idle
            }
        let first = limit.map { (at: phaseAt + $0, phase: phase) }
        let last = limits.total.map { (at: startedAt + $0, phase: CurlError.Phase.total) }
        guard let first else { return last }
        guard let last, last.at < first.at else { return first }
        return last
    }

    /// A moment before which `deadline` cannot pass, whatever phase the call enters until then.
    func nextCheck(_ now: Milliseconds) -> Milliseconds? {
        let shortest = [limits.connect, limits.firstByte, limits.idle].compactMap { $0 }.min()
        return [deadline?.at, shortest.map { now + $0 }].compactMap { $0 }.min()
    }
}

/// Tells whether the curl thread itself was late: its process was stopped, or it got no processor. What peers sent
/// meanwhile was not read, so the time says nothing of their silence. Pure state, told the time by its owner.
struct LookClock: Sendable {
    /// Shorter delays are a busy machine's, and count: else a thread at its limit would never find a peer silent.
    static let tolerance = Duration.seconds(1)
    private var last: Milliseconds?

    /// The sockets were looked at.
    /// - Parameter asked: how long that was to wait at most, in milliseconds; below 0: until something happens.
    /// - Returns: where the thread was late, the whole time since the look before; else nil.
    mutating func looked(at now: Milliseconds, afterAtMost asked: CInt) -> Duration? {
        defer { last = now }
        guard let last, asked >= 0 else { return nil }
        let passed = Duration.milliseconds(now.count - last.count)
        return passed - .milliseconds(asked) > Self.tolerance ? passed : nil
    }
}

/// The monotonic clock in whole milliseconds.
struct Milliseconds: Comparable, Sendable {
    var count: Int64

    static func now() -> Milliseconds {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Milliseconds(count: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    static func < (a: Milliseconds, b: Milliseconds) -> Bool { a.count < b.count }

    static func + (start: Milliseconds, span: Duration) -> Milliseconds {
        let (seconds, attoseconds) = span.components
        let most = Int64(1) << 40  // some 35 years: no sum overflows
        let span = min(max(seconds, -most), most) * 1000 + attoseconds / 1_000_000_000_000_000
        return Milliseconds(count: start.count + span)
    }
}
