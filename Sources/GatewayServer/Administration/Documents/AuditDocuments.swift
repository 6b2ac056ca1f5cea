package import Foundation
package import Ledger

/// An administrative action as scripts read it.
package struct EventDocument: Encodable, Sendable {
    package var event: Int64
    package var at: Date
    package var actor: String
    package var origin: String?
    package var action: String
    package var subject: String
    /// JSON as text, as it is sealed.
    package var before: String?
    package var after: String?

    package init(_ info: EventInfo) {
        event = info.id
        at = info.at
        actor = info.actor
        origin = info.origin
        action = info.action
        subject = info.subject
        before = info.before
        after = info.after
    }
}

/// A log's checkpoint as scripts read it.
package struct CheckpointDocument: Encodable, Sendable {
    package var log: String
    package var size: Int64
    /// As it was signed.
    package var note: String

    package init(_ checkpoint: SignedCheckpoint) {
        log = "\(checkpoint.log)"
        size = checkpoint.size
        note = checkpoint.note
    }
}
