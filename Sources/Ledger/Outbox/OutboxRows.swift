internal import Foundation
internal import Outbox
internal import Postgres

extension Destination {
    init(_ row: PostgresRow) throws {
        let kind = try row.get("kind", as: String.self)
        guard let kind = DestinationKind(rawValue: kind) else {
            throw LedgerError(.database, "a destination is of the kind \(kind), which is newer than this program")
        }
        self.init(
            id: try row.get("id"), tenantID: try row.getOptional("tenant_id"), name: try row.get("name"), kind: kind,
            target: try row.get("target"), secrets: try row.get("secrets"),
            kinds: try row.get("kinds", as: [String].self).compactMap { EventKind(rawValue: $0) },
            settings: try LedgerJSON.decode(
                DestinationSettings.self, from: Array(try row.get("settings", as: String.self).utf8)))
    }
}

extension PendingDelivery {
    init(_ row: PostgresRow) throws {
        item = DeliveryStateMachine.Item(
            id: try row.get("id"), attempts: Int(try row.get("attempts", as: Int32.self)),
            refusals: Int(try row.get("refusals", as: Int32.self)), queuedAt: try row.get("queued_at"))
        let id = try row.getOptional("event_id", as: String.self)
        if let first = try row.getOptional("first_seq", as: Int64.self) {
            content = .usage(id: id, tenant: try row.get("of_tenant"), first: first, last: try row.get("last_seq"))
            return
        }
        let number = try row.get("outbox_id", as: Int64.self)
        guard let at = try row.getOptional("at", as: Date.self),
            let kind = try row.getOptional("kind", as: String.self).flatMap({ EventKind(rawValue: $0) })
        else { throw LedgerError(.database, "the outbox has no event \(number)") }
        content = .event(
            OutboxEvent(
                id: id ?? "event-\(number)", kind: kind, at: at, tenant: try row.getOptional("tenant"),
                data: try row.getOptional("payload") ?? "{}"))
    }
}

extension UsageEvent {
    init(_ row: PostgresRow) throws {
        self.init(
            number: try row.get("seq"), at: try row.get("at"), tenantID: try row.get("tenant_id"),
            tenant: try row.get("tenant"), keyID: try row.get("key_id"), model: try row.get("model"),
            nanoUSD: try row.get("amount"))
        mark = try row.get("mark", as: String.self)
        team = try row.getOptional("team")
        route = try row.getOptional("route")
        request = try row.get("request")
        entryKind = try row.get("entry_kind")
        inputTokens = try row.get("input_tokens")
        cachedInputTokens = try row.get("cached_tokens")
        outputTokens = try row.get("output_tokens")
    }
}
