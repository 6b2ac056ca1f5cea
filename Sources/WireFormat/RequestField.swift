/// Reads members of a request and names the one at fault.
package enum RequestField {
    /// A value that is not what the field takes.
    package static func bad(_ param: String, _ expected: String) -> WireFormatError {
        WireFormatError(.invalidField, "Invalid '\(param)': \(expected).", param: param)
    }

    /// A field that must be there.
    package static func missing(_ param: String) -> WireFormatError {
        WireFormatError(.missingField, "Missing required parameter: '\(param)'.", param: param)
    }

    /// A member that the other wire format has no word for: said, never left out in silence.
    package static func untranslatable(_ param: String, _ why: String) -> WireFormatError {
        WireFormatError(
            .untranslatable, "'\(param)' cannot be translated into the wire format of this model's provider: \(why).",
            param: param)
    }

    /// nil for absent and null, which both formats take for the same.
    package static func given(_ value: JSONValue?) -> JSONValue? {
        guard let value, !value.isNull else { return nil }
        return value
    }

    /// A text; nil where it is absent.
    package static func string(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> String? {
        guard let value = given(value) else { return nil }
        guard let text = value.string else { throw bad(param, "expected a string") }
        return text
    }

    /// A text that must be there.
    package static func required(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> String {
        guard let text = try string(value, param) else { throw missing(param) }
        return text
    }

    /// A truth value; nil where it is absent.
    package static func bool(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> Bool? {
        guard let value = given(value) else { return nil }
        guard let flag = value.bool else { throw bad(param, "expected a boolean") }
        return flag
    }

    /// A whole number within bounds; nil where it is absent.
    package static func count(
        _ value: JSONValue?, _ param: String, in range: ClosedRange<Int64>
    ) throws(WireFormatError) -> Int? {
        guard let value = given(value) else { return nil }
        guard let number = value.integer, range.contains(number) else {
            throw bad(param, "expected an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(number)
    }

    /// An object; nil where it is absent.
    package static func object(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> JSONValue? {
        guard let value = given(value) else { return nil }
        guard value.kind == .object else { throw bad(param, "expected an object") }
        return value
    }

    /// Values of an array; none where it is absent.
    package static func array(_ value: JSONValue?, _ param: String) throws(WireFormatError) -> [JSONValue] {
        guard let value = given(value) else { return [] }
        guard value.kind == .array else { throw bad(param, "expected an array") }
        return value.elements
    }

    /// Whether a media type is an image's, however it is spelled.
    package static func isImage(mediaType: some StringProtocol) -> Bool {
        String(decoding: mediaType.utf8.prefix("image/".utf8.count), as: UTF8.self).lowercased() == "image/"
    }

    /// Whether what stands in an image's place is something else, within the body: vendors read and charge a document
    /// by other rules, which the bound of an image does not cover.
    /// - Parameter image: the URL, or an object with a member `url`.
    package static func isOtherData(_ image: JSONValue?) -> Bool {
        guard let url = (image?["url"] ?? image)?.string else { return false }
        let scheme = "data:"
        let text = url.drop { $0.isWhitespace }
        guard String(decoding: text.utf8.prefix(scheme.utf8.count), as: UTF8.self).lowercased() == scheme else {
            return false
        }
        return !isImage(mediaType: text.dropFirst(scheme.count))
    }

    /// Members that are given and that nobody asked for are an error that names the first of them.
    package static func refuseOthers(
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
