import GatewayCore
import Testing

@Suite("Fallback and balancing as tables: each state, each event")
struct FallbackTableTests {
    enum State: String, CaseIterable, Sendable { case first, last, answering, ended }
    enum Event: String, CaseIterable, Sendable {
        case unavailable, unreachable, overloaded, wrongKey, badRequest, broken, refused, clientLeft, answering
    }
    enum After: Sendable { case next, retry, deliver, giveUp }

    private static let models = ["a/m", "b/m"].compactMap { ModelReference($0) }

    private static func error(_ code: ProviderError.Code, _ status: Int? = nil) -> FallbackSequence.Event {
        .failed(ProviderError(code: code, status: status, message: ""))
    }

    private static func event(_ event: Event) -> FallbackSequence.Event {
        switch event {
        case .unavailable: .unavailable
        case .unreachable: error(.unreachable)
        case .overloaded: error(.status, 529)
        case .wrongKey: error(.status, 401)
        case .badRequest: error(.status, 400)
        case .broken: error(.interrupted)
        case .refused: .refused
        case .clientLeft: .clientLeft
        case .answering: .answering
        }
    }

    private static func sequence(_ state: State) -> FallbackSequence {
        var sequence = FallbackSequence(models)
        switch state {
        case .first: break
        case .last: _ = sequence.handle(.unavailable)
        case .answering: _ = sequence.handle(.answering)
        case .ended: _ = sequence.handle(.refused)
        }
        return sequence
    }

    private static let table: [(State, Event, After)] = [
        (.first, .unavailable, .next), (.first, .unreachable, .next), (.first, .overloaded, .next),
        (.first, .wrongKey, .next), (.first, .badRequest, .giveUp), (.first, .broken, .giveUp),
        (.first, .refused, .giveUp), (.first, .clientLeft, .giveUp), (.first, .answering, .deliver),
        // Whether the last is really asked again is the retry policy's to say.
        (.last, .unavailable, .giveUp), (.last, .unreachable, .retry), (.last, .overloaded, .retry),
        (.last, .wrongKey, .retry), (.last, .badRequest, .retry), (.last, .broken, .giveUp),
        (.last, .refused, .giveUp), (.last, .clientLeft, .giveUp), (.last, .answering, .deliver),
    ]

    @Test("Every cell, and that it names the right candidate", arguments: State.allCases, Event.allCases)
    func cell(state: State, event: Event) throws {
        var sequence = Self.sequence(state)
        let action = sequence.handle(Self.event(event))
        // Once an answer has begun, or all is over, no event leads to another call.
        let after = Self.table.first { $0.0 == state && $0.1 == event }?.2 ?? .giveUp
        switch after {
        case .next: #expect(action == .call(Self.models[1]))
        case .retry: #expect(action == .retry(Self.models[1]) && sequence.tries == 2)
        case .deliver: #expect(action == .deliver)
        case .giveUp: #expect(action == .giveUp)
        }
        guard after == .giveUp || after == .deliver else { return }
        let further = sequence.handle(Self.error(.unreachable))
        #expect(further == .giveUp)
    }

    @Test("A model with nothing to fall back on is asked, and asked again")
    func alone() {
        var sequence = FallbackSequence([Self.models[0]])
        #expect(sequence.first == .call(Self.models[0]))
        let action = sequence.handle(Self.error(.status, 503))
        #expect(action == .retry(Self.models[0]))
        #expect(FallbackSequence([]).first == .giveUp)
    }

    // MARK: Probes

    @Test(
        "A probe: a failure counts as one, a success lets a trial come, and neither disturbs a trial",
        arguments: [
            (CircuitBreaker.State.closed, true, CircuitBreaker.State.closed, true),
            (.closed, false, .open, false), (.open, true, .open, true), (.open, false, .open, false),
            (.halfOpen, true, .halfOpen, false), (.halfOpen, false, .halfOpen, false),
        ])
    func probe(
        state: CircuitBreaker.State, succeeded: Bool, after: CircuitBreaker.State, admitsNext: Bool
    ) throws {
        var settings = CircuitBreaker.Settings()
        settings.failureThreshold = 1
        var breaker = CircuitBreaker(settings)
        if state != .closed {
            let permit = breaker.admit(now: .zero)
            breaker.finished(try #require(permit), succeeded: false, now: .zero)
        }
        if state == .halfOpen { _ = breaker.admit(now: .seconds(10)) }
        let now = Duration.seconds(state == .halfOpen ? 10 : 5)
        breaker.probed(succeeded: succeeded, now: now)
        #expect(breaker.state == after)
        #expect(breaker.wouldAdmit(now: now) == admitsNext)
        let next = breaker.admit(now: now)
        #expect((next != nil) == admitsNext)
    }

    // MARK: Balancing

    private static func group(_ balance: ModelGroup.Balance, weights: [Int] = [3, 1, 0]) -> ModelGroup {
        let names = ["a/m", "b/m", "c/m"].compactMap { ModelReference($0) }
        return ModelGroup(
            deployments: zip(names, weights).map { ModelGroup.Deployment(model: $0, weight: $1) }, balance: balance,
            fallbacks: ["d/x", "e/y"].compactMap { ModelReference($0) })
    }

    private static func order(
        _ group: ModelGroup, down: Set<String> = [], delays: [String: Double] = [:], seed: UInt64 = 1
    ) -> String {
        var generator = SeededGenerator(seed: seed)
        let order = group.order(
            isEligible: { !down.contains($0.provider) }, delay: { delays[$0.provider] ?? 0 }, using: &generator)
        return order.map(\.provider).joined()
    }

    @Test("Whose breaker is open is left out; with nobody left the first one says why")
    func eligible() {
        let group = Self.group(.ordered)
        #expect(Self.order(group) == "abcde")
        #expect(Self.order(group, down: ["a"]) == "bcde")
        #expect(Self.order(group, down: ["a", "b", "c"]) == "de")
        #expect(Self.order(group, down: ["a", "b", "c", "d", "e"]) == "a")
    }

    @Test("Weights are shares of the calls, a weight of nothing is a last resort, fallbacks stay behind")
    func weighted() {
        let orders = (0..<4_000).map { Self.order(Self.group(.weighted), seed: $0) }
        let first = orders.count { $0.hasPrefix("a") }
        #expect((2_850...3_150).contains(first), "\(first)")
        #expect(orders.allSatisfy { $0.hasSuffix("cde") && $0.count == 5 })
    }

    @Test("The least delay comes first; those that nothing is known of as they are listed")
    func leastLatency() {
        let group = Self.group(.leastLatency)
        #expect(Self.order(group) == "abcde")
        #expect(Self.order(group, delays: ["a": 2, "b": 1, "c": 3]) == "bacde")
        #expect(Self.order(group, down: ["b"], delays: ["a": 2, "b": 1, "c": 1.5]) == "cade")
    }

    @Test("A load: calls under way make it longer, time makes it fade, a failure is not fast")
    func load() {
        var load = DeploymentLoad()
        #expect(load.expectedDelay(now: .zero) == 0)
        load.began()
        load.ended(after: .seconds(2), now: .zero)
        #expect(load.expectedDelay(now: .zero) == 2)
        load.began()
        #expect(load.inFlight == 1 && load.expectedDelay(now: .zero) == 4)
        load.withdrawn()
        #expect(load.inFlight == 0 && load.expectedDelay(now: DeploymentLoad.halfLife) == 1)
        load.began()
        load.ended(after: .seconds(1), now: .zero)
        #expect(load.expectedDelay(now: .zero) == 1.5)
        load.began()
        load.ended(after: nil, now: .zero)
        #expect(load.expectedDelay(now: .zero) > 1.5)
        load.withdrawn()
        #expect(load.inFlight == 0)
    }
}
