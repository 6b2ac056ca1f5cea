/// What is recorded in one log.
package enum AuditKind: String, Sendable, CaseIterable {
    /// A tenant's paid calls, each with its decision and its entry in the ledger.
    case escalations
    /// A tenant's paid calls that were wanted and not made.
    case refusals
    /// Administrative actions, of all tenants together.
    case events
}

/// One append-only log: a tree of its own, whose records count from 1 without gaps.
package struct AuditLog: Hashable, Sendable, CustomStringConvertible {
    package var kind: AuditKind
    /// 0 in the log of events, which belongs to no tenant.
    package var tenant: Int64

    package init(_ kind: AuditKind, tenant: Int64 = 0) {
        self.kind = kind
        self.tenant = tenant
    }

    /// "escalations/7", as commands and checkpoints name it.
    package var description: String { "\(kind.rawValue)/\(tenant)" }

    /// From its name; nil when it is none.
    package init?(_ name: some StringProtocol) {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let kind = AuditKind(rawValue: String(parts[0])), let tenant = Int64(parts[1]),
            tenant >= 0, String(tenant) == parts[1]
        else { return nil }
        self.init(kind, tenant: tenant)
    }
}

/// Consecutive records of a log, sealed together.
package struct AuditBlock: Hashable, Sendable {
    /// Most records of one.
    package static let maxRecords = 4096

    package var log: AuditLog
    /// Counts a log's blocks from 1.
    package var number: Int64
    /// The first record's number in its log.
    package var first: Int64
    /// The last record's.
    package var last: Int64
    /// The root of the log's tree before this block: the block before it ended there.
    package var previous: AuditHash
    /// The root of the log's tree after this block's last record.
    package var root: AuditHash
    /// The records' leaf hashes, so that a changed record can be named.
    package var leaves: [AuditHash]

    package init(
        log: AuditLog, number: Int64, records: (first: Int64, last: Int64),
        roots: (previous: AuditHash, own: AuditHash),
        leaves: [AuditHash]
    ) {
        self.log = log
        self.number = number
        first = records.first
        last = records.last
        previous = roots.previous
        root = roots.own
        self.leaves = leaves
    }

    /// The block that follows `frontier` with `leaves`, and the tree after it.
    package static func sealing(
        _ leaves: [AuditHash], log: AuditLog, number: Int64, after frontier: MerkleFrontier
    ) -> (block: AuditBlock, frontier: MerkleFrontier) {
        var tree = frontier
        for leaf in leaves { tree.append(leaf) }
        let block = AuditBlock(
            log: log, number: number, records: (frontier.size + 1, tree.size), roots: (frontier.root, tree.root),
            leaves: leaves)
        return (block, tree)
    }
}
