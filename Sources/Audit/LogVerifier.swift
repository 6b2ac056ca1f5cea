/// Follows one log from its first record, a block and then its records at a time, and remembers the first thing that is
/// not as it was sealed. Its memory does not grow with the log.
package struct LogVerifier: Sendable {
    package let log: AuditLog
    /// What known keys have signed, by size.
    private let checkpoints: [Checkpoint]
    private var nextCheckpoint = 0
    private var tree = MerkleFrontier()
    private var block: AuditBlock?
    /// The block's own, beside it: asked for with every record, and without a copy of the block.
    private var range: (first: Int64, last: Int64) = (1, 0)
    private var leaves: [AuditHash] = []
    private var blocks: Int64 = 0
    private var agreed: (count: Int, size: Int64) = (0, 0)
    /// The last record that retention has dropped: of it and those before it only the hashes are left.
    private let expired: Int64
    /// How many of them are not there. A record's moment is its transaction's start and its number the order of
    /// commits, so that one which stands before the last dropped one may be in a later month, and still be there.
    private var dropped: Int64 = 0
    /// The first thing that is wrong.
    package private(set) var finding: AuditFinding?

    /// - Parameters:
    ///   - checkpoints: of this log, with signatures that hold.
    ///   - expired: the last record that retention has dropped, by an event that says so.
    package init(log: AuditLog, checkpoints: [Checkpoint] = [], expired: Int64 = 0) {
        self.log = log
        self.expired = expired
        self.checkpoints = checkpoints.sorted { ($0.size, $0.origin) < ($1.size, $1.origin) }
        if let first = self.checkpoints.first, first.size == 0 { compareCheckpoints() }
    }

    /// The tree of the records so far.
    package var frontier: MerkleFrontier { tree }

    /// The next block, before its records.
    package mutating func begin(_ next: AuditBlock) {
        guard finding == nil else { return }
        endBlock()
        guard finding == nil else { return }
        blocks += 1
        let number = next.number
        if next.log != log {
            fail(.block, next.first, "block \(number) is of \(next.log)")
        } else if number != blocks {
            fail(.block, tree.size + 1, "block \(blocks) is missing: block \(number) follows")
        } else if next.first != tree.size + 1 || next.last < next.first
            || next.last - next.first + 1 != Int64(next.leaves.count)
        {
            fail(.block, tree.size + 1, "block \(number) does not begin or end where its records do")
        } else if next.previous != tree.root {
            fail(.block, next.first, "block \(number) does not follow the one before it: its previous root is another")
        } else {
            block = next
            range = (next.first, next.last)
            leaves = next.leaves
        }
    }

    /// The next record of the block.
    /// - Parameters:
    ///   - number: nil: it does not say which one it is.
    ///   - leaf: nil: it is none that can have been sealed in this log.
    package mutating func record(_ number: Int64?, leaf: AuditHash?) {
        guard finding == nil else { return }
        if let number, tree.size < expired { drop(before: number) }
        guard finding == nil else { return }
        let expected = tree.size + 1
        guard expected <= range.last else { return fail(.inserted, number ?? expected, "it is in no block") }
        guard let number else { return fail(.changed, expected, "its number cannot be read") }
        if number < expected { return fail(.inserted, number, "there is more than one with this number") }
        if number > expected { return fail(.missing, expected, "it is not there: \(number) follows") }
        guard let leaf, leaf == leaves[Int(number - range.first)] else {
            return fail(.changed, number, "its members are not those that were sealed")
        }
        add(leaf)
    }

    /// Takes the block's hashes for records that retention has dropped.
    private mutating func drop(before number: Int64) {
        while finding == nil, tree.size < min(expired, range.last), tree.size + 1 < number {
            dropped += 1
            add(leaves[Int(tree.size + 1 - range.first)])
        }
    }

    private mutating func add(_ leaf: AuditHash) {
        tree.append(leaf)
        if tree.size == range.last, let block, tree.root != block.root {
            return fail(.block, block.first, "the root of block \(block.number) is not that of its records")
        }
        if nextCheckpoint < checkpoints.count { compareCheckpoints() }
    }

    /// After the last record.
    package mutating func end() -> AuditReport {
        endBlock()
        if finding == nil, nextCheckpoint < checkpoints.count {
            let checkpoint = checkpoints[nextCheckpoint]
            fail(
                .truncated, tree.size + 1,
                "a signed checkpoint knows \(checkpoint.size) records, but there are \(tree.size)")
        }
        var report = AuditReport()
        report.findings = finding.map { [$0] } ?? []
        report.logs = 1
        report.blocks = blocks
        report.expired = dropped
        report.records = tree.size - dropped
        report.checkpoints = agreed.count
        return report
    }

    private mutating func endBlock() {
        guard finding == nil, let block, tree.size < block.last else { return }
        drop(before: .max)
        guard finding == nil, tree.size < block.last else { return }
        fail(.missing, tree.size + 1, "it is not there: block \(block.number) ends with \(block.last)")
    }

    private mutating func compareCheckpoints() {
        while nextCheckpoint < checkpoints.count, checkpoints[nextCheckpoint].size <= tree.size {
            let checkpoint = checkpoints[nextCheckpoint]
            guard checkpoint.root == tree.root else {
                return fail(
                    .rewritten, agreed.size + 1,
                    "a signed checkpoint knows other records: it agrees up to \(agreed.size) and not at "
                        + "\(checkpoint.size)")
            }
            agreed = (agreed.count + 1, checkpoint.size)
            nextCheckpoint += 1
        }
    }

    private mutating func fail(_ kind: AuditFinding.Kind, _ record: Int64, _ message: String) {
        finding = finding ?? AuditFinding(kind, log, record: record, message)
    }
}

/// Checkpoints, sorted out by what known keys say of them.
package struct CheckpointShelf: Sendable {
    /// Those that hold, by log.
    package private(set) var byLog: [AuditLog: [Checkpoint]] = [:]
    /// Those that do not.
    package private(set) var findings: [AuditFinding] = []
    private let keys: [NoteVerifier]

    /// - Parameter keys: none: checkpoints say nothing, and are not looked at.
    package init(keys: [NoteVerifier]) { self.keys = keys }

    /// Adds a checkpoint.
    /// - Parameter expected: the log that it was found with.
    package mutating func add(_ note: String, expected: AuditLog? = nil) {
        guard !keys.isEmpty else { return }
        // By what it says of itself, so that several which nobody can check are told apart.
        var name = "a checkpoint"
        do throws(NoteError) {
            let note = try SignedNote(note)
            if let claim = try? Checkpoint(note.text) {
                name += expected == nil ? claim.log.map { " of \($0)" } ?? "" : ""
                name += " at \(claim.size)"
            }
            _ = try note.verified(by: keys)
            let checkpoint = try Checkpoint(note.text)
            guard let log = checkpoint.log, expected == nil || expected == log else {
                throw NoteError("is one of \(checkpoint.origin)")
            }
            byLog[log, default: []].append(checkpoint)
        } catch {
            findings.append(AuditFinding(.forged, expected, "\(name) \(error)"))
        }
    }

    /// A finding for each log of which a checkpoint knows records, and which is none of `logs`.
    /// - Parameter tenant: only this tenant's logs were looked for; nil: all.
    package func absent(from logs: Set<AuditLog>, tenant: Int64? = nil) -> [AuditFinding] {
        let absent = byLog.keys.filter { log in
            let isWanted = tenant == nil || log.kind != .events && log.tenant == tenant
            return isWanted && !logs.contains(log) && byLog[log]?.contains { $0.size > 0 } == true
        }
        return absent.map {
            AuditFinding(.truncated, $0, record: 1, "a signed checkpoint knows it, but it is not there")
        }
    }
}
