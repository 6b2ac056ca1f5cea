package import WireFormat

/// A value of a request of administration, or of LiteLLM's configuration file or tables, whatever it was written in.
package indirect enum FieldValue: Sendable, Hashable {
    case null
    case flag(Bool)
    /// As it was written: money must not pass through a `Double`.
    case number(String)
    case text(String)
    case list([FieldValue])
    case object([String: FieldValue])

    package init(_ json: JSONValue) {
        switch json.kind {
        case .null: self = .null
        case .yes, .no: self = .flag(json.bool ?? false)
        case .number: self = .number(String(decoding: json.rawBytes, as: UTF8.self))
        case .string: self = .text(json.string ?? "")
        case .array: self = .list(json.elements.map { FieldValue($0) })
        case .object:
            let pairs = json.members.map { ($0.key.string ?? "", FieldValue($0.value)) }
            self = .object(Dictionary(pairs, uniquingKeysWith: { first, _ in first }))
        }
    }

    /// Says nothing: what LiteLLM writes where somebody left a field alone.
    package var isEmpty: Bool {
        switch self {
        case .null: true
        case .flag(let flag): !flag
        case .number: false
        case .text(let text): text.isEmpty
        case .list(let values): values.isEmpty
        case .object(let fields): fields.values.allSatisfy(\.isEmpty)
        }
    }

    /// A text, or a number as it was written.
    package var text: String? {
        switch self {
        case .text(let text), .number(let text): text
        default: nil
        }
    }

    package var flag: Bool? { if case .flag(let flag) = self { flag } else { nil } }

    package var fields: [String: FieldValue]? { if case .object(let fields) = self { fields } else { nil } }

    package var list: [FieldValue]? { if case .list(let values) = self { values } else { nil } }
}
