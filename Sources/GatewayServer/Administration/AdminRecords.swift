package import Ledger
internal import Synchronization

/// What looking at records needs besides the database.
package struct AdminRecords: Sendable {
    /// What checkpoints are verified with, as `gboost audit key` prints it; none: they are not looked at.
    package var auditKeys: [String]
    /// Opens texts that tenants have kept; nil: none can be read.
    package var textKeys: TextKeyring?
    /// All that may take long. A verification has two connections, everything else one: of the four one stays free.
    let turns = AdminTurns(2)
    /// Verifications and exports of the audit: each reads all that there is, and holds a connection for as long as that
    /// takes.
    let longWork = ExclusiveWork()
    /// Proofs: each reads and hashes a whole log.
    let proofs = ExclusiveWork()

    package init(auditKeys: [String] = [], textKeys: TextKeyring? = nil) {
        self.auditKeys = auditKeys
        self.textKeys = textKeys
    }
}

/// Work that a gateway does once at a time.
final class ExclusiveWork: Sendable {
    private let isTaken = Mutex(false)

    /// The right to do it, until nobody has it any more: also where an answer is let go that was never written, because
    /// its client has left.
    final class Claim: Sendable {
        private let work: ExclusiveWork

        fileprivate init(_ work: ExclusiveWork) { self.work = work }

        deinit { work.isTaken.withLock { $0 = false } }
    }

    /// Nil: somebody is at it.
    func claim() -> Claim? {
        let isMine = isTaken.withLock { taken in
            defer { taken = true }
            return !taken
        }
        return isMine ? Claim(self) : nil
    }
}
