package import GatewayCore

/// One object of LiteLLM's whose fields are taken one by one; what is left over has no equal here and is to be named.
package struct LiteLLMRecord: Sendable {
    /// A field that cannot be read.
    package struct Failure: Error, Hashable, Sendable {
        package var field: String
        package var message: String
        package init(field: String, message: String) {
            self.field = field
            self.message = message
        }
    }
    /// LiteLLM's name, in a list of models, for none.
    package static let noModels = "no-default-models"
    private var fields: [String: FieldValue]

    package init(_ fields: [String: FieldValue]) { self.fields = fields }

    /// Names of fields that nobody took and that say something.
    package var left: [String] { fields.filter { !$0.value.isEmpty }.keys.sorted() }

    /// Adds a field, or another value for it.
    package mutating func put(_ name: String, _ value: FieldValue) { fields[name] = value }

    /// Whether the field is there and not null.
    package func has(_ name: String) -> Bool { fields[name].map { $0 != .null } ?? false }

    /// Whether the field is there and null.
    package func isNull(_ name: String) -> Bool { fields[name] == .null }

    /// The value; nil where the field is absent or null.
    package mutating func take(_ name: String) -> FieldValue? {
        guard let value = fields.removeValue(forKey: name), value != .null else { return nil }
        return value
    }

    /// A text, or a number as it was written; nil where it is empty.
    package mutating func text(_ name: String) throws(Failure) -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.text else { throw Failure(field: name, message: "is not a text") }
        return text.isEmpty ? nil : text
    }

    /// True or false.
    package mutating func flag(_ name: String) throws(Failure) -> Bool? {
        guard let value = take(name) else { return nil }
        guard let flag = value.flag else { throw Failure(field: name, message: "is neither true nor false") }
        return flag
    }

    /// A whole number that is not negative.
    package mutating func count(_ name: String) throws(Failure) -> Int64? {
        guard let value = take(name) else { return nil }
        guard let text = value.text, let (number, isExact) = DecimalNumber(text)?.roundedUp(decimals: 0), isExact else {
            throw Failure(field: name, message: "is not a whole number from 0")
        }
        return number
    }

    /// Dollars; a fraction of a nano-dollar is dropped, so that no cap grows.
    package mutating func amount(_ name: String) throws(Failure) -> NanoUSD? {
        guard let value = take(name), value != .text("") else { return nil }
        guard let text = value.text, let (nano, isExact) = DecimalNumber(text)?.roundedUp(decimals: 9) else {
            throw Failure(field: name, message: "is not an amount in dollars")
        }
        return NanoUSD(isExact ? nano : nano - 1)
    }

    /// Model names; nil where every model is meant, which LiteLLM writes as an empty list or by words of its own.
    package mutating func models(_ name: String = "models") throws(Failure) -> [String]? {
        guard let value = take(name) else { return nil }
        guard let list = value.list else { throw Failure(field: name, message: "is not a list") }
        var models: [String] = []
        for entry in list {
            guard case .text(let model) = entry else { throw Failure(field: name, message: "holds no names") }
            models.append(model)
        }
        if models.isEmpty || models.contains("all-proxy-models") || models.contains("*") { return nil }
        // The team's own list, which is tested besides.
        if models.contains("all-team-models") { return nil }
        return models.filter { $0 != Self.noModels }
    }
}
