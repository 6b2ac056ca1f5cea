package import Foundation

/// A limit of what local models answer: of requests or tokens in a minute, or of answers at the same time.
package struct LocalLimit: Hashable, Sendable {
    /// Whose answers it counts. The numbers are those of the database.
    package enum Scope: Hashable, Sendable {
        case tenant(Int64)
        case team(Int64)
        case key(Int64)
    }
    package var scope: Scope
    /// For the refusal, e.g. "team:research".
    package var name: String
    package var unit: LimitUnit
    package var limit: Int64
    package init(scope: Scope, name: String, unit: LimitUnit, limit: Int64) {
        self.scope = scope
        self.name = name
        self.unit = unit
        self.limit = limit
    }

    /// Whether it counts this caller's answers.
    package func applies(to caller: Caller) -> Bool {
        switch scope {
        case .tenant(let id): id == caller.tenant.id
        case .team(let id): id == caller.teamID
        case .key(let id): id == caller.keyID
        }
    }
}

/// Counts what local models answer against limits: a pure state machine, told the time by its caller.
///
/// Minutes are those of the clock, as with paid calls. Limits come with each request, so that a changed one holds at
/// once; only counts are kept here. A clock that is set back does not begin a minute anew.
package struct LocalLimiter: Sendable {
    /// What is given back when an answer ends.
    package struct Ticket: Hashable, Sendable {
        fileprivate var number: Int64
    }

    /// What became of a request.
    package enum Admission: Hashable, Sendable {
        case admitted(Ticket)
        /// The first of its limits that it does not fit. Nothing is counted.
        case refused(LimitState)
    }

    private struct Counter: Hashable {
        var scope: LocalLimit.Scope
        var unit: LimitUnit
    }
    private struct Use {
        var minute: Int64
        var amount: Int64
    }
    private struct Open {
        var minute: Int64
        var tokens: Int64
        var counters: [Counter]
    }

    private let maxCounters: Int
    private var uses: [Counter: Use] = [:]
    private var open: [Int64: Open] = [:]
    private var lastTicket: Int64 = 0
    private var minute = Int64.min

    /// - Parameter maxCounters: the most limits that are counted at the same time. When as many are in use, a request
    ///   that would need another one is refused.
    package init(maxCounters: Int = 100_000) { self.maxCounters = maxCounters }

    /// Limits that are being counted, for tests and gauges.
    package var counters: Int { uses.count }

    /// Tests a request against all its limits and counts it, or says which it does not fit.
    /// - Parameter tokens: the most that it may read and write.
    package mutating func admit(_ limits: [LocalLimit], tokens: Int64, now: Date) -> Admission {
        minute = max(minute, Int64((now.timeIntervalSince1970 / 60).rounded(.down)))
        let tokens = max(0, tokens)
        var wanted: [Counter: Int64] = [:]
        for limit in limits {
            let counter = Counter(scope: limit.scope, unit: limit.unit)
            let amount = limit.unit == .tokens ? tokens : 1
            let used = used(counter)
            // Also where the limit has been lowered below what is used.
            guard used <= limit.limit, amount <= limit.limit - used else {
                return .refused(state(limit, used: used, needed: amount))
            }
            wanted[counter] = amount
        }
        let new = wanted.keys.count { uses[$0] == nil }
        if uses.count + new > maxCounters { forgetIdle() }
        if uses.count + new > maxCounters, let limit = limits.first {
            return .refused(state(limit, used: used(Counter(scope: limit.scope, unit: limit.unit))))
        }
        for (counter, amount) in wanted {
            uses[counter] = Use(minute: minute, amount: used(counter) + amount)
        }
        lastTicket += 1
        open[lastTicket] = Open(minute: minute, tokens: tokens, counters: Array(wanted.keys))
        return .admitted(Ticket(number: lastTicket))
    }

    /// Ends a request: gives its place back, and of its minute's tokens what it did not use. A second time changes
    /// nothing.
    package mutating func finish(_ ticket: Ticket, tokens: Int64) {
        guard let ended = open.removeValue(forKey: ticket.number) else { return }
        for counter in ended.counters {
            guard var use = uses[counter] else { continue }
            switch counter.unit {
            case .requests: continue
            case .tokens:
                // What is over is over: another minute's tokens are not touched.
                guard use.minute == ended.minute else { continue }
                let (sum, overflow) = (use.amount - ended.tokens).addingReportingOverflow(max(0, tokens))
                use.amount = overflow ? .max : sum
            case .parallel:
                use.amount -= 1
                if use.amount == 0 {
                    uses[counter] = nil
                    continue
                }
            }
            uses[counter] = use
        }
    }

    private func used(_ counter: Counter) -> Int64 {
        guard let use = uses[counter], counter.unit == .parallel || use.minute == minute else { return 0 }
        return use.amount
    }

    private func state(_ limit: LocalLimit, used: Int64, needed: Int64? = nil) -> LimitState {
        LimitState(
            unit: limit.unit, scope: limit.name, limit: limit.limit, used: used,
            resetsAt: limit.unit == .parallel ? nil : Date(timeIntervalSince1970: Double(minute + 1) * 60),
            needed: needed)
    }

    /// Counts of minutes that are over.
    private mutating func forgetIdle() {
        uses = uses.filter { $0.key.unit == .parallel || $0.value.minute == minute }
    }
}
