import Foundation
import GatewayCore
import Testing

@Suite("Limits of local models")
struct LocalLimiterTests {
    private static func limit(_ unit: LimitUnit, _ limit: Int64, _ scope: LocalLimit.Scope = .tenant(1)) -> LocalLimit {
        LocalLimit(scope: scope, name: "tenant:acme", unit: unit, limit: limit)
    }

    private static func at(_ seconds: Double) -> Date { Date(timeIntervalSince1970: 600 + seconds) }

    private func ticket(_ admission: LocalLimiter.Admission) -> LocalLimiter.Ticket? {
        if case .admitted(let ticket) = admission { ticket } else { nil }
    }

    @Test("requests and tokens are refused with what is used until the minute is over, places until one is free")
    func units() throws {
        var limiter = LocalLimiter()
        let (requests, tokens) = (Self.limit(.requests, 1), Self.limit(.tokens, 100))
        let parallel = Self.limit(.parallel, 1)
        let first = try #require(ticket(limiter.admit([requests], tokens: 5, now: Self.at(1))))
        limiter.finish(first, tokens: 5)
        let refusal = LimitState(
            unit: .requests, scope: "tenant:acme", limit: 1, used: 1, resetsAt: Self.at(60), needed: 1)
        #expect(limiter.admit([requests], tokens: 5, now: Self.at(59)) == .refused(refusal))
        #expect(ticket(limiter.admit([requests], tokens: 5, now: Self.at(60))) != nil)

        let long = try #require(ticket(limiter.admit([tokens], tokens: 90, now: Self.at(61))))
        #expect(ticket(limiter.admit([tokens], tokens: 11, now: Self.at(62))) == nil)
        limiter.finish(long, tokens: 20)
        #expect(ticket(limiter.admit([tokens], tokens: 80, now: Self.at(63))) != nil)
        // The tokens of a minute that is over do not burden the next one when their answer ends.
        let late = try #require(ticket(limiter.admit([tokens], tokens: 100, now: Self.at(120))))
        #expect(ticket(limiter.admit([tokens], tokens: 100, now: Self.at(180))) != nil)
        limiter.finish(late, tokens: 3)
        #expect(ticket(limiter.admit([tokens], tokens: 1, now: Self.at(181))) == nil)

        let place = try #require(ticket(limiter.admit([parallel], tokens: 0, now: Self.at(182))))
        let full = LimitState(unit: .parallel, scope: "tenant:acme", limit: 1, used: 1, resetsAt: nil, needed: 1)
        #expect(limiter.admit([parallel], tokens: 0, now: Self.at(900)) == .refused(full))
        limiter.finish(place, tokens: 0)
        limiter.finish(place, tokens: 0)
        #expect(ticket(limiter.admit([parallel], tokens: 0, now: Self.at(901))) != nil)
        #expect(ticket(limiter.admit([parallel], tokens: 0, now: Self.at(902))) == nil)
    }

    @Test("what one limit refuses burdens none of the others, and a limit of nothing refuses everything")
    func allOrNothing() {
        var limiter = LocalLimiter()
        let key = Self.limit(.requests, 0, .key(7))
        for _ in 0..<3 {
            #expect(ticket(limiter.admit([Self.limit(.requests, 1), key], tokens: 1, now: Self.at(0))) == nil)
        }
        #expect(ticket(limiter.admit([Self.limit(.requests, 1)], tokens: 1, now: Self.at(0))) != nil)
    }

    @Test("a clock set back does not begin a minute anew")
    func clock() {
        var limiter = LocalLimiter()
        let limit = Self.limit(.requests, 1)
        #expect(ticket(limiter.admit([limit], tokens: 1, now: Self.at(120))) != nil)
        #expect(ticket(limiter.admit([limit], tokens: 1, now: Self.at(30))) == nil)
        #expect(ticket(limiter.admit([limit], tokens: 1, now: Self.at(180))) != nil)
    }

    @Test("the number of counts is bounded: those of past minutes make room, and beyond it a request is refused")
    func bounded() {
        var limiter = LocalLimiter(maxCounters: 10)
        for key in 0..<25 {
            let limit = Self.limit(.requests, 5, .key(Int64(key)))
            #expect((ticket(limiter.admit([limit], tokens: 1, now: Self.at(0))) != nil) == (key < 10))
            #expect(limiter.counters <= 10)
        }
        #expect(ticket(limiter.admit([Self.limit(.requests, 5, .key(99))], tokens: 1, now: Self.at(60))) != nil)
        #expect(limiter.counters == 1)
    }

    /// All that was ever admitted, counted anew at each question.
    private struct PlainLimiter {
        struct Call {
            var minute: Int
            var scopes: Set<LocalLimit.Scope>
            var held: Int64
            var used: Int64?
        }
        var calls: [Call] = []
        var minute = 0

        func used(_ limit: LocalLimit) -> Int64 {
            let counted = calls.filter { $0.scopes.contains(limit.scope) }
            return switch limit.unit {
            case .requests: Int64(counted.count { $0.minute == minute })
            case .tokens: counted.filter { $0.minute == minute }.reduce(0) { $0 + ($1.used ?? $1.held) }
            case .parallel: Int64(counted.count { $0.used == nil })
            }
        }
    }

    @Test("any sequence agrees with a plain model that remembers everything", arguments: 0..<60 as Range<UInt64>)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let scopes: [LocalLimit.Scope] = [.tenant(1), .team(1), .team(2), .key(1), .key(2)]
        var limits: [LocalLimit] = scopes.flatMap { scope in
            [LimitUnit.requests, .tokens, .parallel].map {
                Self.limit($0, Int64.random(in: 0...($0 == .tokens ? 300 : 6), using: &random), scope)
            }
        }
        var (limiter, plain, seconds) = (LocalLimiter(), PlainLimiter(), 0.0)
        var tickets: [(ticket: LocalLimiter.Ticket, index: Int)] = []
        for _ in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let mine = Set(scopes.filter { _ in random.chance(0.4) })
                // A call is counted by every limit of its scopes.
                let own = limits.filter { mine.contains($0.scope) }
                let tokens = Int64.random(in: 0...90, using: &random)
                plain.minute = max(plain.minute, Int((600 + seconds) / 60))
                let refusing = own.first { plain.used($0) + ($0.unit == .tokens ? tokens : 1) > $0.limit }
                switch limiter.admit(own, tokens: tokens, now: Self.at(seconds)) {
                case .admitted(let ticket):
                    #expect(refusing == nil, "seed \(seed)")
                    tickets.append((ticket, plain.calls.count))
                    plain.calls.append(.init(minute: plain.minute, scopes: mine, held: tokens))
                case .refused(let state):
                    #expect(refusing.map { plain.used($0) } == state.used, "seed \(seed)")
                    #expect(refusing?.unit == state.unit && refusing?.limit == state.limit, "seed \(seed)")
                }
            case 5..<8:
                guard let index = tickets.indices.randomElement(using: &random) else { continue }
                let (ticket, call) = tickets[index]
                let used = Int64.random(in: 0...100, using: &random)
                limiter.finish(ticket, tokens: used)
                if plain.calls[call].used == nil { plain.calls[call].used = used }
                // Some are finished twice.
                if random.chance(0.8) { tickets.remove(at: index) }
            case 8: seconds += Double.random(in: -20...70, using: &random)
            default:
                guard let index = limits.indices.randomElement(using: &random) else { continue }
                limits[index].limit = Int64.random(in: 0...(limits[index].unit == .tokens ? 300 : 6), using: &random)
            }
        }
    }
}
