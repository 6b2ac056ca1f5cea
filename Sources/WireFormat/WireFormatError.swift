/// Why bytes could not be read as what they should be.
///
/// `message` is fit for the client: it names fields and positions, never their content.
package struct WireFormatError: Error, Hashable, Sendable {
    /// What kind of fault it is; the server maps it to a status.
    package enum Code: String, Hashable, Sendable {
        case malformedJSON = "malformed_json"
        case invalidUTF8 = "invalid_utf8"
        case duplicateKey = "duplicate_key"
        case missingField = "missing_field"
        case invalidField = "invalid_field"
        /// A named limit was passed: depth, bytes or members of JSON, bytes of an SSE event.
        case limitExceeded = "limit_exceeded"
        /// A field that the provider's wire format has no word for.
        case untranslatable = "untranslatable_field"
        /// A conversation that the vendor is to keep, in Anthropic's own word: its clients go on without one by it.
        case threadUnsupported = "thread_unsupported_request"
    }
    package var code: Code
    package var message: String
    /// The field at fault, written as OpenAI does: `messages[2].content`.
    package var param: String?
    /// Byte offset of the fault, for JSON.
    package var offset: Int?
    package init(_ code: Code, _ message: String, param: String? = nil, offset: Int? = nil) {
        self.code = code
        self.message = message
        self.param = param
        self.offset = offset
    }
}
