package import Foundation
package import Outbox
internal import Postgres

/// What a destination is to be.
package struct DestinationDraft: Sendable {
    /// Nil: the operator's, who hears of every tenant.
    package var tenant: String?
    package var name: String
    package var kind: DestinationKind
    /// A URL, or a reference to where it stands.
    package var target: String
    /// References.
    package var secrets: [String]
    /// Nil: everything that a person wants to hear of; usage alone where the kind is meant for it.
    package var kinds: [EventKind]?
    package var settings: DestinationSettings

    package init(
        tenant: String?, name: String, kind: DestinationKind, target: String, secrets: [String] = [],
        kinds: [EventKind]? = nil, settings: DestinationSettings = DestinationSettings()
    ) {
        self.tenant = tenant
        self.name = name
        self.kind = kind
        self.target = target
        self.secrets = secrets
        self.kinds = kinds
        self.settings = settings
    }

    /// The kinds that are chosen, or usual.
    package var events: [EventKind] {
        if let kinds { return kinds }
        if kind == .cloudevents || kind == .lago { return [.usage] }
        return EventKind.notices.filter { tenant == nil || !EventKind.operatorOnly.contains($0) }
    }
}

/// A destination, and how it fares.
package struct DestinationInfo: Sendable, Hashable {
    package var destination: Destination
    package var tenant: String?
    package var createdAt: Date
    package var pausedAt: Date?
    package var pausedWhy: String?
    /// While it lies ahead, a gateway works on the destination; then any may take it.
    package var leaseUntil: Date?
    /// Since it was made.
    package var delivered: Int64
    /// Tries that failed.
    package var failed: Int64
    package var deliveredAt: Date?
    package var pending: Int64
    package var dead: Int64
    /// How long the oldest that waits has waited; 0: none does.
    package var oldestSeconds: Double
    /// Records of settlements that are not queued yet.
    package var usageBehind: Int64
}

extension AdminStore {
    /// Destinations of a tenant; of the operator where `tenant` is nil, and of everybody where `everybody` is true.
    package func destinations(
        tenant: String? = nil, everybody: Bool = false
    ) async throws(LedgerError) -> [DestinationInfo] {
        try await reading { transaction in
            let id = if let tenant { try await self.tenant(tenant, transaction).id } else { Int64?.none }
            return try await Self.destinations(transaction).filter {
                everybody || $0.destination.tenantID == id
            }
        }
    }

    /// Makes a destination. It hears of what happens from now on.
    package func addDestination(_ draft: DestinationDraft) async throws(LedgerError) -> DestinationInfo {
        try await changing { transaction in
            let wanted = try await checked(draft, transaction)
            let row = try await transaction.query(
                """
                insert into destinations (tenant_id, name, kind, target, secrets, kinds, settings)
                values (\(optional: wanted.tenantID), \(wanted.name), \(wanted.kind.rawValue), \(wanted.target),
                  \(wanted.secrets), \(wanted.kinds.map(\.rawValue)), \(try Self.json(wanted.settings)))
                on conflict do nothing returning id
                """
            ).rows.first
            guard let id = try row?.get("id", as: Int64.self) else {
                throw LedgerError(.conflict, field: "name", "there is a destination \(draft.name) already")
            }
            try await Self.passUsage(id, wanted.tenantID, transaction)
            return try await noted("destination.add", id, before: nil, transaction)
        }
    }

    /// Changes a destination that is there, whole. What waits for it goes to where it points now, except for what that
    /// cannot take. Where it did not want usage before, it hears of that from now on.
    package func changeDestination(_ draft: DestinationDraft) async throws(LedgerError) -> DestinationInfo {
        try await changing { try await change(draft, $0) }
    }

    /// Changes a destination that is there into what `wanted` makes of it, in one transaction: of two changes at once
    /// neither undoes the other. What waits is treated as with a draft.
    package func changeDestination(
        _ name: String, tenant: String?, into wanted: (DestinationInfo) throws(LedgerError) -> DestinationDraft
    ) async throws(LedgerError) -> DestinationInfo {
        try await changing { transaction in
            if let tenant { _ = try await lockedTenant(tenant, transaction) }
            let id = try await destination(name, tenant: tenant, transaction).destination.id
            _ = try await transaction.query("select id from destinations where id = \(id) for no key update")
            let draft = try wanted(try await destination(name, tenant: tenant, transaction))
            return try await change(draft, transaction)
        }
    }

    private func change(
        _ draft: DestinationDraft, _ transaction: PostgresTransaction
    ) async throws -> DestinationInfo {
        let wanted = try await checked(draft, transaction)
        let before = try await destination(draft.name, tenant: draft.tenant, transaction)
        _ = try await transaction.query(
            """
            update destinations set kind = \(wanted.kind.rawValue), target = \(wanted.target),
              secrets = \(wanted.secrets), kinds = \(wanted.kinds.map(\.rawValue)),
              settings = \(try Self.json(wanted.settings)), retry_at = null
            where id = \(before.destination.id)
            """)
        if wanted.kinds.contains(.usage), !before.destination.kinds.contains(.usage) {
            try await Self.passUsage(before.destination.id, wanted.tenantID, transaction)
        }
        if wanted.kind == .lago {
            // Dead letters, too: queued again they would be metered as usage.
            _ = try await transaction.query(
                "delete from deliveries where destination_id = \(before.destination.id) and first_seq is null")
        }
        return try await noted("destination.change", before.destination.id, before: before, transaction)
    }

    /// Settlements up to now are not a destination's business.
    private static func passUsage(
        _ destination: Int64, _ tenant: Int64?, _ transaction: PostgresTransaction
    ) async throws {
        _ = try await transaction.query(
            """
            insert into usage_cursors (destination_id, of_tenant, seq)
            select \(destination), c.tenant_id, c.seq from escalation_counters c
            where \(optional: tenant) is null or c.tenant_id = \(optional: tenant)
            on conflict (destination_id, of_tenant) do update set seq = excluded.seq
            """)
    }

    /// Takes a destination away, with everything that waits for it.
    /// - Returns: how it was: what it counts as pending and dead is gone undelivered.
    @discardableResult
    package func removeDestination(_ name: String, tenant: String?) async throws(LedgerError) -> DestinationInfo {
        try await changing { transaction in
            let before = try await destination(name, tenant: tenant, transaction)
            _ = try await transaction.query("delete from destinations where id = \(before.destination.id)")
            try await note(
                "destination.remove", (name, before.destination.tenantID), before: Noted(before), transaction)
            return before
        }
    }

    /// Stops sending to a destination, or goes on. What happens meanwhile waits.
    package func setDestinationPaused(
        _ isPaused: Bool, _ name: String, tenant: String?
    ) async throws(LedgerError) -> DestinationInfo {
        try await changing { transaction in
            let before = try await destination(name, tenant: tenant, transaction)
            _ = try await transaction.query(
                """
                update destinations set paused_at = case when \(isPaused) then coalesce(paused_at, now()) end,
                  paused_why = case when \(isPaused) then coalesce(paused_why, 'paused by ' || \(actor)) end,
                  retry_at = null
                where id = \(before.destination.id)
                """)
            let action = isPaused ? "destination.pause" : "destination.resume"
            return try await noted(action, before.destination.id, before: before, transaction)
        }
    }

    /// Notes that a destination is sent an event of the kind test, past its queue.
    /// - Parameter event: its id.
    /// - Returns: the destination, which is as it was.
    package func noteTest(
        _ event: String, ofDestination name: String, tenant: String?
    ) async throws(LedgerError) -> DestinationInfo {
        try await changing { transaction in
            let info = try await destination(name, tenant: tenant, transaction)
            try await note(
                "destination.test", (name, info.destination.tenantID), after: ["event": event], transaction)
            return info
        }
    }

    /// The destination of that name.
    package func destination(named name: String, tenant: String?) async throws(LedgerError) -> DestinationInfo {
        try await reading { try await destination(name, tenant: tenant, $0) }
    }

    // MARK: - For the other files

    func destination(
        _ name: String, tenant: String?, _ transaction: PostgresTransaction
    ) async throws -> DestinationInfo {
        let id = if let tenant { try await self.tenant(tenant, transaction).id } else { Int64?.none }
        let all = try await Self.destinations(transaction)
        guard let found = all.first(where: { $0.destination.name == name && $0.destination.tenantID == id }) else {
            throw LedgerError(
                .notFound, field: "destination", "\(tenant ?? "the operator") has no destination \(name)")
        }
        return found
    }

    static func destinations(_ transaction: PostgresTransaction) async throws -> [DestinationInfo] {
        try await transaction.query(
            """
            select d.id, d.tenant_id, d.name, d.kind, d.target, d.secrets, d.kinds, d.settings::text as settings,
              d.created_at, d.paused_at, d.paused_why, d.lease_until, d.delivered, d.failed, d.delivered_at,
              t.name as tenant,
              (select count(*) from deliveries v where v.destination_id = d.id and v.dead_at is null) as pending,
              (select count(*) from deliveries v where v.destination_id = d.id and v.dead_at is not null) as dead,
              coalesce((select extract(epoch from now() - v.queued_at) from deliveries v
                where v.destination_id = d.id and v.dead_at is null order by v.id limit 1), 0)::float8 as oldest,
              case when 'usage' = any (d.kinds) then coalesce((
                select sum(c.seq - coalesce(u.seq, 0)) from escalation_counters c
                left join usage_cursors u on u.destination_id = d.id and u.of_tenant = c.tenant_id
                where d.tenant_id is null or c.tenant_id = d.tenant_id), 0) else 0 end::bigint as behind
            from destinations d left join tenants t on t.id = d.tenant_id order by t.name nulls first, d.name
            """
        ).rows.map { try DestinationInfo($0) }
    }

    /// A draft as a destination, after everything about it was checked.
    private func checked(_ draft: DestinationDraft, _ transaction: PostgresTransaction) async throws -> Destination {
        try AdminText.check(draft.name, field: "name")
        try AdminText.check(draft.target, field: "target", atMost: 2000)
        for secret in draft.secrets { try AdminText.check(secret, field: "secret", atMost: 2000) }
        let tenant = if let name = draft.tenant { try await lockedTenant(name, transaction).id } else { Int64?.none }
        let wanted = Destination(
            id: 0, tenantID: tenant, name: draft.name, kind: draft.kind, target: draft.target, secrets: draft.secrets,
            kinds: draft.events, settings: draft.settings)
        do throws(DestinationProblem) { try wanted.check() } catch {
            throw LedgerError(.invalid, field: error.field, error.message)
        }
        return wanted
    }

    private func noted(
        _ action: String, _ id: Int64, before: DestinationInfo?, _ transaction: PostgresTransaction
    ) async throws -> DestinationInfo {
        guard let after = try await Self.destinations(transaction).first(where: { $0.destination.id == id }) else {
            throw LedgerError(.notFound, field: "destination", "it is gone")
        }
        _ = try await transaction.query("select pg_notify(\(OutboxStore.channel), '')")
        try await note(
            action, (after.destination.name, after.destination.tenantID), before: before.map(Noted.init),
            after: Noted(after), transaction)
        return after
    }

    /// What an administrative event says of a destination: references, never secrets.
    private struct Noted: Encodable {
        var kind: DestinationKind
        var target: String
        var secrets: [String]
        var events: [EventKind]
        var settings: DestinationSettings
        var isPaused: Bool

        init(_ info: DestinationInfo) {
            kind = info.destination.kind
            target = info.destination.target
            secrets = info.destination.secrets
            events = info.destination.kinds
            settings = info.destination.settings
            isPaused = info.pausedAt != nil
        }
    }

    private static func json(_ settings: DestinationSettings) throws -> PostgresJSON {
        PostgresJSON(try LedgerJSON.text(settings))
    }
}

extension DestinationInfo {
    init(_ row: PostgresRow) throws {
        self.init(
            destination: try Destination(row), tenant: try row.getOptional("tenant"),
            createdAt: try row.get("created_at"), pausedAt: try row.getOptional("paused_at"),
            pausedWhy: try row.getOptional("paused_why"), leaseUntil: try row.getOptional("lease_until"),
            delivered: try row.get("delivered"), failed: try row.get("failed"),
            deliveredAt: try row.getOptional("delivered_at"),
            pending: try row.get("pending"), dead: try row.get("dead"), oldestSeconds: try row.get("oldest"),
            usageBehind: try row.get("behind"))
    }
}
