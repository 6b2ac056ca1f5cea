internal import Foundation

/// One line of an export, as far as a verification needs it.
package enum ExportLine: Hashable, Sendable {
    case export(version: String)
    case log(AuditLog)
    case expired(last: Int64)
    case checkpoint(String)
    case block(AuditBlock)
    /// A record: which one it says it is, and what its members hash to.
    case record(log: AuditLog?, number: Int64?, leaf: AuditHash)
    case end(records: Int64, blocks: Int64)
    case malformed(String)

    /// The lines of `text`, which ends with a line feed.
    package static func lines(_ text: [UInt8]) -> [ExportLine] {
        var reader = ExportReader()
        var lines: [ExportLine] = []
        // A record has about a kilobyte.
        lines.reserveCapacity(text.count / 1024)
        let span = text.span
        while let line = reader.next(span) { lines.append(line) }
        return lines
    }
}

/// Reads lines of JSON objects whose values are strings; members ascend by name. A record's strings go where they are
/// hashed, with nothing between: no tree, no text of their own.
private struct ExportReader {
    private var position = 0
    private var encoding = RecordEncoding()
    /// Most records are of the log of the one before.
    private var log: AuditLog?

    mutating func next(_ text: Span<UInt8>) -> ExportLine? {
        guard position < text.count else { return nil }
        let start = position
        if let line = line(text) { return line }
        position = start
        while position < text.count, text[position] != 0x0A { position += 1 }
        position = min(position + 1, text.count)
        // A copy that was made as a text of another system.
        if position - start > 1, text[position - 2] == 0x0D { return .malformed("it ends with a carriage return") }
        return .malformed(Self.text(text.extracting(start..<min(start + 80, position))))
    }

    private static func text(_ bytes: Span<UInt8>) -> String {
        unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    private mutating func line(_ text: Span<UInt8>) -> ExportLine? {
        guard skip(text, "{") else { return nil }
        let line: ExportLine?
        if skip(text, "\"record\":{") {
            line = record(text)
        } else {
            guard let type = string(text), skip(text, ":{") else { return nil }
            line = members(text).flatMap { Self.line(type, $0) }
        }
        guard let line, skip(text, "}\n") else { return nil }
        return line
    }

    private mutating func record(_ text: Span<UInt8>) -> ExportLine? {
        encoding.reset()
        var (isNamed, tenant, number) = (false, Int64?.none, Int64?.none)
        repeat {
            guard encoding.append(text, &position) else { return nil }
            if encoding.isLatest("log") {
                isNamed = true
                if log.map({ $0.kind.rawValue.utf8.elementsEqual(encoding.latest) }) != true {
                    log = AuditKind(rawValue: String(decoding: encoding.latest, as: UTF8.self)).map { AuditLog($0) }
                }
            } else if encoding.isLatest("seq") {
                number = encoding.latestNumber
            } else if encoding.isLatest("tenant") {
                tenant = encoding.latestNumber
            }
        } while skip(text, ",")
        guard skip(text, "}") else { return nil }
        if let tenant { log?.tenant = tenant }
        return .record(log: isNamed && tenant != nil ? log : nil, number: number, leaf: encoding.leaf)
    }

    private mutating func string(_ text: Span<UInt8>) -> String? {
        var bytes: [UInt8] = []
        guard JSONString.append(text, &position, to: &bytes) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func members(_ text: Span<UInt8>) -> [String: String]? {
        var members: [String: String] = [:]
        var last: String?
        repeat {
            guard let name = string(text), skip(text, ":"), let value = string(text) else { return nil }
            // As in a record: one that comes twice could be read as either.
            if let last, !last.utf8.lexicographicallyPrecedes(name.utf8) { return nil }
            members[name] = value
            last = name
        } while skip(text, ",")
        return skip(text, "}") ? members : nil
    }

    /// Goes past `expected`; false, and no further, when something else stands there.
    private mutating func skip(_ text: Span<UInt8>, _ expected: StaticString) -> Bool {
        let count = expected.utf8CodeUnitCount
        guard position + count <= text.count else { return false }
        for offset in 0..<count where unsafe text[position + offset] != expected.utf8Start[offset] { return false }
        position += count
        return true
    }

    private static func line(_ type: String, _ members: [String: String]) -> ExportLine? {
        func number(_ name: String) -> Int64? { members[name].flatMap { Int64($0) } }
        func hash(_ name: String) -> AuditHash? { members[name].flatMap { AuditHash(hexadecimal: $0) } }
        let log = members["log"].flatMap { AuditKind(rawValue: $0) }.flatMap { kind in
            number("tenant").map { AuditLog(kind, tenant: $0) }
        }
        switch type {
        case "export": return members["version"].map { .export(version: $0) }
        case "log": return log.map { .log($0) }
        case "expired": return number("last").map { .expired(last: $0) }
        case "checkpoint": return members["note"].map { .checkpoint($0) }
        case "end":
            guard let records = number("records"), let blocks = number("blocks") else { return nil }
            return .end(records: records, blocks: blocks)
        case "block":
            guard let log, let count = number("number"), let first = number("first"), let last = number("last"),
                let previous = hash("previous"), let root = hash("root"),
                let bytes = members["leaves"].flatMap({ Data(base64Encoded: $0) }),
                bytes.count <= AuditBlock.maxRecords * AuditHash.byteCount, let leaves = AuditHash.list(Array(bytes))
            else { return nil }
            return .block(
                AuditBlock(
                    log: log, number: count, records: (first, last), roots: (previous, root), leaves: leaves))
        default: return nil
        }
    }
}
