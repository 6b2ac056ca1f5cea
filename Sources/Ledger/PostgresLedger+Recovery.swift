internal import Foundation
internal import GatewayCore
internal import Logging
internal import Postgres
internal import Synchronization

extension PostgresLedger {
    private static let replayBatch = 64
    /// Holds that one look at the table finds: it reads all that were taken since the first of them may have been.
    private static let orphansALook = 20_000
    /// Holds that end in one commit, and keep their tenants' other calls waiting meanwhile.
    private static let orphansACommit = 64
    /// How much earlier than its last heartbeat knew an open hold of a dead gateway may have been taken. Its call's
    /// settlement may have been under way, or the database's clock was set back.
    private static let recoveryMargin = "1 hour"
    private static let partitionInterval = Duration.seconds(6 * 3600)
    private static let rollInterval = Duration.seconds(600)
    /// Between two tenants whose budgets are counted again: calls that wait for the rows of one go first.
    private static let countPause = Duration.seconds(1)
    /// Finished holds, and texts that may be large, that are deleted in one commit.
    private static let holdsACommit: Int32 = 20_000
    private static let textsACommit: Int32 = 2_000
    /// Commits of one kind, one after another: twenty million texts.
    private static let expiryCommits = 10_000
    /// Partitions that are dropped one after another, each in a transaction of its own; more wait for the next time.
    private static let dropsAtOnce = 1_000

    /// How often it is looked at whether the journal's file system has room.
    private static let roomInterval = Duration.seconds(1)

    /// Heartbeat, journal, recovery, moved budgets, partitions and finished days, until the task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.repeating(self.configuration.heartbeatInterval) { _ = await self.beat() } }
            group.addTask { await self.repeating(self.configuration.replayInterval) { await self.catchUpIfNeeded() } }
            group.addTask { await self.repeating(Self.roomInterval) { await self.journal.lookForRoom() } }
            group.addTask {
                let start = ContinuousClock.now
                await self.repeating(self.configuration.sweepInterval) {
                    // Right after an outage every gateway looks silent: give them time to be heard again.
                    guard ContinuousClock.now - start > self.configuration.gatewayTTL, self.wasReachable() else {
                        return
                    }
                    _ = await self.recover()
                }
            }
            group.addTask { await self.repeating(self.configuration.sweepInterval) { await self.countMoved() } }
            group.addTask { await self.keepingPartitions() }
            group.addTask { await self.repeating(Self.rollInterval) { await self.rollDays() } }
        }
    }

    /// Registration, journal, predecessors' holds. True when all of it is done.
    /// - Parameter end: when to leave the rest of the holds for later; nil: never.
    func catchUp(until end: ContinuousClock.Instant? = nil) async -> Bool {
        guard await beat(), await replay(), await recover(until: end) != nil else { return false }
        await makePartitions()
        isRecovered.withLock { $0 = true }
        return true
    }

    private func catchUpIfNeeded() async {
        if isRecovered.withLock({ $0 }) {
            // Bytes without records are a file that could not be rewritten: nearly full, it would refuse paid calls.
            if journal.depth.bytes > 0 || homeless.withLock({ !$0.records.isEmpty }) { _ = await replay() }
        } else {
            _ = await catchUp()
        }
    }

    /// Says that this gateway lives; registers it if need be. False when the database did not hear it.
    func beat() async -> Bool {
        let statement: PostgresStatement =
            """
            select gboost_heartbeat(\(incarnation), \(configuration.instance), \(journal.identity),
              \(optional: openSince))
            """
        let result = await bounded(configuration.settleTimeout) { [pool] () async throws(PostgresError) in
            _ = try await pool.query(statement)
        }
        switch result {
        case .success:
            reachability.withLock { $0.heard(at: .now, within: configuration.gatewayTTL) }
            return true
        case .failure(let error):
            reachability.withLock { $0.missed() }
            logger.debug("no heartbeat", metadata: ["reason": "\(error)"])
            return false
        }
    }

    /// When the oldest open hold was taken, by the database's clock. A test's own clock would not be comparable.
    private var openSince: Date? {
        guard configuration.now == nil else { return Date(timeIntervalSince1970: 0) }
        return open.withLock { $0.values.lazy.map(\.takenAt).min() }
    }

    private func wasReachable() -> Bool {
        reachability.withLock { $0.isSteady(for: configuration.gatewayTTL, at: .now) }
    }

    /// Hands the journal to the database. False when the database is away, or refuses a record that the disk does not
    /// let be put aside.
    func replay() async -> Bool {
        for record in homeless.withLock({ $0.take() }) {
            await post(record, isKnown: true)
            homeless.withLock { $0.inHand -= 1 }
        }
        while true {
            let batch = await journal.pending(limit: Self.replayBatch)
            if batch.isEmpty {
                if journal.depth.bytes > 0 { await journal.acknowledge([]) }
                return true
            }
            var (done, isStuck): (Set<UInt64>, Bool) = ([], false)
            for entry in batch {
                let result = await bounded(configuration.settleTimeout) { () async throws(PostgresError) in
                    try await self.apply(entry.record)
                }
                switch result {
                case .success: done.insert(entry.number)
                case .failure(let error) where Self.isFinal(error):
                    let isAside = await journal.quarantine(entry)
                    // A disk that is full must not be filled with the same words: once a batch.
                    if isAside || !isStuck {
                        logger.critical(
                            "the database refuses a record of the journal",
                            metadata: ["reason": "\(error)", "put aside": "\(isAside)"])
                    }
                    if isAside { tally.withLock { $0.quarantined += 1 } } else { isStuck = true }
                case .failure:
                    tally.withLock { $0.replayed += done.count }
                    await journal.acknowledge(done)
                    return false
                }
            }
            tally.withLock { $0.replayed += done.count }
            await journal.acknowledge(done)
            // The next batch would begin with the same record, at once and for ever.
            if isStuck { return false }
        }
    }

    /// Ends the holds of gateways that are gone: never dispatched → voided; dispatched → posted in full, marked
    /// unreconciled and named.
    /// - Parameter end: when to leave the rest for later; nil: never.
    /// - Returns: nil when the database is away, or there is a rest.
    package func recover(until end: ContinuousClock.Instant? = nil) async -> RecoverySummary? {
        var summary = RecoverySummary()
        let ttl = Int64(configuration.gatewayTTL / .milliseconds(1))
        let look: PostgresStatement =
            """
            select request_id, step, attempt from gboost_orphans(
              \(incarnation), \(journal.identity), \(ttl) * interval '1 ms', \(Self.recoveryMargin)::interval,
              \(Int32(Self.orphansALook)))
            """
        do {
            while true {
                let orphans = try await pool.query(look).rows.map { try Orphan($0) }
                let before = summary
                for start in stride(from: 0, to: orphans.count, by: Self.orphansACommit) {
                    if let end, ContinuousClock.now >= end {
                        logger.notice("dead gateways' holds are left for later", metadata: ["of": "\(orphans.count)"])
                        return nil
                    }
                    let some = orphans[start..<min(start + Self.orphansACommit, orphans.count)]
                    try await recover(Array(some), ttl: ttl, &summary)
                }
                // None of so many could be ended: the next look would find the same ones.
                if orphans.count < Self.orphansALook || summary == before { break }
            }
            _ = try await pool.query(
                """
                select gboost_mark_recovered(\(incarnation), \(journal.identity), \(ttl) * interval '1 ms',
                  \(Self.recoveryMargin)::interval)
                """)
        } catch {
            warn("recovery is put off", error)
            return nil
        }
        return summary
    }

    /// An open hold of a gateway that may be gone.
    private struct Orphan {
        var request: UUID
        var step: Int16
        var attempt: Int16

        init(_ row: PostgresRow) throws(PostgresError) {
            (request, step, attempt) = (try row.get("request_id"), try row.get("step"), try row.get("attempt"))
        }

        var name: String { "\(request.text)/\(step)/\(attempt)" }
    }

    /// Some in one commit; where the database refuses that for one of them, or is too slow for so many, in halves.
    private func recover(
        _ orphans: [Orphan], ttl: Int64, _ summary: inout RecoverySummary
    ) async throws(PostgresError) {
        do throws(PostgresError) {
            let row = try await pool.query(
                """
                select gboost_recover_many(\(orphans.map(\.request)), \(orphans.map(\.step)),
                  \(orphans.map(\.attempt)), \(incarnation), \(journal.identity), \(ttl) * interval '1 ms') as verdicts
                """
            ).rows.first
            let verdicts: [String] = try row?.get("verdicts") ?? []
            for (orphan, verdict) in zip(orphans, verdicts) { note(verdict, orphan, &summary) }
        } catch {
            guard Self.isFinal(error) || error.code == .timeout && orphans.count > 1 else { throw error }
            guard orphans.count == 1 else {
                try await recover(Array(orphans[..<(orphans.count / 2)]), ttl: ttl, &summary)
                return try await recover(Array(orphans[(orphans.count / 2)...]), ttl: ttl, &summary)
            }
            // The others' money must not wait for it: it stays held until somebody has looked.
            logger.critical(
                "the database refuses to end a dead gateway's hold",
                metadata: ["hold": "\(orphans[0].name)", "reason": "\(error)"])
        }
    }

    private func note(_ verdict: String, _ orphan: Orphan, _ summary: inout RecoverySummary) {
        switch verdict {
        case "voided":
            summary.voided.append(orphan.name)
            tally.withLock { $0.voided += 1 }
        case "unreconciled":
            summary.unreconciled.append(orphan.name)
            tally.withLock { $0.unreconciled += 1 }
            logger.warning(
                "a dead gateway's call is posted in full, unreconciled", metadata: ["hold": "\(orphan.name)"])
        default: break
        }
    }

    /// The first time once this gateway has caught up: no start waits for all that has expired meanwhile.
    private func keepingPartitions() async {
        let start = ContinuousClock.now
        while !isRecovered.withLock({ $0 }), ContinuousClock.now - start < Self.partitionInterval {
            do { try await Task.sleep(for: configuration.replayInterval) } catch { return }
        }
        while !Task.isCancelled {
            await keepPartitions()
            do { try await Task.sleep(for: Self.partitionInterval) } catch { return }
        }
    }

    /// Makes the partitions of the months to come, and drops what retention has run out for. Each by itself: a reader
    /// of a month that is to go must not keep texts from being deleted.
    func keepPartitions() async {
        await makePartitions()
        await dropPartitions()
        await delete("texts", each: Self.textsACommit) { "select gboost_expire_texts(\($0)) as gone" }
        await delete("finished holds", each: Self.holdsACommit) { "select gboost_expire_holds(\($0)) as gone" }
    }

    private var upkeep: PostgresPool { pools.upkeep ?? pool }

    private func makePartitions() async {
        do { _ = try await pool.query("select gboost_ensure_partitions()") } catch {
            warn("partitions are not kept", error)
        }
    }

    /// One a call, until there is none: a drop keeps all writers from the whole relation until its commit.
    private func dropPartitions() async {
        var names: [String] = []
        do {
            for _ in 0..<Self.dropsAtOnce {
                let row = try await upkeep.query("select gboost_expire() as dropped").rows.first
                let dropped = try row?.get("dropped", as: [String].self) ?? []
                if dropped.isEmpty { break }
                names += dropped
            }
        } catch {
            warn("partitions are not dropped", error)
        }
        guard !names.isEmpty else { return }
        logger.notice("retention has run out", metadata: ["dropped": "\(names)"])
        // A drop explains what is missing once its event is sealed: not a second later than need be.
        _ = try? await AuditStore(pool: pool).seal()
    }

    /// Deletes what is over, some in each commit, until nothing is left; where so many take too long, half as many.
    private func delete(_ what: String, each most: Int32, _ statement: (Int32) -> PostgresStatement) async {
        var limit = most
        for _ in 0..<Self.expiryCommits {
            do throws(PostgresError) {
                let row = try await upkeep.query(statement(limit)).rows.first
                guard try row?.get("gone", as: Int32.self) ?? 0 >= limit else { return }
            } catch {
                guard error.code == .timeout, limit > 1 else {
                    return warn("\(what) that are over are not deleted", error)
                }
                limit /= 2
            }
        }
        logger.warning("more is over than is deleted at once", metadata: ["what": "\(what)"])
    }

    /// Adds up the days that are finished, one a transaction, so that reports need not read their entries.
    func rollDays() async {
        do {
            while !Task.isCancelled {
                let row = try await upkeep.query("select gboost_roll() as days").rows.first
                guard try row?.get("days", as: Int32.self) ?? 0 > 0 else { return }
            }
        } catch {
            warn("finished days are not rolled up", error)
        }
    }

    /// Counts budgets again that were cut anew while calls were under way, once all of those have ended: they were
    /// counted as what they might have cost. One tenant's in a transaction.
    func countMoved() async {
        do {
            // There is seldom one, and the one connection for upkeep has other work.
            let moved = try await pool.query("select exists (select from moved_periods) as found").rows.first
            guard try moved?.get("found", as: Bool.self) == true else { return }
            while !Task.isCancelled {
                let row = try await upkeep.query("select gboost_count_moved() as counted").rows.first
                guard try row?.get("counted", as: Bool.self) == true else { return }
                try await Task.sleep(for: Self.countPause)
            }
        } catch {
            warn("budgets that were cut anew are not counted again", error)
        }
    }

    /// Nothing has failed where the gateway stops in the middle of it: another one, or the next start, goes on.
    private func warn(_ message: Logger.Message, _ error: any Error) {
        if !Task.isCancelled { logger.warning(message, metadata: ["reason": "\(error)"]) }
    }

    private func repeating(_ interval: Duration, _ body: () async -> Void) async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: interval) } catch { return }
            await body()
        }
    }

    /// SQLSTATE classes that say something of the server's state and nothing of the record's: connection, transaction,
    /// rollback, schema, resources, operator, system.
    private static let passingClasses: Set<Substring> = ["08", "25", "40", "42", "53", "55", "57", "58", "XX"]

    /// Whether trying again cannot help, because the record itself is refused. It must not hold up the others.
    static func isFinal(_ error: PostgresError) -> Bool {
        if error.code == .encoding || error.code == .decoding { return true }
        guard error.code == .server, let state = error.sqlState else { return false }
        return !passingClasses.contains(state.prefix(2))
    }
}

/// Since when the database has answered every heartbeat. A time in which none was sent, because the gateway or its
/// whole machine was stopped, is an outage like any other: the other gateways may have been stopped with it.
struct Reachability {
    private var span: (first: ContinuousClock.Instant, last: ContinuousClock.Instant)?

    /// - Parameter limit: the longest time between two heartbeats that are told of without a break.
    mutating func heard(at now: ContinuousClock.Instant, within limit: Duration) {
        let isUnbroken = span.map { now - $0.last <= limit } ?? false
        span = (isUnbroken ? span?.first ?? now : now, now)
    }

    mutating func missed() { span = nil }

    /// Whether every heartbeat of so long a time was answered, the latest of them within it.
    func isSteady(for time: Duration, at now: ContinuousClock.Instant) -> Bool {
        guard let span else { return false }
        return now - span.first > time && now - span.last <= time
    }
}
