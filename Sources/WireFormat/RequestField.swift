/// Reads members of a request and names the one at fault.
enum RequestField {
    static func bad(_ param: String, _ expected: String) -> WireFormatError {
        WireFormatError(.invalidField, "Invalid '\(param)': \(expected).", param: param)
    }

    static func missing(_ param: String) -> WireFormatError {
        WireFormatError(.missingField, "Missing required parameter: '\(param)'.", param: param)
    }

    /// A member that the other wire format has no word for: said, never left out in silence.
    static func untranslatable(_ param: String, _ why: String) -> WireFormatError {
        WireFormatError(
            .untranslatable, "'\(param)' cannot be translated into the wire format of this model's provider: \(why).",
            param: param)
    }

    /// nil for absent and null, which both formats take for the same.
    static func given(_ value: JSONValue?) -> JSONValue? {
        guard let value, !value.isNull else { return nil }
        return value
    }

    static func string(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> String? {
        guard let value = given(value) else { return nil }
        guard let text = value.string else { throw bad(param, "expected a string") }
        return text
    }

    static func required(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> String {
        guard let text = try string(value, param) else { throw missing(param) }
        return text
    }

    static func bool(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> Bool? {
        guard let value = given(value) else { return nil }
        guard let flag = value.bool else { throw bad(param, "expected a boolean") }
        return flag
    }

    static func count(
        _ value: JSONValue?, _ param: String, in range: ClosedRange<Int64>
    ) throws(WireFormatError) -> Int? {
        guard let value = given(value) else { return nil }
        guard let number = value.integer, range.contains(number) else {
            throw bad(param, "expected an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(number)
    }

    static func object(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> JSONValue? {
        guard let value = given(value) else { return nil }
        guard value.kind == .object else { throw bad(param, "expected an object") }
        return value
    }

    static func array(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> [JSONValue] {
        guard let value = given(value) else { return [] }
        guard value.kind == .array else { throw bad(param, "expected an array") }
        return value.elements
    }

    /// Members that are given and that nobody asked for are an error that names the first of them.
    static func refuseOthers(
        of object: JSONValue, than known: Set<String>, in param: String = ""
    ) throws(WireFormatError) {
        for (key, value) in object.members where !value.isNull {
            let name = key.string ?? ""
            guard known.contains(name) else {
                throw untranslatable(param.isEmpty ? name : "\(param).\(name)", "it has no equal there")
            }
        }
    }
}
