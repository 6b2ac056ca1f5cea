internal import Foundation
internal import GatewayCore
internal import Hummingbird
internal import WireFormat

/// The fields of one administrative request, taken one by one; what is left over is refused by name.
///
/// They come in the query, or in a JSON object as the body, each in one of the two. Absent and null are the same but to
/// `isNull`, by which a change takes something away.
package struct AdminFields: Sendable {
    private var fields: [String: FieldValue]

    init(_ fields: [String: FieldValue]) { self.fields = fields }

    init(query request: Request, body: [UInt8]) throws(GatewayRefusal) {
        fields = [:]
        if !body.isEmpty {
            let document: JSONDocument
            do throws(WireFormatError) { document = try JSONDocument(body) } catch { throw GatewayRefusal(error) }
            guard let object = FieldValue(document.root).fields else {
                throw .invalidRequest("The body is not a JSON object.", parameter: nil)
            }
            fields = object
        }
        for (name, value) in request.uri.queryParameters {
            guard fields.updateValue(.text(String(value)), forKey: String(name)) == nil else {
                throw Self.wrong(String(name), "is given twice")
            }
        }
    }

    /// Refuses what nobody took: a request that was not heard out would be answered as another.
    func finish() throws(GatewayRefusal) {
        guard let name = fields.keys.sorted().first else { return }
        throw Self.wrong(name, "is not known here")
    }

    static func wrong(_ field: String, _ message: String, status: Int = 400) -> GatewayRefusal {
        .invalidRequest("'\(field.prefix(80))' \(message).", parameter: String(field.prefix(80)), status: status)
    }

    // MARK: - Taking them

    /// Whether the field is there, null or not.
    func has(_ name: String) -> Bool { fields[name] != nil }

    /// Whether the field is there and null.
    func isNull(_ name: String) -> Bool { fields[name] == .null }

    /// The value; nil where the field is absent or null.
    mutating func take(_ name: String) -> FieldValue? {
        guard let value = fields.removeValue(forKey: name), value != .null else { return nil }
        return value
    }

    /// A text that is not empty.
    mutating func text(_ name: String) throws(GatewayRefusal) -> String? {
        guard let value = take(name) else { return nil }
        guard case .text(let text) = value else { throw Self.wrong(name, "is not a text") }
        guard !text.isEmpty else { throw Self.wrong(name, "is empty") }
        return text
    }

    mutating func required(_ name: String) throws(GatewayRefusal) -> String {
        guard let text = try text(name) else { throw Self.wrong(name, "is missing") }
        return text
    }

    /// True or false; in a query as words.
    mutating func flag(_ name: String) throws(GatewayRefusal) -> Bool? {
        switch take(name) {
        case nil: return nil
        case .flag(let flag): return flag
        case .text("true"): return true
        case .text("false"): return false
        default: throw Self.wrong(name, "is neither true nor false")
        }
    }

    /// A whole number within bounds, `least` and `most` included.
    mutating func count(
        _ name: String, from least: Int64 = 0, through most: Int64 = .max
    ) throws(GatewayRefusal) -> Int64? {
        guard let value = take(name) else { return nil }
        guard let text = value.text, let number = Int64(text), (least...most).contains(number) else {
            let bounds = most == .max ? "from \(least)" : "from \(least) to \(most)"
            throw Self.wrong(name, "is not a whole number \(bounds)")
        }
        return number
    }

    /// A number, not necessarily whole.
    mutating func number(_ name: String) throws(GatewayRefusal) -> Double? {
        guard let value = take(name) else { return nil }
        guard let text = value.text, let number = Double(text), number.isFinite else {
            throw Self.wrong(name, "is not a number")
        }
        return number
    }

    /// Dollars of zero or more, exact to the nano-dollar, as a number or a text.
    mutating func usd(_ name: String) throws(GatewayRefusal) -> NanoUSD? {
        guard let value = take(name) else { return nil }
        guard let text = value.text, let amount = NanoUSD(usd: text), amount >= .zero else {
            throw Self.wrong(name, "is not a dollar amount such as 20 or 0.75 (nine decimals at most)")
        }
        return amount
    }

    mutating func requiredUSD(_ name: String) throws(GatewayRefusal) -> NanoUSD {
        guard let amount = try usd(name) else { throw Self.wrong(name, "is missing") }
        return amount
    }

    /// One of an enumeration's words.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ type: Choice.Type = Choice.self
    ) throws(GatewayRefusal) -> Choice? where Choice.RawValue == String {
        guard let text = try text(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw Self.wrong(name, "is not one of: \(words)")
        }
        return choice
    }

    /// A day (its first moment in UTC) or an instant, in ISO 8601.
    mutating func instant(_ name: String) throws(GatewayRefusal) -> Date? {
        guard let text = try text(name) else { return nil }
        guard let date = AdminInstant.date(text) else {
            throw Self.wrong(name, "is neither a day (2026-12-01) nor an instant (2026-12-01T08:00:00Z)")
        }
        return date
    }

    /// A list of texts; in a query with commas between.
    mutating func texts(_ name: String) throws(GatewayRefusal) -> [String]? {
        guard let value = take(name) else { return nil }
        if case .text(let text) = value {
            return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        guard let list = value.list else { throw Self.wrong(name, "is not a list of texts") }
        var texts: [String] = []
        for element in list {
            guard case .text(let text) = element else { throw Self.wrong(name, "is not a list of texts") }
            texts.append(text)
        }
        return texts
    }

    /// An object within; its fields are to be taken, and finished, like these.
    mutating func object(_ name: String) throws(GatewayRefusal) -> AdminFields? {
        guard let value = take(name) else { return nil }
        guard let object = value.fields else { throw Self.wrong(name, "is not an object") }
        return AdminFields(object)
    }

    /// Objects within.
    mutating func objects(_ name: String) throws(GatewayRefusal) -> [AdminFields]? {
        guard let value = take(name) else { return nil }
        let objects = value.list?.compactMap(\.fields)
        guard let objects, objects.count == value.list?.count else {
            throw Self.wrong(name, "is not a list of objects")
        }
        return objects.map { AdminFields($0) }
    }

    /// A month such as 2026-11; whether there is one like it is the ledger's to say.
    mutating func month() throws(GatewayRefusal) -> String? { try text("month") }
}
