/// Verifies an export as it comes, a piece after another. Its memory does not grow with the export.
package struct ExportVerifier: Sendable {
    private var shelf: CheckpointShelf
    /// The log whose line came last, until its first block or the next log: its checkpoints are still coming.
    private var pending: AuditLog?
    /// Whether the line before was a log's: only there may stand what retention has dropped.
    private var isAfterLog = false
    private var expired: Int64 = 0
    private var current: LogVerifier?
    private var seen: Set<AuditLog> = []
    private var counts: (records: Int64, blocks: Int64) = (0, 0)
    private var isBegun = false
    private var isEnded = false
    private var report = AuditReport()
    private var checkpoints: Set<String> = []

    /// - Parameters:
    ///   - keys: that checkpoints may be signed with; none: checkpoints say nothing.
    ///   - published: checkpoints that were published elsewhere. Those in the export itself are added to them.
    package init(keys: [NoteVerifier], published: [String] = []) {
        shelf = CheckpointShelf(keys: keys)
        for note in published where checkpoints.insert(note).inserted { shelf.add(note) }
    }

    /// The next lines.
    package mutating func add(_ lines: [ExportLine]) {
        for line in lines { add(line) }
    }

    private mutating func add(_ line: ExportLine) {
        // What stands in a wrong place is named, and counts for nothing.
        if let wrong = wrongPlace(line) { return malformed(wrong) }
        isAfterLog = false
        switch line {
        case .export(let version):
            if version != ExportWriter.version { malformed("it is of version \(version)") }
            isBegun = true
        case .log(let log):
            endLog()
            isAfterLog = true
            guard seen.insert(log).inserted else { return malformed("\(log) comes twice") }
            pending = log
            expired = 0
        case .expired(let last): expired = last
        case .checkpoint(let note):
            if checkpoints.insert(note).inserted { shelf.add(note, expected: pending) }
        case .block(let block):
            counts.blocks += 1
            startIfNeeded()
            if current == nil { malformed("a block stands outside a log") }
            current?.begin(block)
        case .record(let log, let number, let leaf):
            counts.records += 1
            startIfNeeded()
            guard let own = current?.log else { return malformed("a record stands outside a log") }
            // A record of another log is none of this one's, whatever its number.
            current?.record(number, leaf: log == own ? leaf : nil)
        case .end(let records, let blocks):
            endLog()
            if (records, blocks) != (counts.records, counts.blocks) {
                malformed("its last line counts \(records) records, but there are \(counts.records)")
            }
            isEnded = true
        case .malformed: break
        }
    }

    /// What is wrong with a line, or with a line at this place.
    private func wrongPlace(_ line: ExportLine) -> String? {
        switch line {
        case .malformed(let text): "not a line of an export: \(text)"
        case _ where isEnded: "a line stands after the last one"
        case .export: isBegun ? "its first line comes twice" : nil
        case _ where !isBegun: "a line stands before the first one"
        case .expired: isAfterLog && pending != nil ? nil : "what expired does not stand directly after a log's line"
        case .checkpoint: pending == nil ? "a checkpoint does not stand before its log's blocks" : nil
        case .log, .block, .record, .end: nil
        }
    }

    private mutating func startIfNeeded() {
        guard let log = pending else { return }
        current = LogVerifier(
            log: log, published: shelf.published[log] ?? [], own: shelf.own[log] ?? [], expired: expired)
        pending = nil
    }

    private mutating func endLog() {
        startIfNeeded()
        if var verifier = current {
            report.add(verifier.end())
            current = nil
        }
    }

    private mutating func malformed(_ message: String) {
        guard !report.findings.contains(where: { $0.kind == .malformed }) else { return }
        report.findings.append(AuditFinding(.malformed, nil, message))
    }

    /// After the last line.
    /// - Parameter isComplete: the export has every log, so that one that a checkpoint knows must be there.
    package mutating func end(isComplete: Bool = true) -> AuditReport {
        endLog()
        if !isBegun || !isEnded { malformed("the export is cut: its first or last line is missing") }
        if isComplete { report.findings += shelf.absent(from: seen) }
        report.findings += shelf.findings
        report.findings.sort { ($0.log, $0.record ?? 0, $0.message) < ($1.log, $1.record ?? 0, $1.message) }
        return report
    }
}
