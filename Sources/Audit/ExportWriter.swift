internal import Foundation

/// Writes an export, a line of JSON at a time. See README.md beside this file.
package struct ExportWriter: Sendable {
    /// Version of the format.
    package static let version = "1"
    /// What is written and not yet taken.
    package private(set) var bytes: [UInt8] = []
    private var records: Int64 = 0
    private var blocks: Int64 = 0

    package init() {}

    /// What is written so far; it begins anew.
    package mutating func take() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
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
        let leaves = Data(block.leaves.flatMap(\.bytes)).base64EncodedString()
        line(
            "block",
            [
                ("first", String(block.first)), ("last", String(block.last)), ("leaves", leaves),
                ("log", block.log.kind.rawValue), ("number", String(block.number)),
                ("previous", block.previous.hexadecimal), ("root", block.root.hexadecimal),
                ("tenant", String(block.log.tenant)),
            ])
    }

    /// A record of the latest block: its members, ascending by name.
    package mutating func record(_ write: (inout RecordLine) throws -> Void) rethrows {
        records += 1
        append("{\"record\":{")
        var line = RecordLine(bytes: bytes)
        bytes = []
        try write(&line)
        bytes = line.bytes
        append("}}\n")
    }

    /// The last line: without it an export is cut.
    package mutating func end() {
        line("end", [("blocks", String(blocks)), ("records", String(records))])
    }

    private mutating func line(_ type: String, _ members: [(name: String, value: String)]) {
        append("{\"\(type)\":{")
        for (index, member) in members.enumerated() {
            append("\(index > 0 ? "," : "")\"\(member.name)\":")
            CanonicalJSON.append(string: member.value.utf8, to: &bytes)
        }
        append("}}\n")
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}

/// A record's line while it is written.
package struct RecordLine: Sendable {
    fileprivate var bytes: [UInt8]
    private var isFirst = true

    fileprivate init(bytes: [UInt8]) { self.bytes = bytes }

    /// Adds a member.
    package mutating func append(name: [UInt8], value: some Collection<UInt8>) {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: name)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        CanonicalJSON.append(string: value, to: &bytes)
    }
}
