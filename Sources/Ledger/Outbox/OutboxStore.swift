package import Foundation
package import Outbox
package import Postgres

/// Destinations, what waits for them, and what was given up, in the database.
package struct OutboxStore: Sendable {
    /// Settlements of one batch: what Lago takes at once.
    package static let recordsPerBatch = 100
    /// Tenants whose settlements are queued at once.
    static let tenantsPerRound = 64
    /// Deliveries that are read at once.
    static let deliveriesPerPage = 64
    /// The channel on which gateways hear that something was queued.
    static let channel = "gboost_outbox"

    let pool: PostgresPool
    /// Tests only: replaces the database's clock.
    let now: (@Sendable () -> Date)?

    package init(pool: PostgresPool, now: (@Sendable () -> Date)? = nil) {
        self.pool = pool
        self.now = now
    }

    var time: Date? { now?() }

    func translated<R>(_ body: () async throws -> R) async throws(LedgerError) -> R {
        do { return try await body() } catch let error as LedgerError {
            throw error
        } catch let error as PostgresError {
            throw LedgerError(error)
        } catch {
            throw LedgerError(.database, "\(error)")
        }
    }
}

/// A delivery that waits for its turn.
struct PendingDelivery: Sendable {
    var item: DeliveryStateMachine.Item
    var content: Content

    enum Content: Sendable {
        case event(OutboxEvent)
        /// Settlements by tenant and record numbers. Without an id: queued before ids had marks.
        case usage(id: String?, tenant: Int64, first: Int64, last: Int64)
    }
}

extension OutboxStore {
    /// Destinations that have something due, for this owner alone until the lease ends.
    func claim(owner: UUID, lease: Duration, limit: Int) async throws(LedgerError) -> [Destination] {
        try await translated {
            try await pool.query(
                """
                select id, tenant_id, name, kind, target, secrets, kinds, settings::text as settings
                from gboost_claim_destinations(\(owner), \(Self.milliseconds(lease)) * interval '1 ms',
                  \(Int32(limit)), \(optional: time))
                """
            ).rows.map { try Destination($0) }
        }
    }

    /// The next deliveries of a destination, in their order.
    func pending(_ destination: Destination) async throws(LedgerError) -> [PendingDelivery] {
        try await translated {
            try await pool.query(
                """
                select v.id, v.attempts, v.refusals, v.queued_at, v.outbox_id, v.first_seq, v.last_seq, v.of_tenant,
                  v.event_id, o.at, o.kind, o.payload::text as payload, t.name as tenant
                from deliveries v left join outbox o on o.id = v.outbox_id left join tenants t on t.id = v.of_tenant
                where v.destination_id = \(destination.id) and v.dead_at is null
                order by v.id limit \(Int32(Self.deliveriesPerPage))
                """
            ).rows.map { try PendingDelivery($0) }
        }
    }

    /// Queues settlements for a destination that wants them. Gives back how many batches.
    func queueUsage(_ destination: Destination, owner: UUID, every: Duration) async throws(LedgerError) -> Int {
        guard destination.kinds.contains(.usage) else { return 0 }
        return try await translated {
            let row = try await pool.query(
                """
                select gboost_queue_usage(\(destination.id), \(owner), \(Int32(Self.recordsPerBatch)),
                  \(Int32(Self.tenantsPerRound)), \(Self.milliseconds(every)) * interval '1 ms', \(optional: time)) as n
                """
            ).rows.first
            return Int(try row?.get("n", as: Int32.self) ?? 0)
        }
    }

    /// Settlements by their record numbers. Releases, which charge nothing, are none.
    func usage(tenant: Int64, _ numbers: ClosedRange<Int64>) async throws(LedgerError) -> [UsageEvent] {
        try await translated {
            try await pool.query(
                """
                select e.seq, e.at, e.tenant_id, t.name as tenant, m.name as team, e.key_id, e.route,
                  p.provider || '/' || p.model as model, e.request_id::text as request, e.entry_kind,
                  gboost_record_mark(e.request_id, e.step, e.attempt, e.entry_kind, e.amount) as mark,
                  coalesce(l.input_tokens, 0) as input_tokens, coalesce(l.cached_input_tokens, 0) as cached_tokens,
                  coalesce(l.output_tokens, 0) as output_tokens, e.amount
                from escalations e join ledger_entries l on l.id = e.entry_id join tenants t on t.id = e.tenant_id
                join prices p on p.id = e.price_id left join teams m on m.id = e.team_id
                where e.tenant_id = \(tenant) and e.seq between \(numbers.lowerBound) and \(numbers.upperBound)
                  and e.entry_kind <> 'release'
                order by e.seq
                """
            ).rows.map { try UsageEvent($0) }
        }
    }

    /// False: the lease was lost, and another gateway works on the destination.
    func delivered(
        _ delivery: Int64, _ destination: Destination, owner: UUID, lease: Duration
    ) async throws(LedgerError) -> Bool {
        try await translated {
            let row = try await pool.query(
                """
                select gboost_delivered(\(delivery), \(destination.id), \(owner),
                  \(Self.milliseconds(lease)) * interval '1 ms', \(optional: time)) as mine
                """
            ).rows.first
            return try row?.get("mine") ?? false
        }
    }

    /// What became of a try that did not arrive.
    struct Failure: Sendable {
        var delivery: Int64
        var error: String
        var isRefusal: Bool
        /// Until the next try; nil: it is given up.
        var wait: Duration?
        var pauses: Bool
    }

    /// False: the lease was lost; what is known of the delivery stays as the new owner has it.
    func failed(_ failure: Failure, _ destination: Destination, owner: UUID) async throws(LedgerError) -> Bool {
        try await translated {
            let wait = failure.wait.map(Self.milliseconds)
            let row = try await pool.query(
                """
                select gboost_not_delivered(\(failure.delivery), \(destination.id), \(owner), \(failure.error),
                  \(failure.isRefusal), \(optional: wait) * interval '1 ms', \(failure.pauses),
                  \(optional: time)) as mine
                """
            ).rows.first
            return try row?.get("mine") ?? false
        }
    }

    /// Lets others work on a destination.
    func release(_ destination: Destination, owner: UUID) async throws(LedgerError) {
        try await translated {
            _ = try await pool.query(
                "select gboost_release_destination(\(destination.id), \(owner), \(optional: time))")
        }
    }

    /// When something is due next, as far as the database knows.
    func nextDue(every: Duration) async throws(LedgerError) -> Date? {
        try await translated {
            try await pool.query(
                """
                select gboost_next_delivery(\(Self.milliseconds(every)) * interval '1 ms', \(optional: time)) as at
                """
            ).rows.first?.getOptional("at")
        }
    }

    /// Writes a notice, and queues it for who wants it.
    package func tell(_ notice: Notice) async throws(LedgerError) {
        let (kind, data) = (notice.kind.rawValue, PostgresJSON(notice.data))
        try await translated {
            switch notice.repetition {
            case .once(let name):
                _ = try await pool.query(
                    """
                    select gboost_tell(\(optional: notice.tenantID), \(kind), \(data), \(name), \(optional: time))
                    """)
            case .onceALimit(let name, let period, let cap):
                // The limit is above the cap only where it was raised since: what was noticed was of the one before.
                _ = try await pool.query(
                    """
                    select gboost_tell(\(optional: notice.tenantID), \(kind), \(data),
                      \(name)::text || ':' || least(\(cap)::bigint,
                        (select p.target from budget_periods p where p.id = \(optional: period)::bigint)),
                      \(optional: time))
                    """)
            case .begins(let name):
                _ = try await pool.query("select gboost_raise(\(name), \(kind), \(data), \(optional: time))")
            case .ends(let name):
                _ = try await pool.query("select gboost_clear(\(name), \(kind), \(data), \(optional: time))")
            }
        }
    }

    /// Tells of an audit that is sealed too late, and of its end.
    func watchAudit(limit: Duration) async throws(LedgerError) {
        try await translated {
            _ = try await pool.query(
                "select gboost_watch_audit(\(Self.milliseconds(limit)) * interval '1 ms', \(optional: time))")
        }
    }

    /// Drops what is older than `age`. True: there may be more.
    func sweep(olderThan age: Duration, limit: Int = 20_000) async throws(LedgerError) -> Bool {
        try await translated {
            let row = try await pool.query(
                """
                select gboost_sweep_outbox(\(Self.milliseconds(age)) * interval '1 ms', \(Int32(limit)),
                  coalesce(\(optional: time), now())) as n
                """
            ).rows.first
            return try row?.get("n", as: Int64.self) ?? 0 >= Int64(limit)
        }
    }

    static func milliseconds(_ duration: Duration) -> Int64 { Int64(duration / .milliseconds(1)) }
}
