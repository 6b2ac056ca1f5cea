import Foundation
import GatewayCore
import Postgres
import Synchronization

@testable import Ledger

/// Where database and model part.
struct LedgerMismatch: Error, CustomStringConvertible {
    var description: String
}

/// One life of one tenant, in the database and in the model.
struct LedgerSequence {
    private var gateways: SimulatedGateways
    private var plain: PlainLedger
    private var ids: [HoldID] = []
    /// What gateways know of holds that they have taken.
    private var known: [HoldID: (hold: PlannedReservation, takenAt: Date)] = [:]
    /// Ids of requests by their numbers, and how often each was called.
    private var requests: [Int: UUID] = [:]
    private var calls: [Int: Int16] = [:]
    private let tenant: Tenant
    private let keys: [Int64]
    private var clock: SettableClock { gateways.clock }

    /// Plays operations in turn; throws where database and model part. Gives the gateways back.
    static func play(
        _ scenario: LedgerScenario, _ operations: [LedgerOperation], name: String, on gateways: inout SimulatedGateways
    ) async throws {
        gateways.clock.now = scenario.start
        var sequence = try await LedgerSequence(scenario, name: name, gateways)
        var failure: (any Error)?
        do {
            for operation in operations { try await sequence.perform(operation) }
            try await sequence.compare()
        } catch { failure = error }
        gateways = sequence.gateways
        _ = try await gateways.pool.query(
            "delete from holds where request_id = any (\(Array(sequence.requests.values)))")
        if let failure { throw failure }
    }

    private init(_ scenario: LedgerScenario, name: String, _ gateways: SimulatedGateways) async throws {
        self.gateways = gateways
        guard let zone = TimeZone(identifier: scenario.zone) else { throw LedgerMismatch(description: "no such zone") }
        plain = PlainLedger(zone: zone, created: scenario.start, budgets: scenario.budgets)
        let rows = try await gateways.pool.query(
            """
            select * from test_tenant(\(name), \(scenario.zone), \(scenario.start),
              \(PostgresJSON(Self.json(scenario.budgets))))
            """
        ).rows
        guard let row = rows.first else { throw LedgerMismatch(description: "no tenant was made") }
        tenant = Tenant(id: try row.get("tenant"), name: name, timeZone: scenario.zone, isSuspended: false)
        keys = try row.get("keys")
        for (index, id) in try row.get("budgets", as: [Int64].self).enumerated() { plain.budgets[index].id = id }
    }

    private static func json(_ budgets: [PlainLedger.Budget]) -> String {
        let objects = budgets.map { budget in
            var fields = [
                "\"scope\":\"\(budget.scope)\"", "\"unit\":\"\(budget.unit.rawValue)\"",
                "\"cycle\":\"\(budget.cycle.rawValue)\"", "\"week_start\":\(budget.weekStart)",
                "\"limit\":\(budget.limit)",
                "\"thresholds\":\"{\(budget.thresholds.map(String.init).joined(separator: ","))}\"",
            ]
            if let model = budget.model { fields.append("\"model\":\"\(model)\"") }
            if let tag = budget.tag { fields.append("\"tag\":\"\(tag)\"") }
            if let rollover = budget.rollover { fields.append("\"rollover\":\(rollover)") }
            return "{" + fields.joined(separator: ",") + "}"
        }
        return "[" + objects.joined(separator: ",") + "]"
    }

    // MARK: Operations

    private mutating func perform(_ operation: LedgerOperation) async throws {
        switch operation {
        case .reserve(let gateway, let call): try await reserve(gateway, call, operation)
        case .again(let hold): try await again(hold, operation)
        case .settle(let gateway, let end): await settle(gateway, end)
        case .batch(let gateway, let ends, let calls, let isExact):
            try await batch(gateway, ends, calls, isExact, operation)
        case .abandon(let gateway, let hold): try await abandon(gateway, hold)
        case .crash(let gateway):
            try await gateways.crash(gateway)
            plain.crash(gateway)
        case .suspendKey(let key, let isOn):
            _ = try await gateways.pool.query(
                "update api_keys set suspended_at = case when \(isOn) then now() end where id = \(keys[key])")
            if isOn { plain.suspendedKeys.insert(key) } else { plain.suspendedKeys.remove(key) }
        case .suspendTenant(let isOn):
            _ = try await gateways.pool.query(
                "update tenants set suspended_at = case when \(isOn) then now() end where id = \(tenant.id)")
            plain.isSuspended = isOn
        case .wait(let seconds): clock.now += seconds
        case .setLimit, .topUp, .override, .remove: try await administer(operation)
        }
    }

    /// Changes a budget of the whole tenant: others' periods open when one of their own callers comes, which the model
    /// does not follow.
    private mutating func administer(_ operation: LedgerOperation) async throws {
        func index(_ number: Int) -> Int? {
            guard !plain.budgets.isEmpty else { return nil }
            let index = number % plain.budgets.count
            return plain.budgets[index].scope == .tenant && !plain.budgets[index].isRemoved ? index : nil
        }
        let now = clock.now
        switch operation {
        case .setLimit(let budget, let limit):
            guard let index = index(budget) else { return }
            _ = try await gateways.pool.query("select gboost_set_limit(\(plain.budgets[index].id), \(limit), \(now))")
            plain.open(now, only: plain.budgets[index].id)
            plain.budgets[index].limit = limit
            plain.refresh(index, now)
        case .topUp(let budget, let amount):
            guard let index = index(budget), plain.budgets[index].cycle != .request else { return }
            _ = try await gateways.pool.query("select gboost_top_up(\(plain.budgets[index].id), \(amount), \(now))")
            plain.topUp(index, amount, now)
        case .override(let budget, let after, let days, let limit):
            guard let index = index(budget), ![.request, .minute, .total].contains(plain.budgets[index].cycle) else {
                return
            }
            let from = PlainDay(number: PlainDay(now, plain.zone).number + after)
            let until = PlainDay(number: from.number + days)
            let id = plain.budgets[index].id
            _ = try await gateways.pool.query("select gboost_open_periods(\(tenant.id), \(now), p_budget => \(id))")
            plain.open(now, only: id)
            _ = try await gateways.pool.query(
                """
                with o as (insert into budget_overrides (budget_id, from_day, until_day, limit_n)
                  values (\(plain.budgets[index].id), \(from.text)::text::date, \(until.text)::text::date, \(limit)))
                update budgets set limit_n = limit_n where id = \(plain.budgets[index].id)
                """)
            _ = try await gateways.pool.query(
                "select gboost_refresh_periods(\(plain.budgets[index].id), \(now))")
            plain.budgets[index].overrides.append((from, until, limit))
            plain.refresh(index, now)
        case .remove(let budget):
            guard let index = index(budget) else { return }
            _ = try await gateways.pool.query(
                "update budgets set removed_at = now() where id = \(plain.budgets[index].id)")
            plain.budgets[index].isRemoved = true
        default: return
        }
    }

    private mutating func reserve(
        _ gateway: Int, _ call: PlainLedger.Call, _ operation: LedgerOperation
    ) async throws {
        let reservation = reservation(call)
        let expected = plain.reserve(call, gateway: gateway, clock.now)
        let outcome = try await gateways.ledgers[gateway].reserve(reservation)
        try check(outcome, expected, operation)
        guard outcome.isGranted else { return }
        ids.append(reservation.id)
        let taken = gateways.ledgers[gateway].open.withLock { $0[reservation.id] }
        known[reservation.id] = taken.flatMap { taken in taken.hold.map { ($0, taken.takenAt) } }
    }

    private mutating func again(_ number: Int, _ operation: LedgerOperation) async throws {
        guard !plain.holds.isEmpty else { return }
        let index = number % plain.holds.count
        let hold = plain.holds[index]
        let expected = plain.again(index, clock.now)
        // Whether the gateway plans anew, and so opens periods, depends on what it knows: let it be always.
        _ = try await gateways.pool.query("select gboost_open_periods(\(tenant.id), \(clock.now))")
        let reservation = reservation(hold.call, id: ids[index])
        let outcome = try? await gateways.ledgers[hold.gateway].reserve(reservation)
        switch (expected, outcome) {
        case (.granted, .granted), (.conflict, nil), (.noBudget, .noBudget), (.rejected, .callerRejected): break
        // The gateway need not have heard of the change yet, and the hold stands either way.
        case (.noBudget, .granted), (.rejected, .granted), (.noBudget, nil), (.rejected, nil): break
        default:
            throw LedgerMismatch(description: "\(operation): \(expected), but \(outcome.map { "\($0)" } ?? "an error")")
        }
    }

    private mutating func settle(_ gateway: Int, _ end: LedgerOperation.End) async {
        guard !plain.holds.isEmpty else { return }
        let index = end.hold % plain.holds.count
        await gateways.ledgers[gateway].settle(settlement(index, end))
        settlePlainly(index, end)
    }

    private func settlement(_ index: Int, _ end: LedgerOperation.End) -> Settlement {
        let hold = plain.holds[index]
        var settlement = Settlement.of(ids[index], end.outcome, hold.amount * end.percent / 100)
        settlement.usage = TokenUsage(input: hold.tokens * end.usedPercent / 100, output: 0)
        return settlement
    }

    private mutating func settlePlainly(_ index: Int, _ end: LedgerOperation.End) {
        let hold = plain.holds[index]
        switch end.outcome {
        case .completed:
            plain.settle(index, hold.amount * end.percent / 100, used: hold.tokens * end.usedPercent / 100)
        // Of a hold that was posted in full it says nothing new.
        case .estimated where hold.state == .unreconciled: break
        case .estimated: plain.settle(index, hold.amount, used: hold.tokens)
        case .failed: plain.settle(index, 0, used: 0)
        }
    }

    private mutating func abandon(_ gateway: Int, _ number: Int?) async throws {
        let index = plain.holds.isEmpty ? nil : number.map { $0 % plain.holds.count }
        let id = index.map { ids[$0] } ?? HoldID(request: requestID(99), step: nextStep(99), attempt: 0)
        var reservation = reservation(
            PlainLedger.Call(request: 99, key: 0, model: "sim/general", tags: [], amount: 1, tokens: 0))
        reservation.id = id
        try await gateways.ledgers[gateway].apply(.abandonment(.init(reservation)))
        if let index { plain.settle(index, 0, used: 0) }
    }

    // MARK: Batches

    private mutating func batch(
        _ gateway: Int, _ ends: [LedgerOperation.End], _ calls: [PlainLedger.Call], _ isExact: Bool,
        _ operation: LedgerOperation
    ) async throws {
        var chosen: [Int: LedgerOperation.End] = [:]
        if !plain.holds.isEmpty { for end in ends { chosen[end.hold % plain.holds.count] = end } }
        var numbers: Set<Int> = []
        // Of a request only one is in a batch, as the queue sees to.
        let distinct = calls.filter { numbers.insert($0.request).inserted }
        let settled = chosen.filter { numbers.insert(plain.holds[$0.key].request).inserted }.sorted { $0.key < $1.key }
        var planned: [(PlannedReservation, Int)] = []
        for (index, call) in distinct.enumerated() {
            if let plan = try await plan(reservation(call)) { planned.append((plan, index)) }
        }
        // Plans are read, and with them periods opened, before anything is settled.
        if !distinct.isEmpty { plain.open(clock.now) }
        // A gateway batches the ends of holds that it has taken itself; all others are asked for alone.
        let ours = settled.filter { known[ids[$0.key]] != nil }.sorted { HoldID.precedes(ids[$0.key], ids[$1.key]) }
        for (index, end) in settled where known[ids[index]] == nil {
            await gateways.ledgers[gateway].settle(settlement(index, end))
            settlePlainly(index, end)
        }
        for (index, end) in ours where plain.holds[index].state == .open { settlePlainly(index, end) }
        let expected = distinct.map { plain.reserve($0, gateway: gateway, clock.now) }
        let arguments = BatchArguments(
            reservations: planned.map(\.0),
            settlements: ours.compactMap { index, end in
                known[ids[index]].map { PlannedSettlement(settlement(index, end), hold: $0.hold, takenAt: $0.takenAt) }
            })
        guard !arguments.reservations.isEmpty || !arguments.settlements.isEmpty else { return }
        let answers = try await gateways.answers(
            to: arguments, isExact: isExact || planned.contains { $0.0.ceiling != nil }, gateway)
        for (position, (plan, index)) in planned.enumerated() {
            let answer = try answers.reservation(position, of: arguments)
            let isExpected = if case .granted = expected[index] { true } else { false }
            guard answer.isGranted == isExpected else {
                throw LedgerMismatch(description: "\(operation): call \(index) \(expected[index]), but \(answer)")
            }
            guard case .granted(_, let takenAt, _) = answer else { continue }
            ids.append(plan.reservation.id)
            known[plan.reservation.id] = (plan, takenAt)
        }
        for (position, (index, end)) in ours.enumerated() {
            guard case .notOpen = try answers.settlement(position, of: arguments) else { continue }
            await gateways.ledgers[gateway].settle(settlement(index, end))
            settlePlainly(index, end)
        }
    }

    private func plan(_ reservation: Reservation) async throws -> PlannedReservation? {
        let rows = try await gateways.pool.query(CallerPlan.statement(reservation.caller, now: clock.now)).rows
        let window = try PriceWindow(
            try await gateways.pool.query(PriceWindow.statement(reservation.priceID, now: clock.now)).rows)
        guard let plan = try CallerPlan(rows), plan.isUsable, let window else { return nil }
        return PlannedReservation(reservation, plan: plan, window: window)
    }

    // MARK: Calls

    private mutating func requestID(_ number: Int) -> UUID {
        if let known = requests[number] { return known }
        let id = UUID()
        requests[number] = id
        return id
    }

    private mutating func nextStep(_ number: Int) -> Int16 {
        calls[number, default: 0] += 1
        return calls[number] ?? 0
    }

    private mutating func reservation(_ call: PlainLedger.Call, id: HoldID? = nil) -> Reservation {
        Reservation(
            id: id ?? HoldID(request: requestID(call.request), step: nextStep(call.request), attempt: 0),
            caller: Caller(tenant: tenant, teamID: nil, keyID: keys[call.key]), route: nil,
            model: ModelReference(call.model) ?? LedgerFixture.model, priceID: gateways.prices[call.model] ?? 0,
            amount: NanoUSD(call.amount), tokens: call.tokens, tags: call.tags)
    }

    private func check(
        _ outcome: ReservationOutcome, _ expected: PlainLedger.Answer, _ operation: LedgerOperation
    ) throws {
        let isSame =
            switch (expected, outcome) {
            case (.granted(let room), .granted(let state)): state.remaining.rawValue == room
            case (.refused(let budget), .refused(let state)):
                plain.budgets.first { $0.id == budget }.map { scope($0) == state.scope } ?? false
            case (.limited(let budgets), .limited(let state)):
                plain.budgets.contains { budgets.contains($0.id) && scope($0) == state.scope }
            case (.noBudget, .noBudget), (.rejected, .callerRejected): true
            default: false
            }
        guard isSame else { throw LedgerMismatch(description: "\(operation): \(expected), but \(outcome)") }
    }

    private func scope(_ budget: PlainLedger.Budget) -> String {
        let owner =
            switch budget.scope {
            case .tenant: "tenant:\(tenant.name)"
            case .team: "team:research"
            case .key: "key:\(keys[0])"
            }
        return owner + (budget.model.map { " model:\($0)" } ?? "") + (budget.tag.map { " tag:\($0)" } ?? "")
    }

    // MARK: Comparison

    private func compare() async throws {
        let budgets = plain.budgets.map(\.id)
        let rows = try await gateways.pool.query(
            """
            select p.*, (select coalesce(sum(amount), 0) from ledger_entries e
                where e.tenant_id = \(tenant.id) and p.id = any (e.periods))::bigint as posted
            from unnest(\(budgets)) b
            join budget_periods p on p.id >= b * 100000000 and p.id < (b + 1) * 100000000
            """
        ).rows
        var missing = plain.periods.filter(\.value.isUsed)
        for row in rows {
            let id = try row.get("id", as: Int64.self)
            missing[id] = nil
            guard let budget = plain.budgets.first(where: { $0.id == id / 100_000_000 }) else { continue }
            guard let period = plain.periods[id] else { throw LedgerMismatch(description: "period \(id) is unknown") }
            let found =
                try [
                    "base", "topup", "carried", "passed_on", "target", "settled", "held", "lim",
                ].map { try row.get($0, as: Int64.self) } + [Int64(try row.get("alerted", as: Int16.self))]
            let expected = [
                period.base, period.topUp, period.carried, period.passedOn, period.target, period.settled, period.held,
                period.lim, period.alerted,
            ]
            guard found == expected else {
                throw LedgerMismatch(description: "period \(id) of \(scope(budget)): \(expected), but \(found)")
            }
            let posted = try row.get("posted", as: Int64.self)
            guard budget.unit != .usd || posted == period.settled else {
                throw LedgerMismatch(description: "period \(id): settled \(period.settled), entries \(posted)")
            }
        }
        if let lost = missing.first { throw LedgerMismatch(description: "period \(lost.key) is missing") }
        try await compareRecords()
    }

    private func compareRecords() async throws {
        let rows = try await gateways.pool.query(
            """
            select (select count(*) from ledger_entries where tenant_id = \(tenant.id)) as entries,
              (select count(*) from escalations where tenant_id = \(tenant.id)) as records,
              (select coalesce(max(seq), 0) from escalations where tenant_id = \(tenant.id)) as last,
              (select count(*) from outbox where tenant_id = \(tenant.id) and entry_id is not null) as told,
              (select count(*) from outbox where tenant_id = \(tenant.id) and kind = 'budget.threshold') as alerts
            """
        ).rows
        for name in ["entries", "records", "last", "told"] {
            let found = try rows.first?.get(name, as: Int.self)
            guard found == plain.entries else {
                throw LedgerMismatch(description: "\(name): \(plain.entries), but \(found ?? -1)")
            }
        }
        let alerts = try rows.first?.get("alerts", as: Int.self)
        guard alerts == plain.alerts else {
            throw LedgerMismatch(description: "alerts: \(plain.alerts), but \(alerts ?? -1)")
        }
    }
}

extension ReserveAnswer {
    var isGranted: Bool { if case .granted = self { true } else { false } }
}
