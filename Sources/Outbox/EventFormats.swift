internal import Foundation

/// CloudEvents 1.0 in their JSON batch format.
enum CloudEvents {
    static let defaultSource = "gboost"
    /// Types are this and the event's kind.
    static let typePrefix = "gboost."

    static func batch(_ content: DeliveryContent, source: String) -> String {
        let events: [JSONText] =
            switch content {
            case .event(let event):
                [one(event.id, event.kind, event.at, from: (source, event.tenant ?? source), .raw(event.data))]
            case .usage(let batch):
                batch.events.map { one($0.id, .usage, $0.at, from: (source, $0.tenant), .object($0.properties)) }
            }
        return JSONText.array(events).text
    }

    private static func one(
        _ id: String, _ kind: EventKind, _ at: Date, from origin: (source: String, subject: String), _ data: JSONText
    ) -> JSONText {
        .object([
            ("specversion", .string("1.0")), ("id", .string(id)), ("source", .string(origin.source)),
            ("type", .string(typePrefix + kind.rawValue)), ("subject", .string(origin.subject)),
            ("time", .string(EventTime.text(at))), ("datacontenttype", .string("application/json")), ("data", data),
        ])
    }
}

/// Lago's batch of events: the tenant's name is the subscription's external id, the event's id the transaction's.
enum LagoEvents {
    static let defaultCode = "gboost_usage"

    static func batch(_ content: DeliveryContent, code: String) -> String {
        guard case .usage(let usage) = content else {
            return Self.batch([one(content.id, content.tenant, content.at, code, [])])
        }
        return batch(usage.events.map { one($0.id, $0.tenant, $0.at, code, $0.properties) })
    }

    private static func batch(_ events: [JSONText]) -> String { JSONText.object([("events", .array(events))]).text }

    private static func one(
        _ id: String, _ tenant: String?, _ at: Date, _ code: String, _ properties: [(String, JSONText)]
    ) -> JSONText {
        .object([
            ("transaction_id", .string(id)), ("external_subscription_id", .string(tenant ?? "gboost")),
            ("code", .string(code)), ("timestamp", .integer(Int64(at.timeIntervalSince1970.rounded(.down)))),
            ("properties", .object(properties)),
        ])
    }
}

/// The document of Slack's incoming webhooks.
enum SlackText {
    static func body(_ content: DeliveryContent) -> String {
        guard case .event(let event) = content else { return JSONText.object([("text", .string("usage"))]).text }
        return JSONText.object([("text", .string(escaped(EventText.line(event))))]).text
    }

    /// Slack reads three characters as the beginning of something. By scalars, as Slack does: a combining mark beside
    /// one of them makes another `Character` of it.
    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
