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

    private struct State {
        var queue: BatchQueue<BatchItem>
        /// Periods that refused something lately.
        var refusals: [Int64: ContinuousClock.Instant] = [:]
    }
    private typealias Answer = Result<PostgresResult, PostgresError>

    private let state: Mutex<State>
    private var sent = 0
    /// The batch that is at the database.
    private var waiting: (number: Int, deadline: ContinuousClock.Instant, waiter: CheckedContinuation<Answer, Never>)?
    private var watchdog: Task<Void, Never>?
    private let pool: PostgresPool
    private let gateway: UUID
    private let configuration: LedgerConfiguration

    init(pool: PostgresPool, gateway: UUID, configuration: LedgerConfiguration) {
        self.pool = pool
        self.gateway = gateway
        self.configuration = configuration
        state = Mutex(State(queue: BatchQueue(limits: configuration.batchLimits)))
    }

    nonisolated func reserve(_ planned: PlannedReservation) async -> ReserveAnswer {
        await withCheckedContinuation { waiter in
            let request = planned.reservation.id.request
            add(.init(kind: .reservation, exclusion: request, payload: .reserve(planned, waiter)))
        }
    }

    nonisolated func settle(_ settlement: Settlement) async -> SettleAnswer {
        await withCheckedContinuation { waiter in
            let request = settlement.id.request
            add(.init(kind: .settlement, exclusion: request, payload: .settle(settlement, waiter)))
        }
    }

    private nonisolated func add(_ item: BatchQueue<BatchItem>.Item) {
        switch state.withLock({ $0.queue.add(item) }) {
        case .queued: break
        case .start: Task { await self.run() }
        case .full: item.payload.fail(PostgresError(.poolExhausted, "too many wait for the ledger"))
        }
    }

    private func run() async {
        while true {
            let batch = state.withLock { $0.queue.next() }
            if batch.isEmpty { return }
            await perform(batch)
        }
    }

    private func perform(_ batch: [BatchQueue<BatchItem>.Item]) async {
        let items = batch.map(\.payload)
        let arguments = BatchArguments(items)
        var isExact = hasRefusedLately(arguments)
        for round in 1...Self.tries {
            let now = configuration.now?()
            let lone = isExact ? nil : arguments.loneStatement(gateway: gateway, now: now)
            let statement = lone ?? arguments.statement(isExact: isExact, gateway: gateway, now: now)
            switch await answer(to: statement) {
            case .success(let result): return distribute(result, arguments, items)
            case .failure(let error):
                if round < Self.tries, Self.isRolledBack(error) {
                    isExact = true
                } else if batch.count > 1, Self.isAboutContent(error) {
                    // One of them makes all of them fail: each goes alone.
                    return state.withLock { state in
                        state.queue.putBack(
                            batch.map { item in
                                var item = item
                                item.isAlone = true
                                return item
                            })
                    }
                } else {
                    for item in items { item.fail(error) }
                    return
                }
            }
        }
    }

    // MARK: Deadlines

    /// Waits for the database for at most a reservation's time; what was sent then goes on alone.
    private func answer(to statement: PostgresStatement) async -> Answer {
        await withCheckedContinuation { waiter in
            sent += 1
            let number = sent
            waiting = (number, .now + configuration.reserveTimeout, waiter)
            Task { self.finish(number, await self.ask(statement)) }
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

    private func distribute(_ result: PostgresResult, _ arguments: BatchArguments, _ items: [BatchItem]) {
        do throws(PostgresError) {
            let answers = try BatchAnswers(result, to: arguments)
            remember(answers.refusals)
            var (reservation, settlement) = (0, 0)
            for item in items {
                switch item {
                case .reserve(_, let waiter):
                    let answer: ReserveAnswer
                    do throws(PostgresError) {
                        answer = try answers.reservation(reservation, of: arguments)
                    } catch { answer = .failed(error.with(outcomeUnknown: true)) }
                    reservation += 1
                    waiter.resume(returning: answer)
                case .settle(_, let waiter):
                    let answer: SettleAnswer
                    do throws(PostgresError) {
                        answer = try answers.settlement(settlement)
                    } catch { answer = .failed(error.with(outcomeUnknown: true)) }
                    settlement += 1
                    waiter.resume(returning: answer)
                }
            }
        } catch {
            for item in items { item.fail(error.with(outcomeUnknown: true)) }
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
            return state.refusals.keys.contains { arguments.index(of: $0) != nil }
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

    /// A period row was missing, an id was used before, serialization failure, deadlock: all of it is rolled back, and
    /// trying again helps.
    private static func isRolledBack(_ error: PostgresError) -> Bool {
        error.sqlState.map { ["GB002", "23505", "40001", "40P01"].contains($0) } ?? false
    }

    /// Something that one item says is refused, rather than that the database is away or short of something.
    private static func isAboutContent(_ error: PostgresError) -> Bool {
        if error.code == .encoding { return true }
        guard error.code == .server, let state = error.sqlState else { return false }
        return ["22", "23", "P0"].contains(state.prefix(2))
    }
}
