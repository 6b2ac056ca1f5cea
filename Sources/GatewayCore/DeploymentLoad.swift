/// What is known of how fast a deployment answers: a moving mean of its last answers, and how many it works on.
///
/// A pure state machine: the caller passes a monotonic time. The mean fades while nothing is asked, so that a
/// deployment that was slow once gets another chance.
package struct DeploymentLoad: Hashable, Sendable {
    /// After this time an earlier mean counts half.
    package static let halfLife = Duration.seconds(30)
    /// What a failure counts as: a deployment that refuses at once is not the fastest.
    package static let failurePenalty = Duration.seconds(5)

    /// In seconds; nil: nothing was asked yet.
    private var mean: Double?
    private var at = Duration.zero
    /// Calls that wait for its answer's head.
    package private(set) var inFlight = 0
    package init() {}

    /// A call goes there.
    package mutating func began() { inFlight += 1 }

    /// The call was not sent after all.
    package mutating func withdrawn() { inFlight = max(inFlight - 1, 0) }

    /// The head of its answer came after `delay`; nil: it failed.
    package mutating func ended(after delay: Duration?, now: Duration) {
        inFlight = max(inFlight - 1, 0)
        let sample = max(delay ?? Self.failurePenalty, .zero) / .seconds(1)
        if let mean {
            // Between a half and nothing of the earlier mean, by its age.
            let kept = Self.fade(now - at) / 2
            self.mean = mean * kept + sample * (1 - kept)
        } else {
            mean = sample
        }
        at = now
    }

    /// Seconds that another call is expected to wait; 0 where nothing is known.
    package func expectedDelay(now: Duration) -> Double {
        (mean ?? 0) * Self.fade(now - at) * Double(inFlight + 1)
    }

    /// 1 for no age, a half after `halfLife`, towards 0 later.
    private static func fade(_ age: Duration) -> Double { 1 / (1 + max(age, .zero) / halfLife) }
}
