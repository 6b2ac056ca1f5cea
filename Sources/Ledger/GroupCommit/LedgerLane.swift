internal import Foundation
internal import GatewayCore
internal import Postgres
internal import Synchronization

/// Hands batches to the database, one at a time: the driver of a `BatchQueue`.
///
/// Tenants are spread over a few lanes, so that two lanes seldom want the same rows. It lives on the thread of its
/// connections: a batch goes to the database and its answers come back without a change of threads, each of which would
/// cost as much as a small batch.
actor LedgerLane {
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe pool.unownedExecutor }

    /// How often a batch is sent that was rolled back as a whole.
    private static let tries = 4
    /// How long after a refusal its budget's batches are tried one by one at once.
    private static let refusalMemory = Duration.milliseconds(250)
    private static let maxRefusals = 1000
    /// The types of batches are not what they were: this is another database.
    private static let datatypeMismatch = "42804"

    private struct State {
        var queue: BatchQueue<BatchItem>
        /// Periods that refused something lately.
        var refusals: [Int64: ContinuousClock.Instant] = [:]
        var tally = BatchTally()
    }
    private typealias Answer = Result<PostgresResult, PostgresError>

    /// Items that share a statement, and who waits for them, in the order of the statement's.
    private struct Batch {
        let items: [BatchQueue<BatchItem>.Item]
        let arguments: BatchArguments
        let reserving: [CheckedContinuation<ReserveAnswer, Never>]
        let settling: [CheckedContinuation<SettleAnswer, Never>]

        init(_ items: [BatchQueue<BatchItem>.Item]) {
            self.items = items
            var reservations: [(planned: PlannedReservation, waiter: CheckedContinuation<ReserveAnswer, Never>)] = []
            var settlements: [(planned: PlannedSettlement, waiter: CheckedContinuation<SettleAnswer, Never>)] = []
            for item in items {
                switch item.payload {
                case .reserve(let planned, let waiter): reservations.append((planned, waiter))
                case .settle(let planned, let waiter): settlements.append((planned, waiter))
                }
            }
            settlements.sort { HoldID.precedes($0.planned.settlement.id, $1.planned.settlement.id) }
            arguments = BatchArguments(
                reservations: reservations.map(\.planned), settlements: settlements.map(\.planned))
            reserving = reservations.map(\.waiter)
            settling = settlements.map(\.waiter)
        }
    }

    private let state: Mutex<State>
    private var sent = 0
    /// The batch that is at the database.
    private var waiting: (number: Int, deadline: ContinuousClock.Instant, waiter: CheckedContinuation<Answer, Never>)?
    private var watchdog: Task<Void, Never>?
    /// The last batch that the database answered, while its callers have not been told.
    private var last: (result: PostgresResult, batch: Batch, isUsual: Bool)?
    private var types: BatchTypes?
    private let pool: PostgresPool
    private let thread: any TaskExecutor
    private let gateway: UUID
    private let configuration: LedgerConfiguration

    init(pool: PostgresPool, gateway: UUID, configuration: LedgerConfiguration) {
        self.pool = pool
        thread = pool.taskExecutor()
        self.gateway = gateway
        self.configuration = configuration
        state = Mutex(State(queue: BatchQueue(limits: configuration.batchLimits)))
    }

    /// What was committed since the start.
    nonisolated var tally: BatchTally { state.withLock { $0.tally } }

    nonisolated func reserve(_ planned: PlannedReservation) async -> ReserveAnswer {
        await withCheckedContinuation { waiter in
            let request = planned.reservation.id.request
            add(.init(kind: .reservation, exclusion: request, payload: .reserve(planned, waiter)))
        }
    }

    nonisolated func settle(_ settlement: PlannedSettlement) async -> SettleAnswer {
        await withCheckedContinuation { waiter in
            let request = settlement.settlement.id.request
            add(.init(kind: .settlement, exclusion: request, payload: .settle(settlement, waiter)))
        }
    }

    private nonisolated func add(_ item: BatchQueue<BatchItem>.Item) {
        switch state.withLock({ $0.queue.add(item) }) {
        case .queued: break
        case .start: Task(executorPreference: thread) { await self.run() }
        case .full: item.payload.fail(PostgresError(.poolExhausted, "too many wait for the ledger"))
        }
    }

    private func run() async {
        while true {
            let batch = state.withLock { $0.queue.next() }
            if batch.isEmpty { return }
            await perform(Batch(batch))
            distributeLast()
            if batch.count > 1 { await othersTurn() }
        }
    }

    /// Lets those who were told their answers go first: what they want next then goes with the next batch.
    private func othersTurn() async { await Task.detached {}.value }

    /// Sends a batch until it is answered. The answer is left to `distributeLast`: the next batch goes first, so that
    /// the database works while the callers of this one are told.
    private func perform(_ batch: Batch) async {
        let began = ContinuousClock.now
        var isExact = batch.arguments.isOverflowing || hasRefusedLately(batch.arguments)
        // That a batch is not the usual one takes no try from it.
        for round in (isExact ? 1 : 0)...Self.tries {
            let now = configuration.now?()
            let answer: Answer
            switch await loadTypes() {
            case .success(let types):
                answer = await self.answer(
                    to: isExact
                        ? batch.arguments.exactStatement(types, gateway: gateway, now: now)
                        : batch.arguments.usualStatement(types, gateway: gateway, now: now))
            case .failure(let error): answer = .failure(error)
            }
            switch answer {
            case .success(let result):
                state.withLock { $0.tally.add(batch.arguments, .now - began) }
                distributeLast()
                last = (result, batch, !isExact)
                return
            case .failure(let error):
                if error.sqlState == Self.datatypeMismatch { types = nil }
                if round < Self.tries, Self.isRolledBack(error) {
                    isExact = true
                } else if batch.items.count > 1, Self.isAboutContent(error) {
                    // One of them makes all of them fail: each goes alone.
                    return state.withLock { state in
                        state.queue.putBack(
                            batch.items.map { item in
                                var item = item
                                item.isAlone = true
                                return item
                            })
                    }
                } else {
                    for item in batch.items { item.payload.fail(error) }
                    return
                }
            }
        }
    }

    private func loadTypes() async -> Result<BatchTypes, PostgresError> {
        if let types { return .success(types) }
        switch await answer(to: BatchTypes.statement) {
        case .failure(let error): return .failure(error.with(outcomeUnknown: false))
        case .success(let result):
            do throws(PostgresError) {
                let types = try BatchTypes(result)
                self.types = types
                return .success(types)
            } catch { return .failure(error) }
        }
    }

    // MARK: Deadlines

    /// Waits for the database for at most a reservation's time; what was sent then goes on alone.
    private func answer(to statement: PostgresStatement) async -> Answer {
        await withCheckedContinuation { waiter in
            sent += 1
            let number = sent
            waiting = (number, .now + configuration.reserveTimeout, waiter)
            Task(executorPreference: thread) {
                await self.finish(number, await self.ask(statement))
            }
            if last != nil { Task(executorPreference: thread) { await self.distributeLast() } }
            watch()
        }
    }

    private func ask(_ statement: PostgresStatement) async -> Answer {
        do throws(PostgresError) { return .success(try await pool.query(statement)) } catch { return .failure(error) }
    }

    private func finish(_ number: Int, _ answer: Answer) {
        guard let waiting, waiting.number == number else { return }
        self.waiting = nil
        waiting.waiter.resume(returning: answer)
    }

    /// One sleeping task for all batches, and none on an idle lane: a timer a batch would cost more than the batch.
    private func watch() {
        guard watchdog == nil else { return }
        watchdog = Task {
            while let waiting = self.waiting {
                if waiting.deadline <= .now {
                    self.finish(
                        waiting.number,
                        .failure(PostgresError(.timeout, "no answer to a batch in time", outcomeUnknown: true)))
                } else {
                    try? await Task.sleep(until: waiting.deadline, clock: .continuous)
                }
            }
            self.watchdog = nil
        }
    }

    // MARK: Answers

    private func distributeLast() {
        guard let (result, batch, isUsual) = last.take() else { return }
        let arguments = batch.arguments
        let answers: BatchAnswers
        do throws(PostgresError) {
            answers = try BatchAnswers(result, to: arguments, isUsual: isUsual)
        } catch {
            for item in batch.items { item.payload.fail(error.with(outcomeUnknown: true)) }
            return
        }
        remember(answers.refusals)
        for (index, waiter) in batch.reserving.enumerated() {
            let answer: ReserveAnswer
            do throws(PostgresError) {
                answer = try answers.reservation(index, of: arguments)
            } catch { answer = .failed(error.with(outcomeUnknown: true)) }
            waiter.resume(returning: answer)
        }
        for (index, waiter) in batch.settling.enumerated() {
            let answer: SettleAnswer
            do throws(PostgresError) {
                answer = try answers.settlement(index, of: arguments)
            } catch { answer = .failed(error.with(outcomeUnknown: true)) }
            waiter.resume(returning: answer)
        }
    }

    // MARK: - Refusals

    private func hasRefusedLately(_ arguments: BatchArguments) -> Bool {
        // A ceiling is looked at on the exact path only.
        if arguments.reservations.contains(where: { $0.ceiling != nil }) { return true }
        let now = ContinuousClock.now
        return state.withLock { state in
            if state.refusals.isEmpty { return false }
            state.refusals = state.refusals.filter { now - $0.value < Self.refusalMemory }
            return state.refusals.keys.contains { arguments.wants($0) }
        }
    }

    private func remember(_ periods: Set<Int64>) {
        guard !periods.isEmpty else { return }
        let now = ContinuousClock.now
        state.withLock { state in
            if state.refusals.count > Self.maxRefusals { state.refusals = [:] }
            for period in periods { state.refusals[period] = now }
        }
    }

    // MARK: - Errors

    /// Not the usual batch (something is not as planned, an id was used before, a period is full, other types),
    /// serialization failure, deadlock: all of it is rolled back, and trying again, each item by itself, helps.
    static func isRolledBack(_ error: PostgresError) -> Bool {
        let states = ["GB002", "23505", "23514", Self.datatypeMismatch, "40001", "40P01"]
        return error.sqlState.map { states.contains($0) } ?? false
    }

    /// Something that one item says is refused, rather than that the database is away or short of something.
    private static func isAboutContent(_ error: PostgresError) -> Bool {
        if error.code == .encoding { return true }
        guard error.code == .server, let state = error.sqlState else { return false }
        return ["22", "23", "P0"].contains(state.prefix(2))
    }
}
