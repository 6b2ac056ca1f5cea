package import Ledger
internal import Outbox

/// What is said of a destination that was taken away: its name, and what went with it undelivered.
package struct RemovedDestinationDocument: Encodable {
    var removed: String
    /// Deliveries that waited.
    var pending: Int64
    /// Records of settlements that were not queued yet.
    var usageBehind: Int64
    /// Dead letters.
    var dead: Int64

    /// - Parameter info: how it was before.
    package init(_ info: DestinationInfo) {
        removed = info.destination.name
        (pending, usageBehind, dead) = (info.pending, info.usageBehind, info.dead)
    }

    /// The same for people: what was counted as pending, and the dead letters.
    package var text: String {
        let waiting = pending + usageBehind
        guard waiting > 0 || dead > 0 else { return "removed \(removed); nothing waited for it\n" }
        return "removed \(removed), and what waited for it undelivered: \(waiting) pending, \(dead) dead letters\n"
    }
}
