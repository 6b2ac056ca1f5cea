package import Foundation

/// How a gateway keeps its ledger.
package struct LedgerConfiguration: Sendable {
    /// The gateway's name, for reports. What a dead process left is found by the journal's identity, not by this.
    package var instance: String
    /// How long a reservation may take, retries included; after it the database counts as away.
    package var reserveTimeout = Duration.seconds(2)
    /// How long a settlement is tried before it goes to the journal.
    package var settleTimeout = Duration.seconds(1)
    package var heartbeatInterval = Duration.seconds(5)
    /// A gateway that is silent for longer is taken for dead, and its holds are posted in full.
    package var gatewayTTL = Duration.seconds(60)
    /// How often holds of dead gateways are looked for.
    package var sweepInterval = Duration.seconds(15)
    /// How long a start waits for the end of its predecessors' holds; what is left then is ended while it serves.
    package var recoveryPatience = Duration.seconds(5)
    /// How often the journal is tried again while the database is away.
    package var replayInterval = Duration.milliseconds(250)
    /// How many batches may be at the database at once; tenants are spread over them. One makes larger batches, which
    /// cost less: best on a slow disk, and where the gateway has its work on the same few cores.
    package var lanes = 1
    /// Limits of a batch and of what may wait for one.
    var batchLimits = BatchQueue<BatchItem>.Limits()
    /// Tests only: replaces the database's clock where periods are computed.
    package var now: (@Sendable () -> Date)?
    package init(instance: String) { self.instance = instance }
}

/// What a ledger has done since it started, for metrics.
package struct LedgerCounters: Hashable, Sendable {
    /// Holds granted.
    package var granted = 0
    /// Reservations that no budget covered.
    package var refused = 0
    /// Reservations that found no database.
    package var unavailable = 0
    /// Reservations given up after they may have reached the database.
    package var abandoned = 0
    /// Holds ended by this gateway, replays included.
    package var settled = 0
    /// Settlements above their hold.
    package var alarms = 0
    /// Records written to the journal.
    package var journaled = 0
    /// Records that the database took from the journal.
    package var replayed = 0
    /// Records that the database refused for good.
    package var quarantined = 0
    /// Dead gateways' holds voided: never dispatched.
    package var voided = 0
    /// Dead gateways' holds posted in full.
    package var unreconciled = 0
}

/// What a recovery did.
package struct RecoverySummary: Hashable, Sendable {
    /// Holds that were never dispatched.
    package var voided: [String] = []
    /// Holds posted in full, each named "request/step/attempt".
    package var unreconciled: [String] = []
    package init() {}
}
