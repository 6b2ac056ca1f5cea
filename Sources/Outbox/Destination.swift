/// In which form events are sent.
package enum DestinationKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// A signed JSON document by HTTP POST.
    case webhook
    /// Slack's incoming webhooks.
    case slack
    /// A mail by SMTP.
    case email
    /// CloudEvents 1.0 in JSON, in batches: OpenMeter takes them.
    case cloudevents
    /// Lago's batches of events.
    case lago
}

/// How a connection to a mail server is protected.
package enum MailSecurity: String, Hashable, Sendable, Codable, CaseIterable {
    /// STARTTLS, or TLS from the start where the URL is `smtps`; else nothing is sent.
    case required
    /// Nothing: for a relay on this machine.
    case none
}

/// What belongs to one kind of destination. What another kind needs is nil.
package struct DestinationSettings: Hashable, Sendable, Codable {
    /// Sender of mails.
    package var from: String?
    /// Their recipients.
    package var to: [String]?
    /// Name for the mail server; its password is the destination's secret.
    package var username: String?
    package var tls: MailSecurity?
    /// The billable metric's code at Lago.
    package var code: String?
    /// What CloudEvents name as their source.
    package var source: String?
    package init() {}
}

/// Where events go.
package struct Destination: Hashable, Sendable {
    package var id: Int64
    /// Nil: the operator's.
    package var tenantID: Int64?
    package var name: String
    package var kind: DestinationKind
    /// A URL, or a reference to where it stands: some URLs are secrets themselves.
    package var target: String
    /// References to secrets, `env:NAME` or `file:/path`.
    package var secrets: [String]
    package var kinds: [EventKind]
    package var settings: DestinationSettings

    package init(
        id: Int64, tenantID: Int64?, name: String, kind: DestinationKind, target: String, secrets: [String],
        kinds: [EventKind], settings: DestinationSettings
    ) {
        self.id = id
        self.tenantID = tenantID
        self.name = name
        self.kind = kind
        self.target = target
        self.secrets = secrets
        self.kinds = kinds
        self.settings = settings
    }
}

/// What is wrong with a destination, by the field.
package struct DestinationProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var field: String
    package var message: String
    package init(_ field: String, _ message: String) {
        self.field = field
        self.message = message
    }
    /// For whoever declared it; holds no secret.
    package var description: String { "\(field): \(message)" }
}
