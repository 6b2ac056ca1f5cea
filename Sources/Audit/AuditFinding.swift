/// Something that is not as it was sealed, named by the first record that it concerns.
package struct AuditFinding: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// How it was found.
    package enum Kind: String, Sendable, Codable {
        /// A record's members are not those that were sealed.
        case changed
        /// A record is not there.
        case missing
        /// A record is there that has another one's number, or none.
        case inserted
        /// A block contradicts itself or the one before it.
        case block
        /// A signed checkpoint knows more records than there are.
        case truncated
        /// A signed checkpoint knows other records.
        case rewritten
        /// A checkpoint that none of the known keys has signed.
        case forged
        /// The ledger's count of a tenant's records, or its number of entries, is another one.
        case count
        /// An export that is not one, or is cut.
        case malformed
    }
    package var kind: Kind
    /// "escalations/7".
    package var log: String
    /// The first bad record, or where only checkpoints tell, the first that may be bad; nil where the log as a whole is
    /// meant.
    package var record: Int64?
    package var message: String

    package init(_ kind: Kind, _ log: AuditLog?, record: Int64? = nil, _ message: String) {
        self.kind = kind
        self.log = log?.description ?? ""
        self.record = record
        self.message = message
    }

    package var description: String {
        let place = log.isEmpty ? "" : record.map { "\(log) record \($0): " } ?? "\(log): "
        return "\(place)\(kind.rawValue): \(message)"
    }
}

/// What a verification found out.
package struct AuditReport: Hashable, Sendable, Codable {
    /// The first finding of each log; none: everything is as it was sealed.
    package var findings: [AuditFinding] = []
    package var logs = 0
    package var blocks: Int64 = 0
    package var records: Int64 = 0
    /// Checkpoints that known keys signed and that agree.
    package var checkpoints = 0
    /// Records that retention has dropped: their hashes are sealed and add up, what they said is not known.
    package var expired: Int64 = 0
    /// Records that are not sealed yet: nothing can be said about them.
    package var unsealed: Int64 = 0

    package init() {}

    /// Nothing was found.
    package var isClean: Bool { findings.isEmpty }

    /// Adds another part's result.
    package mutating func add(_ other: AuditReport) {
        findings += other.findings
        logs += other.logs
        blocks += other.blocks
        records += other.records
        checkpoints += other.checkpoints
        expired += other.expired
        unsealed += other.unsealed
    }
}
