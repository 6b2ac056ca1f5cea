import Testing

@testable import Postgres

@Suite("Who gets which connection")
struct PoolScheduleTests {
    private let now = ContinuousClock.now

    private func schedule(size: Int = 2, waiting: Int = 100, pipelined: Int = 2) -> PoolSchedule {
        PoolSchedule(
            limits: .init(size: size, maxWaiting: waiting, maxPipelined: pipelined, maxBackoff: .seconds(2)))
    }

    /// Everything the schedule wants done now, as text.
    private func actions(_ schedule: inout PoolSchedule) -> [String] {
        var all: [String] = []
        while let action = schedule.next() {
            switch action {
            case .assign(let ticket, let id): all.append("assign \(ticket) \(id)")
            case .connect(let id): all.append("connect \(id)")
            case .refuse(let ticket, let error): all.append("refuse \(ticket) \(error.code.rawValue)")
            case .probe(let pause): all.append("probe \(pause)")
            }
        }
        return all
    }

    private func ask(_ s: inout PoolSchedule, _ use: PoolSchedule.Use, _ ticket: UInt64) throws {
        if try s.assign(use) == nil { try s.enqueue(use, ticket, due: now + .seconds(Int(ticket))) }
    }

    @Test("every caller gets a connection of his own while more can be made; then they share")
    func growth() throws {
        var s = schedule()
        try ask(&s, .shared, 1)
        #expect(actions(&s) == ["connect 1"])
        try ask(&s, .shared, 2)
        #expect(actions(&s) == ["connect 2"])
        s.connected(1)
        #expect(actions(&s) == ["assign 1 1"])
        s.connected(2)
        #expect(actions(&s) == ["assign 2 2"])
        #expect(try s.assign(.shared) == 1)
        #expect(try s.assign(.shared) == 2)
        #expect(try s.assign(.shared) == nil)
        #expect(s.inFlight == 4 && s.open == 2)
    }

    @Test("nobody is put behind a statement under way while a connection is being made")
    func noQueueBehindSlowOnes() throws {
        var s = schedule(size: 2)
        try ask(&s, .shared, 1)
        _ = actions(&s)
        s.connected(1)
        _ = actions(&s)
        #expect(try s.assign(.shared) == nil)
        try s.enqueue(.shared, 2, due: now)
        #expect(actions(&s) == ["connect 2"])
        #expect(try s.assign(.shared) == nil)
        s.connected(2)
        #expect(actions(&s) == ["assign 2 2"])
    }

    @Test("a transaction claims the least busy connection, which then takes nothing new")
    func claims() throws {
        var s = schedule(size: 1)
        try ask(&s, .shared, 1)
        _ = actions(&s)
        s.connected(1)
        _ = actions(&s)
        try ask(&s, .exclusive, 2)
        #expect(actions(&s) == [])
        #expect(try s.assign(.shared) == nil)
        try s.enqueue(.shared, 3, due: now)
        s.release(1, .shared)
        #expect(actions(&s) == ["assign 2 1"])
        // And the other way round: the waiting statement goes first now.
        try ask(&s, .exclusive, 4)
        s.release(1, .exclusive)
        #expect(actions(&s) == ["assign 3 1"])
        s.release(1, .shared)
        #expect(actions(&s) == ["assign 4 1"])
    }

    @Test("a claim ends with the transaction that waited for it")
    func claimEnds() throws {
        var s = schedule(size: 1)
        try ask(&s, .shared, 1)
        _ = actions(&s)
        s.connected(1)
        _ = actions(&s)
        try ask(&s, .exclusive, 2)
        _ = actions(&s)
        s.cancel(2)
        _ = actions(&s)
        #expect(try s.assign(.shared) == 1)
    }

    @Test("a failed attempt refuses everybody who waits, and then everybody who comes, until a probe succeeds")
    func down() throws {
        var s = schedule()
        try ask(&s, .shared, 1)
        try ask(&s, .exclusive, 2)
        #expect(actions(&s) == ["connect 1", "connect 2"])
        s.failed(1, PostgresError(.connection, "x", outcomeUnknown: true))
        #expect(actions(&s) == ["probe 0.05 seconds", "refuse 1 connection", "refuse 2 connection"])
        s.failed(2, PostgresError(.connection, "x"))
        #expect(actions(&s) == [])
        let error = #expect(throws: PostgresError.self) { try s.assign(.shared) }
        #expect(error?.isConnectionLoss == true && error?.outcomeUnknown == false)
        #expect(s.probe() == 3)
        s.failed(3, PostgresError(.connection, "x"))
        #expect(actions(&s) == ["probe 0.2 seconds"])
        #expect(s.probe() == 4)
        s.connected(4)
        #expect(try s.assign(.shared) == 4)
        #expect(s.isReachable)
    }

    @Test("the pause between probes grows to its limit and no further")
    func backoff() {
        var s = schedule()
        var pauses: [String] = []
        var id = s.probe()
        #expect(id == nil)
        _ = try? s.assign(.shared)
        _ = try? s.enqueue(.shared, 1, due: now)
        _ = actions(&s)
        id = 1
        for _ in 0..<40 {
            if let id { s.failed(id, PostgresError(.connection, "x")) }
            pauses += actions(&s).filter { $0.hasPrefix("probe") }
            id = s.probe()
        }
        #expect(pauses.prefix(3) == ["probe 0.05 seconds", "probe 0.1 seconds", "probe 0.2 seconds"])
        #expect(pauses.count == 40 && pauses.last == "probe 2.0 seconds")
    }

    @Test("a full pool that cannot grow keeps serving with what it has")
    func cannotGrow() throws {
        var s = schedule(size: 2)
        try ask(&s, .shared, 1)
        _ = actions(&s)
        s.connected(1)
        _ = actions(&s)
        try ask(&s, .shared, 2)
        #expect(actions(&s) == ["connect 2"])
        s.failed(2, PostgresError(.connection, "too many"))
        #expect(actions(&s) == ["probe 0.05 seconds", "assign 2 1"])
        s.release(1, .shared)
        #expect(try s.assign(.shared) == 1)
        s.lost(1)
        #expect(throws: PostgresError.self) { try s.assign(.shared) }
        #expect(s.probe() == 3)
    }

    @Test("callers leave the queue when their time is up, oldest first")
    func expiry() throws {
        var s = schedule(waiting: 2)
        try ask(&s, .shared, 1)
        try ask(&s, .exclusive, 2)
        #expect(throws: PostgresError.self) { try s.enqueue(.shared, 3, due: now) }
        #expect(s.nextDue == now + .seconds(1))
        #expect(s.expire(now: now + .seconds(1)) == [1])
        #expect(s.expire(now: now + .seconds(2)) == [2])
        #expect(s.waiting == 0 && s.nextDue == nil)
    }

    @Test("a closed pool refuses whoever waits and whoever comes")
    func closed() throws {
        var s = schedule()
        try ask(&s, .shared, 1)
        try ask(&s, .exclusive, 2)
        s.close()
        #expect(actions(&s) == ["refuse 1 connection", "refuse 2 connection"])
        #expect(throws: PostgresError.self) { try s.assign(.shared) }
    }

    @Test("whatever happens, limits hold and nobody is served twice", arguments: 0..<50)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(state: seed &* 7919 &+ 1)
        var s = schedule(size: 3, waiting: 10, pipelined: 2)
        var held: [(slot: Int, use: PoolSchedule.Use)] = []
        var waiting: [UInt64: PoolSchedule.Use] = [:]
        var connecting: Set<Int> = []
        var open: Set<Int> = []
        for ticket in 1...400 as ClosedRange<UInt64> {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0...3:
                let use: PoolSchedule.Use = Bool.random(using: &generator) ? .shared : .exclusive
                if let slot = try? s.assign(use) {
                    held.append((slot, use))
                } else if s.isReachable, (try? s.enqueue(use, ticket, due: now)) != nil {
                    waiting[ticket] = use
                }
            case 4...6 where !held.isEmpty:
                let (slot, use) = held.remove(at: Int.random(in: 0..<held.count, using: &generator))
                s.release(slot, use)
            case 7:
                if let id = connecting.sorted().first {
                    connecting.remove(id)
                    if Int.random(in: 0..<4, using: &generator) == 0 {
                        s.failed(id, PostgresError(.connection, "x"))
                    } else {
                        s.connected(id)
                        open.insert(id)
                    }
                }
            case 8 where Bool.random(using: &generator):
                if let id = open.sorted().randomElement(using: &generator) {
                    // Whoever held it lets go in his own time, as the driver does.
                    open.remove(id)
                    s.lost(id)
                }
            default:
                if let leaver = waiting.keys.sorted().randomElement(using: &generator) {
                    waiting[leaver] = nil
                    s.cancel(leaver)
                }
            }
            while let action = s.next() {
                switch action {
                case .assign(let ticket, let slot):
                    let known = waiting.removeValue(forKey: ticket)
                    let use = try #require(known)
                    held.append((slot, use))
                case .refuse(let ticket, _):
                    let known = waiting.removeValue(forKey: ticket)
                    #expect(known != nil)
                case .connect(let id): connecting.insert(id)
                case .probe: if let id = s.probe() { connecting.insert(id) }
                }
            }
            #expect(open.count + connecting.count <= 3)
            for id in open { expectInLimits(held.filter { $0.slot == id }.map(\.use)) }
        }
    }

    private func expectInLimits(_ uses: [PoolSchedule.Use]) {
        #expect(uses.count <= 2)
        #expect(!uses.contains(.exclusive) || uses.count == 1)
    }
}

/// A small generator, so that a failing case can be run again.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
