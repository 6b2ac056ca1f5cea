/// Lets one line of a kind into the log at once, and then at most one in each interval: a pure state machine, told the
/// time by its caller.
struct LineLimiter: Sendable {
    private let interval: Duration
    private var next: ContinuousClock.Instant?
    private var held = 0

    init(interval: Duration = .seconds(10)) { self.interval = interval }

    /// How many events a line stands for that is written now: this one, and those since the last line. Nil: none is
    /// to be written yet.
    mutating func pass(at now: ContinuousClock.Instant) -> Int? {
        held += 1
        if let next, now < next { return nil }
        next = now + interval
        defer { held = 0 }
        return held
    }
}
