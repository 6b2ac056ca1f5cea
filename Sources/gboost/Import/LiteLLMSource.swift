internal import Foundation
internal import GatewayServer
internal import Ledger
internal import WireFormat
internal import Yams

/// What an import is made of: LiteLLM's configuration file, and the rows of its tables where they are read.
struct LiteLLMSource: Sendable {
    /// More is not a configuration.
    static let maxBytes = 4 << 20
    var file: String
    /// The file's sections.
    var sections: [String: FieldValue] = [:]
    /// Rows by table.
    var rows: [String: [[String: FieldValue]]] = [:]
    /// Tables that are only counted.
    var counts: [String: Int64] = [:]

    init(reading path: String) throws(CommandFailure) {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw CommandFailure("\(path): cannot be read: \(FileFailure.unreadable(path))")
        }
        guard data.count <= Self.maxBytes, let text = String(data: data, encoding: .utf8) else {
            throw CommandFailure("\(path): is larger than \(Self.maxBytes) bytes, or not UTF-8")
        }
        try self.init(yaml: text, path: path)
    }

    init(yaml: String, path: String) throws(CommandFailure) {
        file = URL(filePath: path).lastPathComponent
        let root: Node?
        do { root = try Yams.compose(yaml: yaml) } catch { throw CommandFailure("\(path): not valid YAML: \(error)") }
        guard let root else { return }
        guard let fields = Self.value(root).fields else { throw CommandFailure("\(path): a mapping is expected") }
        sections = fields
    }

    /// Adds the rows of LiteLLM's database.
    mutating func add(_ tables: LiteLLMTables) throws(CommandFailure) {
        counts = tables.counts
        for (name, texts) in tables.rows {
            for text in texts {
                var limits = JSONLimits.provider
                limits.maxBytes = Self.maxBytes
                guard let document = try? JSONDocument(Array(text.utf8), limits: limits),
                    let fields = FieldValue(document.root).fields
                else { throw CommandFailure("\(name): a row cannot be read") }
                rows[name, default: []].append(fields)
            }
        }
    }

    /// A YAML value; what is not quoted and looks like a number, a truth value or nothing is one.
    private static func value(_ node: Node) -> FieldValue {
        switch node {
        case .mapping(let mapping):
            let pairs = mapping.map { ($0.key.string ?? "", value($0.value)) }
            return .object(Dictionary(pairs, uniquingKeysWith: { first, _ in first }))
        case .sequence(let items): return .list(items.map { value($0) })
        case .scalar(let scalar):
            guard scalar.style == .plain || scalar.style == .any else { return .text(scalar.string) }
            switch scalar.string {
            case "", "~", "null", "Null", "NULL", "None": return .null
            case "true", "True", "TRUE": return .flag(true)
            case "false", "False", "FALSE": return .flag(false)
            default:
                let isNumber = scalar.string.first.map { $0 == "-" || ("0"..."9").contains($0) } ?? false
                return isNumber && Double(scalar.string) != nil ? .number(scalar.string) : .text(scalar.string)
            }
        default: return .null
        }
    }
}
