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
        var reader = ExportReader(text: text)
        var lines: [ExportLine] = []
        while let line = reader.next() { lines.append(line) }
        return lines
    }
}

/// Reads lines of JSON objects whose values are strings; members ascend by name.
private struct ExportReader {
    let text: [UInt8]
    private var position = 0
    private var encoding = RecordEncoding()

    init(text: [UInt8]) { self.text = text }

    mutating func next() -> ExportLine? {
        guard position < text.count else { return nil }
        let start = position
        if let line = line() { return line }
        position = text[start...].firstIndex(of: 0x0A).map { $0 + 1 } ?? text.count
        return .malformed(String(decoding: text[start..<min(start + 80, position)], as: UTF8.self))
    }

    private mutating func line() -> ExportLine? {
        guard skip("{"), let type = name(), skip(":"), skip("{") else { return nil }
        let line: ExportLine?
        if type == "record" {
            line = record()
        } else {
            line = members().flatMap { Self.line(type, $0) }
        }
        guard let line, skip("}"), skip("\n") else { return nil }
        return line
    }

    private mutating func record() -> ExportLine? {
        encoding.reset()
        var (kind, tenant, number) = (AuditKind?.none, Int64?.none, Int64?.none)
        var before: ArraySlice<UInt8> = []
        repeat {
            guard let name = value(), skip(":"), before.lexicographicallyPrecedes(name),
                name.count <= RecordEncoding.maxName, let value = value()
            else { return nil }
            before = name
            encoding.append(name: name, value: value)
            if name.count > 6 { continue }
            switch String(decoding: name, as: UTF8.self) {
            case "log": kind = AuditKind(rawValue: String(decoding: value, as: UTF8.self))
            case "seq": number = Int64(String(decoding: value, as: UTF8.self))
            case "tenant": tenant = Int64(String(decoding: value, as: UTF8.self))
            default: break
            }
        } while skip(",")
        guard skip("}") else { return nil }
        let log = kind.flatMap { kind in tenant.map { AuditLog(kind, tenant: $0) } }
        return .record(log: log, number: number, leaf: encoding.leaf)
    }

    /// The string at `position`, in place where it has no escapes.
    private mutating func value() -> ArraySlice<UInt8>? {
        guard position < text.count, text[position] == UInt8(ascii: "\"") else { return nil }
        var end = position + 1
        while end < text.count, text[end] != UInt8(ascii: "\""), text[end] != UInt8(ascii: "\\"), text[end] >= 0x20 {
            end += 1
        }
        guard end < text.count else { return nil }
        if text[end] == UInt8(ascii: "\"") {
            defer { position = end + 1 }
            return text[(position + 1)..<end]
        }
        guard let (value, end) = JSONString.read(text, at: position) else { return nil }
        position = end
        return value[...]
    }

    private mutating func name() -> String? { value().map { String(decoding: $0, as: UTF8.self) } }

    private mutating func members() -> [String: String]? {
        var members: [String: String] = [:]
        repeat {
            guard let name = name(), skip(":"), let value = value() else { return nil }
            guard members.updateValue(String(decoding: value, as: UTF8.self), forKey: name) == nil else {
                return nil
            }
        } while skip(",")
        return skip("}") ? members : nil
    }

    private mutating func skip(_ byte: Unicode.Scalar) -> Bool {
        guard position < text.count, text[position] == UInt8(ascii: byte) else { return false }
        position += 1
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
