/// Keeps calls from a provider that is down: after some failures in a row it lets none through for a while, then one
/// to try, and opens the way again when that one's answer begins.
///
/// A pure state machine: the caller passes a monotonic time and reports how each admitted call ended.
package struct CircuitBreaker: Hashable, Sendable {
    /// When it trips and how long it stays so.
    package struct Settings: Hashable, Sendable {
        /// Failures in a row that trip it.
        package var failureThreshold = 5
        package var openDuration: Duration = .seconds(10)
        /// After this time without a report of a trial another is let through. The first may be lost; or its answer
        /// comes in one piece and takes so long.
        package var trialTimeout: Duration = .seconds(120)
        package init() {}
    }
    /// For metrics.
    package enum State: String, Hashable, Sendable {
        case closed, open
        case halfOpen = "half_open"
    }

    /// Permission for one call; hand it back with its end. Permissions from before the breaker tripped do not count.
    package struct Permit: Hashable, Sendable {
        fileprivate let generation: UInt64
        fileprivate let trial: UInt64
    }

    private enum Phase: Hashable, Sendable {
        case closed(failures: Int)
        case open(until: Duration)
        case halfOpen(trialEnds: Duration)
    }

    private let settings: Settings
    private var phase = Phase.closed(failures: 0)
    /// Counts changes of phase, but for the one from a trial whose answer has begun, and from a trial to another.
    private var generation: UInt64 = 0
    /// Counts trials. Of several under way a good sign from any opens the way; that it stays shut only the latest says:
    /// what an earlier one waited for in vain may be over.
    private var trial: UInt64 = 0

    package init(_ settings: Settings = Settings()) { self.settings = settings }

    package var state: State {
        switch phase {
        case .closed: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    /// Whether a call may be made at `now` (time since any fixed point); nil: not now.
    package mutating func admit(now: Duration) -> Permit? {
        switch phase {
        case .closed: break
        case .open(let until), .halfOpen(let until):
            guard now >= until else { return nil }
            if case .open = phase { generation += 1 }
            phase = .halfOpen(trialEnds: now + settings.trialTimeout)
            trial += 1
        }
        return Permit(generation: generation, trial: trial)
    }

    /// Whether `admit` would let a call through, without taking the trial.
    package func wouldAdmit(now: Duration) -> Bool {
        switch phase {
        case .closed: true
        case .open(let until), .halfOpen(let until): now >= until
        }
    }

    /// How long until it may be worth asking again; zero where nothing keeps a call away. How long a trial takes is not
    /// known.
    package func wait(now: Duration) -> Duration {
        switch phase {
        case .closed: .zero
        case .open(let until): max(until - now, .zero)
        case .halfOpen(let trialEnds): max(min(trialEnds - now, settings.openDuration), .zero)
        }
    }

    /// Whether the end of such a call still says something: it was admitted since the last change.
    func counts(_ permit: Permit) -> Bool { permit.generation == generation }

    /// Lets nothing through for a while, whatever was reported.
    mutating func trip(now: Duration) { change(to: .open(until: now + settings.openDuration)) }

    /// Reports a look at the provider that costs nothing, and so says less than a call: one that fails counts as a
    /// failure, one that succeeds lets a trial come at once but does not close the breaker by itself.
    package mutating func probed(succeeded: Bool, now: Duration) {
        switch (phase, succeeded) {
        case (.closed(let failures), false):
            if failures + 1 >= max(settings.failureThreshold, 1) {
                change(to: .open(until: now + settings.openDuration))
            } else {
                phase = .closed(failures: failures + 1)
            }
        case (.open, true): phase = .open(until: now)
        case (.open, false): phase = .open(until: now + settings.openDuration)
        case (.closed, true), (.halfOpen, _): return
        }
    }

    /// Reports that the answer of an admitted call has begun, with a status of success: after a trial that is enough
    /// to open the way, for to its end such an answer may take minutes. The call's end is reported and counts as well.
    package mutating func answered(_ permit: Permit) {
        guard permit.generation == generation, case .halfOpen = phase else { return }
        // The generation stays, so that an answer that breaks after all is a failure.
        phase = .closed(failures: 0)
    }

    /// Reports the end of an admitted call. Failures are what says that the provider is down: no connection, broken
    /// exchanges, status 5xx; a refusal such as 400 or 429 is a sign of life.
    package mutating func finished(_ permit: Permit, succeeded: Bool, now: Duration) {
        guard permit.generation == generation else { return }
        switch (phase, succeeded) {
        case (.closed, true): phase = .closed(failures: 0)
        case (.closed(let failures), false):
            if failures + 1 >= max(settings.failureThreshold, 1) {
                change(to: .open(until: now + settings.openDuration))
            } else {
                phase = .closed(failures: failures + 1)
            }
        case (.halfOpen, true): change(to: .closed(failures: 0))
        case (.halfOpen, false):
            guard permit.trial == trial else { return }
            change(to: .open(until: now + settings.openDuration))
        case (.open, _): return
        }
    }

    /// Reports that an admitted call was given up before it said anything about the provider (the client left, no
    /// hold was granted): a trial makes room for another, unless that is under way already.
    package mutating func abandoned(_ permit: Permit, now: Duration) {
        guard permit.generation == generation, permit.trial == trial, case .halfOpen = phase else { return }
        // The generation stays: an earlier trial may still be under way.
        phase = .halfOpen(trialEnds: now)
    }

    private mutating func change(to phase: Phase) {
        self.phase = phase
        generation += 1
    }
}
