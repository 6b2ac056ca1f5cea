/// Which of a model's candidates is asked next, and when to stop.
///
/// A pure state machine. The next candidate is asked only where the one before cannot have charged; once an answer has
/// begun nothing is asked any more, since another paid call would be a second one for the same request. A wait before
/// another try of the same candidate is worth it only for the last.
package struct FallbackSequence: Hashable, Sendable {
    /// What became of a candidate.
    package enum Event: Hashable, Sendable {
        /// Nothing was sent: its breaker is open, it has no price, or it cannot take this request.
        case unavailable
        /// It was asked and failed.
        case failed(ProviderError)
        /// No hold: a budget, a limit or the ledger says no, for whoever would be asked.
        case refused
        /// Nobody waits for the answer any more.
        case clientLeft
        /// Its answer has begun.
        case answering
    }
    /// What to do about it.
    package enum Action: Hashable, Sendable {
        /// Ask this candidate.
        case call(ModelReference)
        /// Ask the same candidate again, if the retry policy allows it, after its wait.
        case retry(ModelReference)
        /// Read the answer.
        case deliver
        /// Tell the client.
        case giveUp
    }
    private enum Phase: Hashable, Sendable {
        case asking(Int)
        case answering
        case ended
    }

    private let candidates: [ModelReference]
    private var phase: Phase
    /// Tries of the candidate that is being asked.
    package private(set) var tries = 1

    /// - Parameter candidates: best first; one at least.
    package init(_ candidates: [ModelReference]) {
        self.candidates = candidates
        phase = candidates.isEmpty ? .ended : .asking(0)
    }

    /// Whom to ask first.
    package var first: Action { candidates.first.map(Action.call) ?? .giveUp }

    /// What to do after `event`.
    package mutating func handle(_ event: Event) -> Action {
        guard case .asking(let index) = phase else {
            phase = .ended
            return .giveUp
        }
        switch event {
        case .answering:
            phase = .answering
            return .deliver
        case .unavailable: return next(after: index) ?? end()
        case .failed(let error):
            guard !error.mayHaveCharged else { return end() }
            guard Self.isWorthAnother(error), let action = next(after: index) else {
                guard index == candidates.count - 1 else { return end() }
                tries += 1
                return .retry(candidates[index])
            }
            return action
        case .refused, .clientLeft: return end()
        }
    }

    private mutating func next(after index: Int) -> Action? {
        guard index + 1 < candidates.count else { return nil }
        phase = .asking(index + 1)
        tries = 1
        return .call(candidates[index + 1])
    }

    private mutating func end() -> Action {
        phase = .ended
        return .giveUp
    }

    /// Statuses by which a provider says that the request itself is at fault: another one would say so too.
    private static let requestFaults: Set<Int> = [400, 413, 415, 422]

    /// Whether somebody else might answer: a wrong key or an unknown model is this deployment's trouble alone.
    private static func isWorthAnother(_ error: ProviderError) -> Bool {
        error.code == .unreachable || error.status.map { !requestFaults.contains($0) } ?? true
    }
}
