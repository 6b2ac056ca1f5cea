package import Foundation
internal import Outbox
internal import Postgres

/// Something that waits for a destination, or was given up.
package struct DeliveryInfo: Sendable, Codable, Hashable {
    package var id: Int64
    package var destination: String
    /// Whose destination it is; nil: the operator's.
    package var tenant: String?
    /// As receivers are told: "event-7-1800000000250000", or "usage-3-101-200-5f0c2a9be1d47836" for a batch; without
    /// the last part where it was queued before ids had one.
    package var event: String
    package var kind: String
    /// Whom it is about.
    package var about: String?
    package var queuedAt: Date
    package var attempts: Int
    package var triedAt: Date?
    package var error: String?
    /// When it was given up.
    package var deadAt: Date?
}

extension AdminStore {
    /// What waits, or what was given up, in the order of the queues.
    package func deliveries(
        dead: Bool, destination: String? = nil, tenant: String? = nil, limit: Int = 100
    ) async throws(LedgerError) -> [DeliveryInfo] {
        try await reading { transaction in
            var ids = try await Self.destinations(transaction).map(\.destination)
            if let destination {
                ids = [try await self.destination(destination, tenant: tenant, transaction).destination]
            } else if let tenant {
                let owner = try await self.tenant(tenant, transaction).id
                ids = ids.filter { $0.tenantID == owner }
            }
            return try await transaction.query(
                """
                select v.id, d.name as destination, w.name as tenant, coalesce(o.kind, 'usage') as kind,
                  coalesce(v.event_id, 'event-' || v.outbox_id,
                    'usage-' || v.of_tenant || '-' || v.first_seq || '-' || v.last_seq) as event,
                  a.name as about, v.queued_at, v.attempts, v.tried_at, v.last_error, v.dead_at
                from unnest(\(ids.map(\.id))) u(id) join destinations d on d.id = u.id
                join deliveries v on v.destination_id = d.id and (v.dead_at is not null) = \(dead)
                left join tenants w on w.id = d.tenant_id left join tenants a on a.id = v.of_tenant
                left join outbox o on o.id = v.outbox_id
                order by d.id, v.id limit \(Int32(limit))
                """
            ).rows.map { row in
                DeliveryInfo(
                    id: try row.get("id"), destination: try row.get("destination"),
                    tenant: try row.getOptional("tenant"), event: try row.get("event"), kind: try row.get("kind"),
                    about: try row.getOptional("about"), queuedAt: try row.get("queued_at"),
                    attempts: Int(try row.get("attempts", as: Int32.self)), triedAt: try row.getOptional("tried_at"),
                    error: try row.getOptional("last_error"), deadAt: try row.getOptional("dead_at"))
            }
        }
    }

    /// Queues dead letters of a destination again, at their old places: before everything that came later.
    /// - Parameter id: one of them; nil: all.
    /// - Returns: how many.
    package func retryDeliveries(
        _ destination: String, tenant: String?, id: Int64? = nil
    ) async throws(LedgerError) -> Int {
        try await changing { transaction in
            let owner = try await self.destination(destination, tenant: tenant, transaction)
            let rows = try await transaction.query(
                """
                update deliveries set dead_at = null, attempts = 0, refusals = 0, queued_at = now()
                where destination_id = \(owner.destination.id) and dead_at is not null
                  and (\(optional: id) is null or id = \(optional: id))
                returning id
                """
            ).rows
            if let id, rows.isEmpty {
                throw LedgerError(.notFound, field: "id", "\(destination) has no dead letter \(id)")
            }
            _ = try await transaction.query(
                "update destinations set retry_at = null where id = \(owner.destination.id)")
            _ = try await transaction.query("select pg_notify(\(OutboxStore.channel), '')")
            try await note(
                "outbox.retry", (destination, owner.destination.tenantID), after: ["deliveries": rows.count],
                transaction)
            return rows.count
        }
    }
}
