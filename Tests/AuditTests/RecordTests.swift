import Testing

@testable import Audit

@Suite("Records: one encoding, one form of JSON")
struct RecordTests {
    private static func canonical(_ text: String) -> String? {
        CanonicalJSON.of(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("JSON's form depends on neither the order of members nor white space nor the way a character is escaped")
    func json() {
        #expect(
            Self.canonical(#" { "b" : [ 1 , 2.50 ] , "a" : "\u0041\n\/\"\\" } "#)
                == #"{"a":"A\u000a/\"\\","b":[1,2.50]}"#)
        #expect(Self.canonical(#"{"a":"\ud83d\ude00é"}"#) == #"{"a":"😀é"}"#)
        #expect(Self.canonical("[]") == "[]" && Self.canonical("{ }") == "{}" && Self.canonical("null") == "null")
        for bad in ["", "{", #"{"a":1,"a":2}"#, #"{"a" 1}"#, "[1,]", #""\ud83d""#, #""\x""#, "[1] 2", "\"a\nb\""] {
            #expect(Self.canonical(bad) == nil, "\(bad)")
        }
        #expect(Self.canonical(String(repeating: "[", count: 100) + String(repeating: "]", count: 100)) == nil)
    }

    @Test("whatever the order of an object's members, few or many, its form is that of their names in order")
    func orders() {
        var random = SystemRandomNumberGenerator()
        for count in [1, 2, 3, 5, 16, 17, 18, 40] {
            let names = (0..<count).map { "n\($0 * 7 % 10)\($0)" + ($0 % 3 == 0 ? "\\n" : "") }
            let values = [#"{"z":[1,{"y":"é","b":"\"\\"}],"a":{}}"#, "-1.5e3", #""x\u0001""#]
            let members = names.enumerated().map { "\"\($1)\" : \(values[$0 % values.count])" }
            let plain = [#"{"a":{},"z":[1,{"b":"\"\\","y":"é"}]}"#, "-1.5e3", #""x\u0001""#]
            let expected = names.enumerated().map { ($1.replacing("\\n", with: "\\u000a"), plain[$0 % plain.count]) }
                .sorted {
                    Array($0.0.replacing("\\u000a", with: "\n").utf8).lexicographicallyPrecedes(
                        Array($1.0.replacing("\\u000a", with: "\n").utf8))
                }
            for _ in 0..<20 {
                #expect(
                    Self.canonical("{" + members.shuffled(using: &random).joined(separator: ", ") + "}")
                        == "{" + expected.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}")
                let twice = (members + [members[count / 2]]).shuffled(using: &random)
                #expect(Self.canonical("{" + twice.joined(separator: ",") + "}") == nil)
            }
        }
    }

    @Test("records out of one space have the bytes that their members have one by one, whichever are missing")
    func layouts() {
        let members = [
            ("actions", true), ("amount", false), ("at", false), ("seq", false), ("usage", true), ("z", false),
        ]
        let layout = RecordLayout(members.map { (name: $0.0, isJSON: $0.1) })
        var (values, whole) = (RecordValues(), RecordEncoding())
        for missing in 0..<64 {
            var single = RecordEncoding()
            var bytes: [UInt8] = []
            values.ends = []
            for (index, (name, isJSON)) in members.enumerated() {
                guard missing >> index & 1 == 0 else {
                    values.ends.append(-1)
                    continue
                }
                let json = missing % 3 == 0 ? "[]" : #"{"bb": 1, "a": [\#(missing)]}"#
                let text = isJSON ? json : String(repeating: "x", count: (missing * 5 + index) % 40)
                bytes += Array(text.utf8)
                values.ends.append(bytes.count)
                let form = isJSON ? Self.canonical(json) ?? "" : text
                single.append(prefix: RecordEncoding.prefix(name), value: Array(form.utf8))
            }
            // What an earlier record has left there means nothing.
            values.bytes = bytes + Array("left".utf8)
            whole.reset()
            let isWritten = whole.append(values, layout)
            #expect(isWritten && whole.encoded == single.encoded && whole.leaf == single.leaf)
        }
    }

    @Test("a record's bytes are its members' names and values with their lengths")
    func encoding() {
        var encoding = RecordEncoding()
        encoding.append(prefix: RecordEncoding.prefix("amount"), value: Array("12".utf8))
        encoding.append(prefix: RecordEncoding.prefix("seq"), value: Array("1".utf8))
        let expected = Array("gboost-record/1\n\u{6}amount\0\0\0\u{2}12\u{3}seq\0\0\0\u{1}1".utf8)
        #expect(encoding.encoded == expected)
        let leaf = encoding.leaf
        encoding.reset()
        #expect(encoding.encoded == Array("gboost-record/1\n".utf8) && encoding.leaf != leaf)
    }

    /// An export of one log, whose blocks and records are `sizes` large.
    /// `absent` are in its blocks, and not there.
    static func export(
        _ sizes: [Int], notes: [String] = [], changing: Int64? = nil, expired: Int64 = 0, absent: Set<Int64> = []
    ) -> [UInt8] {
        let log = AuditLog(.escalations, tenant: 1)
        var writer = ExportWriter()
        writer.begin()
        writer.log(log, name: "a \"tenant\"\n")
        if expired > 0 { writer.expired(expired) }
        for note in notes { writer.checkpoint(note) }
        var tree = MerkleFrontier()
        for (index, size) in sizes.enumerated() {
            let numbers = (tree.size + 1)...(tree.size + Int64(size))
            let leaves = numbers.map { number in
                var encoding = RecordEncoding()
                for (name, value) in members(number) {
                    encoding.append(prefix: RecordEncoding.prefix(name), value: Array(value.utf8))
                }
                return encoding.leaf
            }
            let sealed = AuditBlock.sealing(leaves, log: log, number: Int64(index + 1), after: tree)
            tree = sealed.frontier
            writer.block(sealed.block)
            for number in numbers where !absent.contains(number) {
                var values = RecordValues()
                for (name, value) in members(number) {
                    values.bytes += Array((name == "reason" && number == changing ? "another" : value).utf8)
                    values.ends.append(values.bytes.count)
                }
                writer.record(values, RecordLayout(members(number).map { ($0.0, false) }))
            }
        }
        writer.end()
        return writer.take()
    }

    private static func members(_ number: Int64) -> [(String, String)] {
        [("log", "escalations"), ("reason", "\"\\\n\u{1}é"), ("seq", String(number)), ("tenant", "1")]
    }

    static func verify(_ export: [UInt8], keys: [NoteVerifier] = [], published: [String] = []) -> AuditReport {
        var verifier = ExportVerifier(keys: keys, published: published)
        verifier.add(ExportLine.lines(export))
        return verifier.end()
    }

    @Test("an export is read back as it was written, escapes and all, and what is changed is named")
    func roundTrip() {
        let report = Self.verify(Self.export([3, 1, 5]))
        #expect(report.isClean && report.records == 9 && report.blocks == 3 && report.logs == 1)
        let changed = Self.verify(Self.export([3, 1, 5], changing: 4))
        #expect(changed.findings.map(\.kind) == [.changed] && changed.findings.first?.record == 4)
    }

    @Test("an export that is cut at any line, or has a line of something else, is none")
    func cut() {
        let export = Self.export([2, 2])
        let ends = export.indices.filter { export[$0] == 0x0A }.map { $0 + 1 }
        for end in ends.dropLast() { #expect(!Self.verify(Array(export[..<end])).isClean) }
        for start in ends.dropLast() {
            #expect(!Self.verify(Array(export[start...])).isClean)
            #expect(!Self.verify(export[..<start] + Array("{}\n".utf8) + export[start...]).isClean)
        }
        // Each line taken out alone.
        for (start, end) in zip([0] + ends, ends) {
            #expect(!Self.verify(Array(export[..<start] + export[end...])).isClean)
        }
    }

    @Test("a published checkpoint knows what an export lacks, and what it has instead")
    func checkpoints() throws {
        let signer = try NoteSigner(name: "gw", seed: [UInt8](repeating: 3, count: 32))
        func note(_ size: Int64, _ root: AuditHash) throws -> String {
            let checkpoint = Checkpoint(origin: "gw/escalations/1", size: size, root: root)
            return try SignedNote(signing: checkpoint.text, by: [signer]).published
        }
        var verifier = LogVerifier(log: AuditLog(.escalations, tenant: 1))
        for line in ExportLine.lines(Self.export([3, 4])) {
            if case .block(let block) = line { verifier.begin(block) }
            if case .record(_, let number?, let leaf) = line { verifier.record(number, leaf: leaf) }
        }
        let good = try note(7, verifier.frontier.root)
        let keys = [signer.verifier]
        let clean = Self.verify(Self.export([3, 4], notes: [good]), keys: keys, published: [good])
        #expect(clean.isClean && clean.checkpoints == 1)
        let truncated = Self.verify(Self.export([3]), keys: keys, published: [good])
        #expect(truncated.findings.first?.kind == .truncated && truncated.findings.first?.record == 4)
        let rewritten = Self.verify(Self.export([3, 4, 2]), keys: keys, published: [try note(7, .empty)])
        #expect(rewritten.findings.first?.kind == .rewritten && rewritten.findings.first?.record == 1)
        let unknown = Self.verify(Self.export([3]), keys: keys, published: [try note(0, .empty), "no note"])
        #expect(unknown.findings.map(\.kind) == [.forged])
    }
}
