internal import Foundation
internal import GatewayCore
internal import Postgres
internal import Synchronization

/// Plans of callers and prices, read once and kept until the database says that they are out of date.
final class PlanCache: Sendable {
    /// The most callers kept; beyond that all are read anew.
    private static let maxCallers = 20_000
    /// The most prices kept.
    private static let maxPrices = 10_000

    struct CallerKey: Hashable, Sendable {
        var tenantID: Int64
        var keyID: Int64
        init(_ caller: Caller) {
            tenantID = caller.tenant.id
            keyID = caller.keyID
        }
    }
    /// Nil: the database has no such tenant.
    typealias CallerResult = Result<CallerPlan?, PostgresError>
    /// Nil: the database has no such price.
    typealias PriceResult = Result<PriceWindow?, PostgresError>

    private struct State {
        var callers: [CallerKey: CallerPlan] = [:]
        var prices: [Int64: PriceWindow] = [:]
        /// Reads under way, so that many reservations at once cause one.
        var readingCallers: [CallerKey: Task<CallerResult, Never>] = [:]
        var readingPrices: [Int64: Task<PriceResult, Never>] = [:]
    }
    private let state = Mutex(State())
    private let pool: PostgresPool
    private let timeout: Duration
    private let now: (@Sendable () -> Date)?

    init(pool: PostgresPool, timeout: Duration, now: (@Sendable () -> Date)?) {
        self.pool = pool
        self.timeout = timeout
        self.now = now
    }

    func plan(of caller: Caller) async -> CallerResult {
        let key = CallerKey(caller)
        if let known = state.withLock({ $0.callers[key] }) { return .success(known) }
        let reading = state.withLock { state in
            if let running = state.readingCallers[key] { return running }
            let task = Task { await self.read(caller, key) }
            state.readingCallers[key] = task
            return task
        }
        return await reading.value
    }

    private func read(_ caller: Caller, _ key: CallerKey) async -> CallerResult {
        let statement = CallerPlan.statement(caller, now: now?())
        let result = await bounded(timeout) { [pool] () async throws(PostgresError) in
            try CallerPlan(try await pool.query(statement).rows)
        }
        state.withLock { state in
            state.readingCallers[key] = nil
            // One that turns the caller away is not kept: a suspension may end.
            guard case .success(let plan?) = result, plan.isUsable else { return }
            if state.callers.count >= Self.maxCallers { state.callers = [:] }
            state.callers[key] = plan
        }
        return result
    }

    func window(of price: Int64) async -> PriceResult {
        if let known = state.withLock({ $0.prices[price] }) { return .success(known) }
        let reading = state.withLock { state in
            if let running = state.readingPrices[price] { return running }
            let task = Task { await self.read(price) }
            state.readingPrices[price] = task
            return task
        }
        return await reading.value
    }

    private func read(_ price: Int64) async -> PriceResult {
        let statement = PriceWindow.statement(price, now: now?())
        let result = await bounded(timeout) { [pool] () async throws(PostgresError) in
            try PriceWindow(try await pool.query(statement).rows)
        }
        state.withLock { state in
            state.readingPrices[price] = nil
            // One that is not in force may be when it is asked for again.
            guard case .success(let window?) = result, window.isInForce else { return }
            if state.prices.count >= Self.maxPrices { state.prices = [:] }
            state.prices[price] = window
        }
        return result
    }

    /// Forgets what a reservation was planned with, unless it was read anew meanwhile.
    func forget(_ caller: Caller, _ plan: CallerPlan, price: Int64, _ window: PriceWindow) {
        state.withLock { state in
            let key = CallerKey(caller)
            if let held = state.callers[key], held.version == plan.version, held.until == plan.until {
                state.callers[key] = nil
            }
            if state.prices[price]?.version == window.version { state.prices[price] = nil }
        }
    }

    func forget(_ caller: Caller) { state.withLock { $0.callers[CallerKey(caller)] = nil } }
}
