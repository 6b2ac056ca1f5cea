internal import Foundation
internal import GatewayCore
internal import Postgres
internal import Synchronization

/// Writes the rows of finished requests, many in a statement.
///
/// Nobody's answer waits for them, so they gather for a moment: a row of its own commit would cost the database as much
/// as a reservation. An idle writer has no timer.
final class RequestWriter: Sendable {
    /// The most rows in a statement.
    private static let maxBatch = 256
    /// The most rows that may wait; a further one goes to the journal.
    private static let maxWaiting = 20_000
    /// How long rows gather.
    private static let gathering = Duration.milliseconds(20)

    private typealias Outcome = Result<Void, PostgresError>
    private struct Item: Sendable {
        let request: RequestRecord
        let waiter: CheckedContinuation<Outcome, Never>
    }
    private struct State {
        var waiting: [Item] = []
        var isRunning = false
    }
    private let state = Mutex(State())
    private let pool: PostgresPool
    private let gateway: UUID
    private let timeout: Duration

    /// - Parameter timeout: how long a statement is waited for.
    init(pool: PostgresPool, gateway: UUID, timeout: Duration) {
        self.pool = pool
        self.gateway = gateway
        self.timeout = timeout
    }

    /// Returns once the row is in the database, or with why it is not.
    func write(_ request: RequestRecord) async -> Result<Void, PostgresError> {
        await withCheckedContinuation { waiter in
            let (isFull, mustStart) = state.withLock { state in
                guard state.waiting.count < Self.maxWaiting else { return (true, false) }
                state.waiting.append(Item(request: request, waiter: waiter))
                defer { state.isRunning = true }
                return (false, !state.isRunning)
            }
            if isFull { waiter.resume(returning: .failure(PostgresError(.poolExhausted, "too many rows wait"))) }
            if mustStart { Task { await run() } }
        }
    }

    private func run() async {
        while true {
            try? await Task.sleep(for: Self.gathering)
            let batch = state.withLock { state in
                let batch = Array(state.waiting.prefix(Self.maxBatch))
                state.waiting.removeFirst(batch.count)
                state.isRunning = !batch.isEmpty
                return batch
            }
            if batch.isEmpty { return }
            await write(batch)
        }
    }

    private func write(_ batch: [Item]) async {
        let outcome = await insert(batch.map(\.request))
        if case .failure(let error) = outcome, batch.count > 1, error.code == .server || error.code == .encoding {
            // One of them makes all of them fail: each goes alone.
            for item in batch { item.waiter.resume(returning: await insert([item.request])) }
        } else {
            for item in batch { item.waiter.resume(returning: outcome) }
        }
    }

    private func insert(_ requests: [RequestRecord]) async -> Outcome {
        await bounded(timeout) { [pool, gateway] () async throws(PostgresError) in
            _ = try await pool.query(LedgerStatements.insert(requests, gateway: gateway))
        }
    }
}
