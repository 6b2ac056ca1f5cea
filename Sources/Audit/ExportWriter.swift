internal import Foundation

/// Writes an export, a line of JSON at a time. See README.md beside this file.
package struct ExportWriter: Sendable {
    /// Version of the format.
    package static let version = "1"
    /// What is written and not yet taken.
    package private(set) var bytes: [UInt8] = []
    private var records: Int64 = 0
    private var blocks: Int64 = 0
    private var json = CanonicalJSON.Scanner()
    private var canonical: [UInt8] = []

    package init() {}

    /// What is written so far; it begins anew.
    package mutating func take() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        bytes.reserveCapacity(taken.capacity)
        return taken
    }

    /// The first line.
    package mutating func begin() { line("export", [("version", Self.version)]) }

    /// A log, before its checkpoints and blocks.
    package mutating func log(_ log: AuditLog, name: String) {
        line("log", [("log", log.kind.rawValue), ("name", name), ("tenant", String(log.tenant))])
    }

    /// Up to which record retention has dropped the latest log's: they do not follow.
    package mutating func expired(_ last: Int64) { line("expired", [("last", String(last))]) }

    /// A signed checkpoint of the latest log.
    package mutating func checkpoint(_ note: String) { line("checkpoint", [("note", note)]) }

    /// A block of the latest log, before its records.
    package mutating func block(_ block: AuditBlock) {
        blocks += 1
        line(
            "block",
            [
                ("first", String(block.first)), ("last", String(block.last)),
                ("leaves", Data(AuditHash.bytes(block.leaves)).base64EncodedString()),
                ("log", block.log.kind.rawValue), ("number", String(block.number)),
                ("previous", block.previous.hexadecimal), ("root", block.root.hexadecimal),
                ("tenant", String(block.log.tenant)),
            ])
    }

    /// A record of the latest block. A value that has no canonical form stands there as it is: no such record can have
    /// been sealed, and who reads the export is to see what has become of it.
    package mutating func record(_ values: borrowing RecordValues, _ layout: borrowing RecordLayout) {
        records += 1
        var out: [UInt8] = []
        swap(&out, &bytes)
        defer { swap(&out, &bytes) }
        out.append(contentsOf: Array("{\"record\":".utf8))
        let (text, keys) = (values.bytes.span, layout.keys.span)
        var (start, key, separator) = (0, 0, UInt8(ascii: "{"))
        for index in 0..<layout.count {
            let (end, keyEnd) = (values.ends[index], layout.keyEnds[index])
            defer { key = keyEnd }
            guard end >= start else { continue }
            out.append(separator)
            separator = UInt8(ascii: ",")
            out.append(keys.extracting(key..<keyEnd))
            canonical.removeAll(keepingCapacity: true)
            if layout.isJSON[index], end - start != 2, json.append(text.extracting(start..<end), to: &canonical) {
                CanonicalJSON.append(string: canonical.span, to: &out)
            } else {
                CanonicalJSON.append(string: text.extracting(start..<end), to: &out)
            }
            start = end
        }
        out.append(contentsOf: Array("}}\n".utf8))
    }

    /// The last line: without it an export is cut.
    package mutating func end() {
        line("end", [("blocks", String(blocks)), ("records", String(records))])
    }

    private mutating func line(_ type: String, _ members: [(name: String, value: String)]) {
        append("{\"\(type)\":{")
        for (index, member) in members.enumerated() {
            append("\(index > 0 ? "," : "")\"\(member.name)\":")
            CanonicalJSON.append(string: Array(member.value.utf8).span, to: &bytes)
        }
        append("}}\n")
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: Array(text.utf8)) }
}
