package import Foundation
package import Postgres

/// The database's clock, as one reading of it tells: it was read between two moments of this process.
package struct DatabaseClock: Hashable, Sendable {
    /// A moment of this process, by both of its clocks: one that nobody sets, and the one on the wall.
    package struct Moment: Hashable, Sendable {
        var steady: ContinuousClock.Instant
        var wall: Date

        static var now: Moment { Moment(steady: .now, wall: Date()) }
    }

    let asked: Moment
    /// What the database's clock showed.
    let time: Date
    let answered: Moment

    /// Seconds by which the database's clock is ahead of this machine's; below zero: behind.
    package var offset: TimeInterval {
        (time.timeIntervalSince(asked.wall) + time.timeIntervalSince(answered.wall)) / 2
    }

    /// Seconds by which `offset` may be wrong: half of the round trip.
    package var error: TimeInterval { (answered.steady - asked.steady) / .seconds(2) }

    /// What the database's clock shows at a moment, or less, by at most the round trip.
    func earliest(at moment: ContinuousClock.Instant) -> Date {
        time.addingTimeInterval((moment - answered.steady) / .seconds(1))
    }

    /// What it shows, or more, by at most the round trip.
    func latest(at moment: ContinuousClock.Instant) -> Date {
        time.addingTimeInterval((moment - asked.steady) / .seconds(1))
    }

    /// Of two readings the one that tells more: a slow answer tells little. Where both cannot be true, the clock was
    /// set, or the database is another: then this one, which is the later.
    func better(than known: DatabaseClock?) -> DatabaseClock {
        guard let known else { return self }
        let bound = known.earliest(at: answered.steady)
        return bound > earliest(at: answered.steady) && bound <= latest(at: answered.steady) ? known : self
    }

    /// Asks the database. A connection that is still to be opened counts as part of the round trip.
    package static func read(_ pool: PostgresPool) async throws(PostgresError) -> DatabaseClock {
        let asked = Moment.now
        let row = try await pool.query("select clock_timestamp() as at").rows.first
        let answered = Moment.now
        guard let row else { throw PostgresError(.decoding, "clock_timestamp() returned no row") }
        return DatabaseClock(asked: asked, time: try row.get("at"), answered: answered)
    }
}
