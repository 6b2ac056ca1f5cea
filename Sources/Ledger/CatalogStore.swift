package import Foundation
package import GatewayCore
package import Logging
package import Postgres
internal import Synchronization

/// The catalog as a snapshot that follows the database within a second and outlives its absence.
///
/// A stale snapshot cannot spend money: whoever pays asks the database, which looks the key up again.
package final class CatalogStore: Catalog {
    /// How often the database is asked whether anything changed.
    package static let pollInterval = Duration.milliseconds(500)
    /// What is not known has the database asked at once, but all of it together not more often than this.
    private static let missInterval = Duration.milliseconds(250)
    /// How long an unknown key or name waits for its turn and that answer.
    private static let missTimeout = Duration.seconds(2)
    /// How long a model without a price is not asked for again: a route may go on without its LLM for months.
    private static let unpricedInterval = Duration.seconds(5)
    private static let maxUnpriced = 1000
    private static let refreshTimeout = Duration.seconds(5)

    private struct Held: Sendable {
        var snapshot = CatalogSnapshot()
        var isLoaded = false
        /// Nil: it was never asked.
        var clock: DatabaseClock?
        /// -1: nothing is loaded.
        var version: Int64 { isLoaded ? snapshot.version : -1 }
        /// The look at the database that has not begun yet: unknown keys that come until then wait for it.
        var nextLook: Task<Bool, Never>?
        var lookedAt: ContinuousClock.Instant?
        /// Models that a look found no price for, and until when that is believed.
        var unpriced: [ModelReference: ContinuousClock.Instant] = [:]
    }

    private let pool: PostgresPool
    private let hasher: KeyHasher
    private let logger: Logger
    private let now: (@Sendable () -> Date)?
    private let held = Mutex(Held())

    /// Call `refresh()` once, then keep `run()` running.
    /// - Parameter now: tests only: replaces the database's clock.
    package init(
        pool: PostgresPool, hasher: KeyHasher, logger: Logger, now: (@Sendable () -> Date)? = nil
    ) {
        self.pool = pool
        self.hasher = hasher
        self.logger = logger
        self.now = now
    }

    /// Follows the database until the task is cancelled.
    package func run() async {
        var wasAway = false
        while !Task.isCancelled {
            do {
                try await refresh()
                if wasAway { logger.info("the catalog follows the database again") }
                wasAway = false
            } catch {
                if !wasAway { logger.warning("the catalog stays as it is", metadata: ["reason": "\(error)"]) }
                wasAway = true
            }
            do { try await Task.sleep(for: Self.pollInterval) } catch { return }
        }
    }

    /// Reads the database if anything changed. Throws when it cannot be read; the snapshot stays.
    package func refresh() async throws(LedgerError) {
        let known = held.withLock { $0.version }
        let result = await bounded(Self.refreshTimeout) { [self] () async throws(PostgresError) in
            if try await look() == known { return CatalogSnapshot?.none }
            do {
                return try await pool.transaction(isolation: .repeatableRead) { try await CatalogSnapshot.load($0) }
            } catch let error as PostgresError { throw error } catch {
                throw PostgresError(.decoding, "the catalog cannot be read: \(error)")
            }
        }
        switch result {
        case .failure(let error): throw LedgerError(error)
        case .success(let fresh):
            if let names = fresh?.unreadableRoutes, !names.isEmpty {
                logger.error("routes are left out: their settings cannot be read", metadata: ["routes": "\(names)"])
            }
            guard let fresh else { return }
            let isBack = held.withLock { held in
                // Another refresh may have been quicker with something newer. Where none was, the database is right,
                // also with a lower number: it may have been restored.
                guard held.version == known || fresh.version > held.version else { return false }
                held.snapshot = fresh
                held.isLoaded = true
                return fresh.version < known
            }
            guard isBack else { return }
            logger.warning(
                "the catalog's version went back, as when a database is restored: it is followed",
                metadata: ["from": "\(known)", "to": "\(fresh.version)"])
        }
    }

    /// The version that the database has, if it has one. What its clock shows comes with it.
    private func look() async throws(PostgresError) -> Int64? {
        let asked = DatabaseClock.Moment.now
        let row = try await pool.query(CatalogSnapshot.versionStatement).rows.first
        let answered = DatabaseClock.Moment.now
        guard let row else { return nil }
        let read = DatabaseClock(asked: asked, time: try row.get("at"), answered: answered)
        held.withLock { $0.clock = read.better(than: $0.clock) }
        return try row.get("version")
    }

    /// The moment that something must be in force at: the database tests it by its own clock, and this machine's may be
    /// seconds off. Rather a round trip too early: a price that has just ended is still taken, one to come is refused.
    private var time: Date { now?() ?? held.withLock(\.clock)?.earliest(at: .now) ?? Date() }

    /// Whether it has ever been read: without it no key is known.
    package var isLoaded: Bool { held.withLock { $0.isLoaded } }

    /// Whether a tenant wants the texts of its calls to be kept.
    package var capturesTexts: Bool { snapshot.keys.values.contains { $0.caller.tenant.capturesText } }

    private var snapshot: CatalogSnapshot { held.withLock { $0.snapshot } }

    // MARK: - Catalog

    package func authenticate(_ presentedKey: String) async throws(AuthenticationFailure) -> Caller {
        guard let hash = hasher.hash(presentedKey) else { throw .unknownKey }
        if let key = snapshot.keys[hash] { return try check(key) }
        let isAnswered = await refreshAfterMiss()
        if let key = snapshot.keys[hash] { return try check(key) }
        // Who hears of a good key that it is wrong has it replaced.
        throw isAnswered ? AuthenticationFailure.unknownKey : .unavailable
    }

    /// The tenant's route of that name.
    package func route(_ name: String, tenantID: Int64) async -> RouteRecord? {
        let key = CatalogSnapshot.Name(tenantID: tenantID, name: name)
        if let route = snapshot.routes[key] { return route }
        // A provider's model, but for a few imported names: it must not wait for the database with each request.
        guard !name.utf8.contains(UInt8(ascii: "/")) else { return nil }
        await refreshAfterMiss()
        return snapshot.routes[key]
    }

    /// The tenant's routes by name.
    package func routes(tenantID: Int64) async -> [RouteRecord] {
        snapshot.routes.values.filter { $0.tenantID == tenantID }.sorted { $0.name < $1.name }
    }

    /// The tenant's model of that name.
    package func model(_ name: String, tenantID: Int64) async -> ModelRecord? {
        snapshot.models[CatalogSnapshot.Name(tenantID: tenantID, name: name)]
    }

    package func models() async -> [ModelRecord] { snapshot.models.values.sorted { $0.id < $1.id } }

    package func price(_ model: ModelReference) async -> ModelPrice? {
        if let price = snapshot.price(model, at: time) { return price }
        guard held.withLock({ ($0.unpriced[model] ?? .now) <= .now }) else { return nil }
        await refreshAfterMiss()
        if let price = snapshot.price(model, at: time) { return price }
        held.withLock { held in
            if held.unpriced.count >= Self.maxUnpriced { held.unpriced = [:] }
            held.unpriced[model] = .now + Self.unpricedInterval
        }
        return nil
    }

    package func pricedModels() async -> [ModelReference] {
        let snapshot = snapshot
        let time = time
        return snapshot.prices.keys.filter { snapshot.price($0, at: time) != nil }
            .sorted { $0.description < $1.description }
    }

    package func localLimits(_ caller: Caller) async -> [LocalLimit] {
        (snapshot.localLimits[caller.tenant.id] ?? []).filter { $0.applies(to: caller) }
    }

    private func check(_ key: CatalogSnapshot.Key) throws(AuthenticationFailure) -> Caller {
        if key.isRevoked { throw .revoked }
        if let end = key.expiresAt, end <= time { throw .expired }
        if key.caller.tenant.isSuspended { throw .tenantSuspended }
        if key.isSuspended { throw .suspended }
        return key.caller
    }

    /// What was made a moment ago must work at once, in each of its first requests, however many come together; someone
    /// who tries keys must not drive the database. A look that has begun may have missed a key: it is not waited for.
    /// - Returns: whether the database answered in time, so that what is not in the snapshot now does not exist.
    @discardableResult
    private func refreshAfterMiss() async -> Bool {
        let look = held.withLock { held in
            if let next = held.nextLook { return next }
            let start = max(.now, held.lookedAt.map { $0 + Self.missInterval } ?? .now)
            let look = Task<Bool, Never> {
                try? await Task.sleep(until: start)
                self.held.withLock { held in
                    held.nextLook = nil
                    held.lookedAt = .now
                }
                do { try await self.refresh() } catch { return false }
                return true
            }
            held.nextLook = look
            return look
        }
        let answer = await bounded(Self.missTimeout) { () async throws(PostgresError) -> Bool in await look.value }
        return (try? answer.get()) ?? false
    }
}
