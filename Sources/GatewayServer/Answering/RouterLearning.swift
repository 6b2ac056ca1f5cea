internal import FoundationEssentials
package import GatewayCore
package import Logging
internal import Router
internal import Synchronization

/// What this gateway knows of what its routes' routers have learned, and its part in learning on.
///
/// Outcomes are recorded with their requests; whoever gets to it folds them into the route's stored state. Here the
/// last state seen is kept for decisions: a price that is a few requests old costs nothing, as the cap is the ledger's.
package final class RouterLearning: Sendable {
    /// Routes kept at once; beyond that any one is dropped, to be read again when it is next asked for.
    private static let mostRoutes = 10_000
    /// Outcomes gather for this long: one transaction then takes them all.
    private static let gathering = Duration.milliseconds(500)
    /// How long a route that was not to be had is not asked for again.
    private static let patience = Duration.seconds(5)

    /// What is stored: another LLM's or strategy's gains are not this one's.
    struct Stored: Hashable, Sendable, Codable {
        var version = 1
        var llm: String
        var strategy: StrategyKind
        var router: RouterState
    }

    private struct Key: Hashable {
        var tenantID: Int64
        var route: String
    }

    private struct Entry {
        var stored: Stored?
        var isDirty = false
        var asked: ContinuousClock.Instant?
        /// What a state starts from where there is none.
        var fresh: Stored?
    }

    private let memory: (any RouterMemory)?
    private let logger: Logger
    private let entries = Mutex<[Key: Entry]>([:])

    /// - Parameter memory: nil: nothing is learned, and λ is each route's own.
    package init(memory: (any RouterMemory)?, logger: Logger) {
        self.memory = memory
        self.logger = logger
    }

    package var isOn: Bool { memory != nil }

    /// The state to decide by. Reads it the first time; with the database away the route's priors do.
    func state(of route: RouteRecord, fresh: RouterState) async -> RouterState {
        let key = Key(tenantID: route.tenantID, route: route.name)
        let fresh = Stored(llm: "\(route.llm)", strategy: route.settings.strategy, router: fresh)
        let known: Stored? = entries.withLock { entries in
            if entries.count >= Self.mostRoutes, entries[key] == nil, let other = entries.keys.first {
                entries[other] = nil
            }
            entries[key, default: Entry()].fresh = fresh
            if let stored = entries[key]?.stored, Self.fits(stored, fresh) { return stored }
            if let asked = entries[key]?.asked, ContinuousClock.now - asked < Self.patience { return fresh }
            entries[key]?.asked = ContinuousClock.now
            return nil
        }
        if let known { return known.router }
        await fold(key)
        return entries.withLock { $0[key]?.stored }.flatMap { Self.fits($0, fresh) ? $0.router : nil } ?? fresh.router
    }

    /// A request of this route was recorded with an outcome.
    func note(_ route: RouteRecord) {
        entries.withLock { $0[Key(tenantID: route.tenantID, route: route.name)]?.isDirty = true }
    }

    /// Folds what was recorded, until cancelled.
    package func run() async {
        while !Task.isCancelled {
            await foldDirty()
            do { try await Task.sleep(for: Self.gathering) } catch { return }
        }
    }

    /// Folds every route that has outcomes of this gateway's.
    func foldDirty() async {
        let dirty = entries.withLock { entries in
            let keys = entries.filter(\.value.isDirty).map(\.key)
            for key in keys { entries[key]?.isDirty = false }
            return keys
        }
        for key in dirty where await !fold(key) { entries.withLock { $0[key]?.isDirty = true } }
    }

    @discardableResult
    private func fold(_ key: Key) async -> Bool {
        guard let memory, let fresh = entries.withLock({ $0[key]?.fresh }) else { return true }
        do throws(LedgerUnavailable) {
            let text = try await memory.fold(tenantID: key.tenantID, route: key.route) { stored, outcomes in
                try Self.folded(stored, outcomes, fresh: fresh)
            }
            let stored = text.flatMap { try? JSONDecoder().decode(Stored.self, from: Data($0.utf8)) }
            entries.withLock { $0[key]?.stored = stored }
            return true
        } catch {
            logger.debug("a route's router could not learn", metadata: ["reason": "\(error.reason)"])
            return false
        }
    }

    private static func fits(_ stored: Stored, _ fresh: Stored) -> Bool {
        stored.version == fresh.version && stored.llm == fresh.llm && stored.strategy == fresh.strategy
    }

    /// The state after these outcomes. One that cannot be read, or is of another LLM, starts anew; an outcome that
    /// cannot is left out.
    private static func folded(_ stored: String?, _ outcomes: [String], fresh: Stored) throws -> String? {
        let decoder = JSONDecoder()
        var state = stored.flatMap { try? decoder.decode(Stored.self, from: Data($0.utf8)) } ?? fresh
        if !fits(state, fresh) { state = fresh }
        if outcomes.isEmpty { return stored }
        for text in outcomes {
            guard let outcome = try? decoder.decode(RouterState.Outcome.self, from: Data(text.utf8)) else { continue }
            state.router.update(outcome)
        }
        return String(decoding: try JSONEncoder().encode(state), as: UTF8.self)
    }
}
