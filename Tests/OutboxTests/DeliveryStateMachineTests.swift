import Foundation
import Outbox
import Testing

/// A receiver and a network of a simulated world: answers are lost, repeated, and come in another order.
private struct World {
    var now = Date(timeIntervalSince1970: 1_800_000_000)
    var random: SeededGenerator
    var machine: DeliveryStateMachine
    /// The receiver takes nothing in this span.
    var outage: Range<Date>
    /// Whatever reached the receiver, repeated events included.
    var received: [Int64] = []
    /// Answers under way: to which delivery, and what.
    var answers: [(Int64, DeliveryOutcome)] = []
    var sends = 0
    var given: [Int64] = []

    /// One send: the request may be lost, the answer may be lost, and old answers may come again.
    mutating func send(_ item: DeliveryStateMachine.Item) {
        sends += 1
        let isDown = outage.contains(now)
        let isLost = random.next() % 10 == 0
        let isAnswerLost = random.next() % 10 == 0
        if !isDown, !isLost { received.append(item.id) }
        let outcome: DeliveryOutcome =
            isDown || isLost || isAnswerLost ? .failed("no answer", retryAfter: nil) : .delivered
        // Late, repeated and exchanged answers to whatever was sent before, only true ones.
        for (id, old) in answers where random.next() % 4 == 0 {
            let isTrue = old == .delivered && received.contains(id)
            if isTrue || old != .delivered { _ = machine.ended(id, old, now: now, using: &random) }
        }
        if random.next() % 3 == 0 {
            _ = machine.ended(item.id - 1, .failed("late", retryAfter: nil), now: now, using: &random)
        }
        let verdict = machine.ended(item.id, outcome, now: now, using: &random)
        if verdict == .giveUp { given.append(item.id) }
        // A lost answer is only a late one.
        answers.append((item.id, !isDown && !isLost ? .delivered : outcome))
        if answers.count > 20 { answers.removeFirst() }
    }

    /// Runs until nothing waits.
    mutating func run() {
        var steps = 0
        while steps < 100_000 {
            steps += 1
            switch machine.next(now: now) {
            case .send(let item): send(item)
            case .wait(let until):
                now = until
            case .listen:
                Issue.record("nothing is under way")
                return
            case .rest: return
            }
            now += 0.02
        }
        Issue.record("it does not end")
    }
}

@Suite("Delivery: order, repetition and giving up, on a simulated clock")
struct DeliveryStateMachineTests {
    private let start = Date(timeIntervalSince1970: 1_800_000_000)

    private func items(_ ids: ClosedRange<Int64>, at: Date) -> [DeliveryStateMachine.Item] {
        ids.map { DeliveryStateMachine.Item(id: $0, queuedAt: at) }
    }

    @Test(
        "down for an hour, answers lost, repeated and exchanged: each event arrives at least once, first ones in order",
        arguments: 1...20 as ClosedRange<UInt64>)
    func hourDown(seed: UInt64) {
        var world = World(
            random: SeededGenerator(seed: seed), machine: DeliveryStateMachine(),
            outage: start.addingTimeInterval(1)..<start.addingTimeInterval(3601))
        world.machine.enqueue(items(1...200, at: start))
        world.run()
        var seen: Set<Int64> = []
        let first = world.received.filter { seen.insert($0).inserted }
        #expect(first == Array(1...200))
        #expect(world.given.isEmpty && world.machine.isEmpty)
        // Some did come twice: else the answers' loss was not tried.
        #expect(world.received.count > 200)
        #expect(world.now.timeIntervalSince(start) > 3600)
        // Soon after the outage: a wait of a quarter of an hour, more where the first tries after it are lost as well;
        // and not by hammering.
        #expect(world.now.timeIntervalSince(start) < 3600 + 4 * 900 && world.sends < 400)
    }

    @Test("waits double from half of five seconds to a quarter of an hour, and a success forgets them")
    func backOff() {
        var random = SeededGenerator(seed: 3)
        var machine = DeliveryStateMachine()
        machine.enqueue(items(1...2, at: start))
        var now = start
        var waits: [Double] = []
        for _ in 0..<12 {
            guard case .send(let item) = machine.next(now: now) else { break }
            #expect(item.id == 1 && item.attempts == waits.count)
            guard
                case .tryAgain(let wait) = machine.ended(1, .failed("x", retryAfter: nil), now: now, using: &random)
            else { break }
            waits.append(wait / .seconds(1))
            #expect(machine.next(now: now) == .wait(until: now.addingTimeInterval(wait / .seconds(1))))
            now += wait / .seconds(1)
        }
        #expect(waits.count == 12)
        for (index, wait) in waits.enumerated() {
            let bound = min(5 * Double(1 << index), 900)
            #expect(wait >= bound / 2 && wait <= bound, "\(index): \(wait)")
        }
        #expect(Set(waits).count == 12)
        _ = machine.next(now: now)
        #expect(machine.ended(1, .delivered, now: now, using: &random) == .delivered)
        guard case .send(let second) = machine.next(now: now) else { return #expect(Bool(false), "the second waits") }
        #expect(second.id == 2)
        guard case .tryAgain(let wait) = machine.ended(2, .failed("x", retryAfter: nil), now: now, using: &random)
        else { return #expect(Bool(false)) }
        #expect(wait <= .seconds(5))
    }

    @Test("refusals are few, then the next event has its turn; 410 pauses all; a wait that is asked for is bounded")
    func refusals() {
        var random = SeededGenerator(seed: 1)
        var machine = DeliveryStateMachine()
        machine.enqueue(items(1...3, at: start))
        var now = start
        for attempt in 1...5 {
            guard case .send(let item) = machine.next(now: now) else { return #expect(Bool(false)) }
            #expect(item.id == 1)
            switch machine.ended(1, .refused("HTTP 400"), now: now, using: &random) {
            case .tryAgain(let wait): now += wait / .seconds(1) + 0.001
            case let verdict: #expect(verdict == .giveUp && attempt == 5)
            }
        }
        guard case .send(let second) = machine.next(now: now) else { return #expect(Bool(false)) }
        #expect(second.id == 2)
        let asked = machine.ended(2, .failed("HTTP 503", retryAfter: .seconds(86_400)), now: now, using: &random)
        #expect(asked == .tryAgain(after: .seconds(3600)))
        now += 3600
        _ = machine.next(now: now)
        #expect(machine.ended(2, .gone("HTTP 410"), now: now, using: &random) == .pause)
        #expect(machine.next(now: now) == .rest && machine.count == 1)
    }

    @Test("what is too old is given up after a try, never without one")
    func age() {
        var random = SeededGenerator(seed: 1)
        var machine = DeliveryStateMachine()
        machine.enqueue(items(1...2, at: start))
        let late = start.addingTimeInterval(25 * 3600)
        for id in Int64(1)...2 {
            guard case .send(let item) = machine.next(now: late) else { return #expect(Bool(false)) }
            #expect(item.id == id)
            #expect(machine.ended(id, .failed("x", retryAfter: nil), now: late, using: &random) == .giveUp)
        }
        #expect(machine.next(now: late) == .rest)
    }

    @Test("answers to what is over or not yet sent change nothing, but for a late yes")
    func strayAnswers() {
        var random = SeededGenerator(seed: 1)
        var machine = DeliveryStateMachine()
        machine.enqueue(items(1...3, at: start))
        #expect(machine.ended(1, .failed("early", retryAfter: nil), now: start, using: &random) == .ignored)
        _ = machine.next(now: start)
        #expect(machine.next(now: start) == .listen)
        #expect(machine.ended(2, .refused("not sent"), now: start, using: &random) == .ignored)
        #expect(machine.ended(9, .delivered, now: start, using: &random) == .ignored)
        guard case .tryAgain = machine.ended(1, .failed("x", retryAfter: nil), now: start, using: &random)
        else { return #expect(Bool(false)) }
        #expect(machine.ended(1, .failed("x", retryAfter: nil), now: start, using: &random) == .ignored)
        // The first try's answer, after it was given up on.
        #expect(machine.ended(1, .delivered, now: start, using: &random) == .delivered)
        #expect(machine.count == 2)
        // One that this side broke off is sent again, at once after the wait, without counting.
        let later = start.addingTimeInterval(5)
        guard case .send(let second) = machine.next(now: later) else { return #expect(Bool(false)) }
        machine.abandoned(second.id)
        guard case .send(let again) = machine.next(now: later) else { return #expect(Bool(false)) }
        #expect(again == second && again.attempts == 0)
    }

    @Test("what comes late with a lower number goes before what waits, never before what is under way")
    func lateComers() {
        var random = SeededGenerator(seed: 1)
        var machine = DeliveryStateMachine()
        machine.enqueue(items(5...6, at: start))
        _ = machine.next(now: start)
        machine.enqueue(items(3...6, at: start))
        var order: [Int64] = []
        _ = machine.ended(5, .delivered, now: start, using: &random)
        while case .send(let item) = machine.next(now: start) {
            order.append(item.id)
            _ = machine.ended(item.id, .delivered, now: start, using: &random)
        }
        #expect(order == [3, 4, 6])
    }

    @Test("answers of HTTP and SMTP mean what they say")
    func outcomes() {
        for status in [200, 202, 204] {
            #expect(DeliveryOutcome.http(status: status, retryAfterSeconds: nil, excerpt: "") == .delivered)
        }
        for status in [301, 400, 401, 404, 409, 422, 451] {
            #expect(
                DeliveryOutcome.http(status: status, retryAfterSeconds: nil, excerpt: "no")
                    == .refused("HTTP \(status): no"))
        }
        for status in [408, 425, 429, 500, 502, 503, 599, 0] {
            #expect(
                DeliveryOutcome.http(status: status, retryAfterSeconds: 7, excerpt: "")
                    == .failed("HTTP \(status)", retryAfter: .seconds(7)))
        }
        #expect(DeliveryOutcome.http(status: 410, retryAfterSeconds: nil, excerpt: "") == .gone("HTTP 410"))
        #expect(
            DeliveryOutcome.http(status: 503, retryAfterSeconds: -.infinity, excerpt: "")
                == .failed("HTTP 503", retryAfter: nil))
        #expect(DeliveryOutcome.smtp(code: 250) == .delivered)
        #expect(DeliveryOutcome.smtp(code: 451) == .failed("SMTP 451", retryAfter: nil))
        #expect(DeliveryOutcome.smtp(code: 550) == .refused("SMTP 550"))
    }
}
