package import Foundation

/// What is sent to a destination that speaks HTTP: a POST.
package struct DeliveryMessage: Sendable {
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
}

/// What is sent to one that speaks SMTP.
package struct DeliveryMail: Hashable, Sendable {
    package var from: String
    package var to: [String]
    /// Header lines, an empty one, and the text; lines end with CR LF.
    package var text: String
}

/// One try to deliver.
package struct DeliveryAttempt: Hashable, Sendable {
    package var content: DeliveryContent
    /// From 1.
    package var number: Int
    package var at: Date
    package init(_ content: DeliveryContent, number: Int, at: Date) {
        self.content = content
        self.number = number
        self.at = at
    }
}

extension Destination {
    /// Names the event: receivers that know it have it already.
    package static let idHeader = "x-gboost-event-id"
    package static let kindHeader = "x-gboost-event-kind"
    /// From 1.
    package static let attemptHeader = "x-gboost-attempt"

    /// The POST of a try. `secrets` are what the references stand for, in their order.
    package func message(_ attempt: DeliveryAttempt, secrets: [String]) -> DeliveryMessage {
        var headers: [(name: String, value: String)] = []
        let body: String
        switch kind {
        case .webhook, .email:
            body = Self.document(attempt.content)
            headers = [
                ("content-type", "application/json"), (Self.idHeader, attempt.content.id),
                (Self.kindHeader, attempt.content.kind.rawValue), (Self.attemptHeader, String(attempt.number)),
                (WebhookSignature.timeHeader, WebhookSignature.time(attempt.at)),
                (
                    WebhookSignature.header,
                    WebhookSignature.value(body: Array(body.utf8), at: attempt.at, secrets: secrets)
                ),
            ]
        case .slack:
            body = SlackText.body(attempt.content)
            headers = [("content-type", "application/json")]
        case .cloudevents:
            body = CloudEvents.batch(attempt.content, source: settings.source ?? CloudEvents.defaultSource)
            headers = [("content-type", "application/cloudevents-batch+json")]
        case .lago:
            body = LagoEvents.batch(attempt.content, code: settings.code ?? LagoEvents.defaultCode)
            headers = [("content-type", "application/json")]
        }
        if kind == .cloudevents || kind == .lago, let token = secrets.first {
            headers.append(("authorization", "Bearer \(token)"))
        }
        return DeliveryMessage(headers: headers, body: Array(body.utf8))
    }

    /// The JSON document of webhooks.
    static func document(_ content: DeliveryContent) -> String {
        let data: JSONText =
            switch content {
            case .event(let event): .raw(event.data)
            case .usage(let batch): .object([("events", .array(batch.events.map(\.json)))])
            }
        return JSONText.object([
            ("id", .string(content.id)), ("kind", .string(content.kind.rawValue)),
            ("at", .string(EventTime.text(content.at))), ("tenant", .optional(content.tenant)), ("data", data),
        ]).text
    }
}

extension DeliveryContent {
    /// The event's, or the batch's.
    package var id: String {
        switch self {
        case .event(let event): event.id
        case .usage(let batch): batch.id
        }
    }

    package var kind: EventKind {
        switch self {
        case .event(let event): event.kind
        case .usage: .usage
        }
    }

    /// Of a batch: that of its last event.
    package var at: Date {
        switch self {
        case .event(let event): event.at
        case .usage(let batch): batch.events.last?.at ?? Date(timeIntervalSince1970: 0)
        }
    }

    package var tenant: String? {
        switch self {
        case .event(let event): event.tenant
        case .usage(let batch): batch.events.first?.tenant
        }
    }
}

extension UsageEvent {
    /// What was used and charged. Numbers that are summed are numbers; what is grouped by is text.
    var properties: [(String, JSONText)] {
        [
            ("tenant", .string(tenant)), ("team", .optional(team)), ("key_id", .string(String(keyID))),
            ("route", .optional(route)), ("model", .string(model)), ("request", .string(request)),
            ("entry", .string(entryKind)), ("number", .integer(number)), ("input_tokens", .integer(inputTokens)),
            ("cached_input_tokens", .integer(cachedInputTokens)), ("output_tokens", .integer(outputTokens)),
            ("total_tokens", .integer(inputTokens &+ outputTokens)), ("cost_nano_usd", .integer(nanoUSD)),
        ]
    }

    var json: JSONText {
        .object([("id", .string(id)), ("at", .string(EventTime.text(at)))] + properties)
    }
}
