package import Foundation
package import GatewayCore
package import Logging
internal import Postgres
internal import Synchronization

/// The paid hop's bookkeeping in PostgreSQL.
///
/// Every decision about money is made in the database, for many calls in one statement (`LedgerLane`). This class adds
/// what the database cannot do for itself: plans, deadlines, retries under the same hold id, the journal for when it
/// is away, and the recovery of what dead gateways left behind.
package final class PostgresLedger: SpendLedger {
    let pool: PostgresPool
    let journal: SettlementJournal
    let configuration: LedgerConfiguration
    let logger: Logger
    /// Names this process in the database: its holds are its own until it is dead.
    package let incarnation = UUID()
    let plans: PlanCache
    private let requests: RequestWriter
    private let lanes: [LedgerLane]
    let pools: LedgerPools
    /// Open holds of this process: their settlements go to the database with what it took them with.
    let open = Mutex<[HoldID: OpenHold]>([:])
    let inFlight = WorkInFlight()
    let tally = Mutex(LedgerCounters())
    let isRecovered = Mutex(false)
    let reachability = Mutex(Reachability())
    /// Settlements that neither the database nor the disk would take.
    let homeless = Mutex(HomelessRecords())
    /// More than this many are not kept in memory; recovery posts their holds in full.
    static let homelessLimit = 10_000
    /// An outage makes a report of every request: a line for each would hide what is said of money.
    private let lostReports = Mutex(LineLimiter())
    private let waitingReports = Mutex(LineLimiter())
    /// Whoever asks meanwhile is refused for the same reason.
    private let refusedHolds = Mutex(LineLimiter(interval: .seconds(60)))

    private init(
        pools: LedgerPools, journal: SettlementJournal, configuration: LedgerConfiguration, logger: Logger
    ) {
        self.pools = pools
        pool = pools.main
        let (pool, lanePool) = (pools.main, pools.lanes ?? pools.main)
        plans = PlanCache(pool: pool, timeout: configuration.reserveTimeout, now: configuration.now)
        let incarnation = incarnation
        requests = RequestWriter(pool: pool, gateway: incarnation, timeout: configuration.settleTimeout)
        lanes = (0..<max(1, configuration.lanes)).map { _ in
            LedgerLane(pool: lanePool, gateway: incarnation, configuration: configuration)
        }
        self.journal = journal
        self.configuration = configuration
        self.logger = logger
    }

    /// Registers this process, replays the journal, then recovers the holds of its predecessors, in that order: a
    /// settlement that waits in the journal knows better than recovery what a call cost.
    ///
    /// With the database away, or more holds to recover than `recoveryPatience` is enough for, it returns all the
    /// same, and `run()` does the rest: local models must answer in the meantime, and what a hold keeps from being
    /// spent twice it keeps while others are taken.
    package static func start(
        pools: LedgerPools, journal: SettlementJournal, configuration: LedgerConfiguration, logger: Logger
    ) async -> PostgresLedger {
        let ledger = PostgresLedger(pools: pools, journal: journal, configuration: configuration, logger: logger)
        if journal.damagedLines > 0 {
            logger.critical(
                "lines of the journal are damaged and kept aside",
                metadata: ["lines": "\(journal.damagedLines)", "path": "\(journal.damagedPath)"])
        }
        _ = await ledger.catchUp(until: .now + configuration.recoveryPatience)
        return ledger
    }

    package var counters: LedgerCounters { tally.withLock { $0 } }
    /// Batches of all lanes since the start.
    package var batches: BatchTally { lanes.reduce(into: BatchTally()) { $0.add($1.tally) } }
    /// What waits in the journal, and in memory where the journal could not take it: a disk that is full must not look
    /// like one that is not needed.
    package var journalDepth: JournalDepth {
        var depth = journal.depth
        let homeless = homeless.withLock(\.count)
        depth.records += homeless
        depth.settlements += homeless
        return depth
    }

    /// Whether new holds are taken, as far as the journal has room for their settlements.
    package var takesHolds: Bool { journal.shortage == nil }

    /// Throws where the settlement of a new hold might be lost, and says so in the log.
    func requireRoom() throws(LedgerUnavailable) {
        guard let shortage = journal.shortage else { return }
        if let refused = refusedHolds.withLock({ $0.pass(at: .now) }) {
            logger.error(
                "no new hold is taken, and no paid call made: \(shortage)",
                metadata: ["directory": "\(journal.directory)", "refused": "\(refused)"])
        }
        throw LedgerUnavailable(reason: shortage)
    }

    // MARK: - Settling

    package func settle(_ settlement: Settlement) async {
        inFlight.enter()
        defer { inFlight.leave() }
        Failpoint.beforeSettle.hit()
        guard let taken = open.withLock({ $0.removeValue(forKey: settlement.id) }), let hold = taken.hold else {
            return await post(.settlement(settlement))
        }
        // Nothing here looks at the task's cancellation.
        let lane = lane(of: hold.reservation.caller.tenant.id)
        switch await lane.settle(PlannedSettlement(settlement, hold: hold, takenAt: taken.takenAt)) {
        case .settled: note(settlement, "settled", isAlarm: false)
        case .alarm: note(settlement, "settled", isAlarm: true)
        case .notOpen: await post(.settlement(settlement))
        case .failed(let error):
            await Task { await self.keep(.settlement(settlement), because: "\(error)") }.value
        }
    }

    package func record(_ request: RequestRecord) async {
        inFlight.enter()
        defer { inFlight.leave() }
        // Nothing here looks at the task's cancellation.
        if case .failure(let error) = await requests.write(request) {
            await Task { await self.keep(.request(request), because: "\(error)") }.value
        }
    }

    /// Waits until every settlement is in the database or on disk, then says goodbye, so that other gateways need
    /// not wait for this one's silence. For SIGTERM, after the last request has ended.
    package func drain(within limit: Duration = .seconds(10)) async {
        let deadline = ContinuousClock.now + limit
        _ = await bounded(limit) { () async throws(PostgresError) in await self.inFlight.finished() }
        while journal.depth.records > 0 || hasHomeless, ContinuousClock.now < deadline {
            guard await replay() else { break }
        }
        let left = DrainRemainder(journal: journal.depth, inMemory: homeless.withLock { $0.records.count })
        guard left.isEmpty else {
            for line in left.lines { logger.log(level: line.level, "\(line.text)", metadata: line.metadata) }
            return await closeUp()
        }
        let statement: PostgresStatement = "select gboost_stop_gateway(\(incarnation))"
        _ = await bounded(configuration.settleTimeout) { [pool] () async throws(PostgresError) in
            _ = try await pool.query(statement)
        }
        await closeUp()
    }

    private func closeUp() async {
        await journal.close()
        for own in pools.own { await own.close() }
    }

    private var hasHomeless: Bool { homeless.withLock { !$0.records.isEmpty } }

    /// Hands a record to the database, or to the journal. In a task of its own: the caller's may be cancelled, as
    /// its client has left.
    /// - Parameter isKnown: whether it was told of before that only memory has it.
    func post(_ record: JournalRecord, isKnown: Bool = false) async {
        inFlight.enter()
        await Task {
            await self.store(record, isKnown: isKnown)
            self.inFlight.leave()
        }.value
    }

    /// The lane of a tenant's reservations and settlements.
    func lane(of tenantID: Int64) -> LedgerLane { lanes[Int(tenantID.magnitude % UInt64(lanes.count))] }

    private func store(_ record: JournalRecord, isKnown: Bool) async {
        let result = await bounded(configuration.settleTimeout) { () async throws(PostgresError) in
            try await self.apply(record)
        }
        if case .failure(let failure) = result {
            await keep(record, because: "\(failure)", isKnown: isKnown)
        }
    }

    /// Writes a record to the journal.
    func keep(_ record: JournalRecord, because reason: String, isKnown: Bool = false) async {
        do {
            try await journal.append(record)
            tally.withLock { $0.journaled += 1 }
            sayWaiting(record, reason)
        } catch {
            let reasons: Logger.Metadata = ["database": "\(reason)", "journal": "\(error)"]
            if let hold = record.hold {
                keepInMemory(record, of: hold, reasons, isKnown: isKnown)
            } else if let lost = lostReports.withLock({ $0.pass(at: .now) }) {
                logger.warning(
                    "neither the database nor the journal takes a record: reports of requests are lost, and no money",
                    metadata: reasons.merging(["reports": "\(lost)"]) { $1 })
            }
        }
    }

    private func sayWaiting(_ record: JournalRecord, _ reason: String) {
        if let hold = record.hold {
            logger.info(
                "a settlement waits in the journal", metadata: ["hold": "\(hold)", "reason": "\(reason)"])
        } else if let waiting = waitingReports.withLock({ $0.pass(at: .now) }) {
            logger.info(
                "reports of requests wait in the journal",
                metadata: ["reports": "\(waiting)", "reason": "\(reason)"])
        }
    }

    /// The last place for money. What it costs to lose it: recovery ends the hold in full, whatever the call cost.
    private func keepInMemory(
        _ record: JournalRecord, of hold: HoldID, _ reasons: Logger.Metadata, isKnown: Bool
    ) {
        let isKept = homeless.withLock { $0.add(record, limit: Self.homelessLimit) }
        // Each attempt to hand it over ends here again: once is enough, unless it is worse now.
        if isKept, isKnown { return }
        let fate =
            isKept
            ? "it is in memory alone; if this process ends, the charge is lost, and recovery posts the hold in full"
            : "memory is full too, and the charge is lost; recovery posts the hold in full after this process's end"
        logger.critical(
            "neither the database nor the journal takes a record of money: \(fate)",
            metadata: reasons.merging(["hold": "\(hold)"]) { $1 })
    }

    /// Does what a record says, in the database. Idempotent.
    func apply(_ record: JournalRecord) async throws(PostgresError) {
        switch record {
        case .settlement(let settlement):
            let result = try await pool.query(LedgerStatements.settle(settlement, gateway: incarnation))
            try note(settlement, result)
        case .abandonment(let abandonment):
            _ = try await pool.query(LedgerStatements.abandon(abandonment, gateway: incarnation))
        case .request(let request):
            _ = try await pool.query(LedgerStatements.insert([request], gateway: incarnation))
        }
    }

    private func note(_ settlement: Settlement, _ result: PostgresResult) throws(PostgresError) {
        guard let row = result.rows.first else { throw PostgresError(.decoding, "gboost_settle returned no row") }
        note(
            settlement, try row.get("verdict"), isAlarm: try row.get("alarm"), posted: try row.getOptional("posted"))
    }

    /// - Parameter posted: nil: the whole charge.
    private func note(_ settlement: Settlement, _ verdict: String, isAlarm: Bool, posted: Int64? = nil) {
        Failpoint.afterSettleCommit.hit()
        tally.withLock { tally in
            if verdict == "settled" || verdict == "adjusted" { tally.settled += 1 }
            if isAlarm { tally.alarms += 1 }
        }
        if isAlarm {
            let posted = posted.map { NanoUSD($0) } ?? settlement.amount
            logger.critical(
                posted < settlement.amount
                    ? "the provider charged more than a budget can count; posted is what it still can"
                    : "the provider charged more than was held; posted in full",
                metadata: [
                    "hold": "\(settlement.id)", "charge": "\(settlement.amount)", "posted": "\(posted)",
                ])
        }
        if verdict == "unknown" || verdict == "voided" {
            logger.critical(
                "a settlement has no open hold", metadata: ["hold": "\(settlement.id)", "verdict": "\(verdict)"])
        }
    }
}
