/// Follows one log from its first record, a block and then its records at a time, and remembers the first thing that is
/// not as it was sealed. Its memory does not grow with the log.
package struct LogVerifier: Sendable {
    package let log: AuditLog
    /// What known keys have signed.
    private var checkpoints: CheckpointComparison
    /// How large the tree is to be for the next of them: asked for with every record.
    private var nextCheckpoint: Int64
    private var tree = MerkleFrontier()
    private var block: AuditBlock?
    /// The block's own, beside it: asked for with every record, and without a copy of the block.
    private var range: (first: Int64, last: Int64) = (1, 0)
    private var leaves: [AuditHash] = []
    private var blocks: Int64 = 0
    /// The last record that retention has dropped: of it and those before it only the hashes are left.
    private let expired: Int64
    /// How many of them are not there. A record's moment is its transaction's start and its number the order of
    /// commits, so that one which stands before the last dropped one may be in a later month, and still be there.
    private var dropped: Int64 = 0
    /// How many records of the tree are in no block yet.
    private var waiting: Int64 = 0
    /// The first thing that is wrong. That a checkpoint does not agree is told at the end: the others may say more.
    package private(set) var finding: AuditFinding?

    /// - Parameters:
    ///   - published: checkpoints of this log, with signatures that hold, in the order in which they were signed.
    ///   - own: those that lie with the log itself.
    ///   - expired: the last record that retention has dropped, by an event that says so.
    package init(
        log: AuditLog, published: [Checkpoint] = [], own: [Checkpoint] = [], expired: Int64 = 0
    ) {
        self.log = log
        self.expired = expired
        var checkpoints = CheckpointComparison(published: published, own: own)
        checkpoints.compare(MerkleFrontier())
        nextCheckpoint = checkpoints.nextSize ?? .max
        self.checkpoints = checkpoints
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

    /// The next record that is there and in no block yet, after all blocks: what is signed is compared with it too.
    /// - Parameter leaf: nil: it cannot be sealed. As in sealing, neither it nor one that does not follow counts.
    package mutating func unsealed(_ number: Int64, leaf: AuditHash?) {
        guard finding == nil else { return }
        endBlock()
        guard finding == nil, number == tree.size + 1, let leaf else { return }
        waiting += 1
        tree.append(leaf)
        compareCheckpoints()
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
        compareCheckpoints()
    }

    private mutating func compareCheckpoints() {
        guard tree.size >= nextCheckpoint else { return }
        checkpoints.compare(tree)
        nextCheckpoint = checkpoints.nextSize ?? .max
    }

    /// After the last record.
    /// - Parameter unnumbered: records that are there, and get their numbers only when they are sealed.
    package mutating func end(unnumbered: Int64 = 0) -> AuditReport {
        endBlock()
        if finding == nil { finding = parted ?? truncated(unnumbered) }
        var report = AuditReport()
        report.findings = finding.map { [$0] } ?? []
        report.logs = 1
        report.blocks = blocks
        report.expired = dropped
        report.records = tree.size - waiting - dropped
        report.checkpoints = checkpoints.agreed
        return report
    }

    private mutating func endBlock() {
        guard finding == nil, let block, tree.size < block.last else { return }
        drop(before: .max)
        guard finding == nil, tree.size < block.last else { return }
        fail(.missing, tree.size + 1, "it is not there: block \(block.number) ends with \(block.last)")
    }

    /// Checkpoints do not agree.
    private var parted: AuditFinding? {
        checkpoints.parting.map { AuditFinding(.rewritten, log, record: $0.after + 1, $0.message) }
    }

    /// There are fewer records than the largest checkpoint, the newest of its history, knows.
    private func truncated(_ unnumbered: Int64) -> AuditFinding? {
        guard let missing = checkpoints.missing(after: tree.size, unnumbered: unnumbered) else { return nil }
        var message = missing.message
        if waiting + unnumbered > 0 { message += "; \(waiting + unnumbered) of them are not sealed yet" }
        if unnumbered > 0 { message += ": run gboost audit seal first" }
        return AuditFinding(.truncated, log, record: missing.first, message)
    }

    private mutating func fail(_ kind: AuditFinding.Kind, _ record: Int64, _ message: String) {
        finding = finding ?? parted ?? AuditFinding(kind, log, record: record, message)
    }
}

/// Checkpoints, sorted out by what known keys say of them.
package struct CheckpointShelf: Sendable {
    /// Those that were published and hold, by log, in the order in which they were added.
    package private(set) var published: [AuditLog: [Checkpoint]] = [:]
    /// Those that were found with the log itself and hold.
    package private(set) var own: [AuditLog: [Checkpoint]] = [:]
    /// Those that do not.
    package private(set) var findings: [AuditFinding] = []
    private let keys: [NoteVerifier]

    /// - Parameter keys: none: checkpoints say nothing, and are not looked at.
    package init(keys: [NoteVerifier]) { self.keys = keys }

    /// Adds a checkpoint.
    /// - Parameter expected: the log that it was found with; nil: it was published elsewhere.
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
            if expected == nil {
                published[log, default: []].append(checkpoint)
            } else {
                own[log, default: []].append(checkpoint)
            }
        } catch {
            findings.append(AuditFinding(.forged, expected, "\(name) \(error)"))
        }
    }

    /// A finding for each log of which a checkpoint knows records, and which is none of `logs`.
    /// - Parameter tenant: only this tenant's logs were looked for; nil: all.
    package func absent(from logs: Set<AuditLog>, tenant: Int64? = nil) -> [AuditFinding] {
        let absent = published.keys.filter { log in
            let isWanted = tenant == nil || log.kind != .events && log.tenant == tenant
            return isWanted && !logs.contains(log) && published[log]?.contains { $0.size > 0 } == true
        }
        return absent.map {
            AuditFinding(.truncated, $0, record: 1, "a signed checkpoint knows it, but it is not there")
        }
    }
}
