import Testing

@testable import Audit

@Suite("Checkpoints beside a log: where it parts from them, and how many records are lost")
struct CheckpointTests {
    /// A record's leaf in the log as it is ("n") or as it once was ("o").
    private static func leaf(_ history: String, _ number: Int64) -> AuditHash {
        var encoding = RecordEncoding()
        encoding.append(prefix: RecordEncoding.prefix("seq"), value: Array("\(number)\(history)".utf8))
        return encoding.leaf
    }

    /// The leaves of a log of `size` records, of which the first `common` are of both histories.
    private static func leaves(_ history: String, common: Int64, size: Int64) -> [AuditHash] {
        (0..<size).map { leaf($0 < common ? "o" : history, $0 + 1) }
    }

    /// "36o" is a checkpoint at 36 of the log as it once was, "36n" of the log as it is.
    private static func checkpoint(_ text: Substring, common: Int64) -> Checkpoint {
        var tree = MerkleFrontier()
        let history = String(text.suffix(1))
        for leaf in Self.leaves(history, common: common, size: Int64(text.dropLast()) ?? 0) { tree.append(leaf) }
        return Checkpoint(origin: "gw/escalations/1", size: tree.size, root: tree.root)
    }

    /// Verifies a log of which `common` records are those of before a restore; the last `unsealed` are in no block.
    private static func verify(
        _ records: (common: Int64, size: Int64), unsealed: Int64 = 0, unnumbered: Int64 = 0, published: String,
        own: String = ""
    ) -> AuditReport {
        func checkpoints(_ text: String) -> [Checkpoint] {
            text.split(separator: " ").map { Self.checkpoint($0, common: records.common) }
        }
        let log = AuditLog(.escalations, tenant: 1)
        var verifier = LogVerifier(log: log, published: checkpoints(published), own: checkpoints(own))
        let leaves = Self.leaves("n", common: records.common, size: records.size)
        let sealed = Array(leaves.prefix(Int(records.size - unsealed)))
        verifier.begin(AuditBlock.sealing(sealed, log: log, number: 1, after: MerkleFrontier()).block)
        for (index, leaf) in leaves.enumerated() {
            if index < sealed.count {
                verifier.record(Int64(index + 1), leaf: leaf)
            } else {
                verifier.unsealed(Int64(index + 1), leaf: leaf)
            }
        }
        return verifier.end(unnumbered: unnumbered)
    }

    private static let before = "36o 228o 300o 418o 450o"

    @Test("records that are not sealed yet are there, and the largest checkpoint tells how many are lost")
    func lost() throws {
        let report = Self.verify((300, 300), unsealed: 36, published: Self.before)
        let finding = try #require(report.findings.first)
        #expect(finding.kind == .truncated && finding.record == 301 && report.findings.count == 1)
        #expect(
            finding.message
                == "a signed checkpoint knows 450 records, but there are 300; 36 of them are not sealed yet")
        #expect(report.records == 264 && report.checkpoints == 3)
        // Nothing lost, or something else in their place.
        let whole = Self.verify((300, 300), unsealed: 36, published: "36o 228o 300o")
        #expect(whole.isClean && whole.checkpoints == 3, "\(whole.findings)")
        let changed = Self.verify((290, 300), unsealed: 36, published: "36o 228o 300o")
        #expect(changed.findings.map(\.kind) == [.rewritten] && changed.findings.first?.record == 229)
    }

    @Test("records that have no number are counted, and that they are to be sealed first is said")
    func unnumbered() throws {
        let lost = try #require(
            Self.verify((264, 264), unnumbered: 36, published: Self.before).findings.first)
        #expect(lost.kind == .truncated && lost.record == 301)
        #expect(
            lost.message
                == "a signed checkpoint knows 450 records, but there are 300; 36 of them are not sealed yet: "
                + "run gboost audit seal first")
        // As many as were signed: whether the same, is open.
        let open = try #require(
            Self.verify((264, 264), unnumbered: 40, published: "36o 300o").findings.first)
        #expect(open.kind == .truncated && open.record == 265 && open.message.contains("seal first"))
    }

    @Test("one that does not follow, or cannot be sealed, is not compared with what is signed")
    func unsealed() {
        let tree = (1...4).map { Self.leaf("o", $0) }
        let numbers: [(Int64, AuditHash?)] = [(1, tree[0]), (1, tree[1]), (2, tree[1]), (4, tree[3]), (3, nil)]
        var verifier = LogVerifier(
            log: AuditLog(.escalations, tenant: 1), published: [Self.checkpoint("2o", common: 4)])
        for (number, leaf) in numbers { verifier.unsealed(number, leaf: leaf) }
        let report = verifier.end()
        #expect(report.isClean && report.checkpoints == 1 && report.records == 0, "\(report.findings)")
        #expect(verifier.frontier.size == 2)
    }

    @Test("of two histories the first record that differs is after the last that agreed before any did not")
    func histories() throws {
        let after = "36o 228o 300o 418o 450o 305n 405n"
        let cases: [(published: String, own: String, records: (Int64, Int64), expected: String)] = [
            // Published after the restore, where the log is smaller than before it, and larger.
            (after, "", (300, 420), "rewritten 301 two after 300 and at most 418"),
            (after, "36o 228o 300o 305n 405n", (300, 480), "rewritten 301 two after 300 and at most 418"),
            ("36o 228o 300o 418o 450o 460n", "", (300, 480), "rewritten 301 two after 300 and at most 418"),
            (after, "", (300, 410), "truncated 301 two after 300 and at most 411"),
            // Restored twice: the second time to the log of before the first.
            ("100n 220n 300n 250o 310n", "", (200, 460), "rewritten 1 two at most 250"),
            // One history, by all that is known.
            ("5o 12o", "5o 12o", (7, 12), "rewritten 6 one after 5 and at most 12"),
            ("", "5o 12o", (7, 12), "rewritten 6 one after 5 and at most 12"),
            ("12o", "5o", (7, 12), "rewritten 1 one at most 12 (after 5, if all are of one history)"),
            ("12o", "", (0, 20), "rewritten 1 one at most 12"),
        ]
        for (published, own, records, expected) in cases {
            let finding = try #require(Self.verify(records, published: published, own: own).findings.first)
            let parts = expected.split(separator: " ", maxSplits: 3).map(String.init)
            #expect(finding.kind.rawValue == parts[0] && finding.record == Int64(parts[1]), "\(finding)")
            #expect(finding.message.contains("two histories") == (parts[2] == "two"), "\(finding)")
            #expect(finding.message.contains(" is \(parts[3])"), "\(finding)")
        }
    }
}
