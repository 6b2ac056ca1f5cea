internal import Foundation
package import Ledger
internal import Outbox

/// A destination as scripts read it: what it is, and how it fares. Secrets are references.
package struct DestinationDocument: Encodable {
    var name: String
    var tenant: String?
    var kind: String
    var target: String
    var secrets: [String]
    var events: [String]
    var settings: DestinationSettings
    var pausedAt: Date?
    var pausedWhy: String?
    var leaseUntil: Date?
    var pending: Int64
    var dead: Int64
    var delivered: Int64
    var failed: Int64
    var deliveredAt: Date?
    var oldestSeconds: Double
    var usageBehind: Int64

    /// What is shown of a destination.
    package init(_ info: DestinationInfo) {
        name = info.destination.name
        tenant = info.tenant
        kind = info.destination.kind.rawValue
        target = info.destination.target
        secrets = info.destination.secrets
        events = info.destination.kinds.map(\.rawValue)
        settings = info.destination.settings
        (pausedAt, pausedWhy, leaseUntil) = (info.pausedAt, info.pausedWhy, info.leaseUntil)
        (pending, dead) = (info.pending, info.dead)
        (delivered, failed, deliveredAt) = (info.delivered, info.failed, info.deliveredAt)
        (oldestSeconds, usageBehind) = (info.oldestSeconds, info.usageBehind)
    }
}
