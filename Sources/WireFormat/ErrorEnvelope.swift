/// An error in OpenAI's form: `{"error": {"message", "type", "param", "code"[, "metadata"]}}`.
package struct ErrorEnvelope: Hashable, Sendable {
    /// For the client's eyes: names no secret.
    package var message: String
    /// E.g. `invalid_request_error`.
    package var type: String
    package var code: String?
    package var param: String?
    /// A JSON object; nil leaves the member out.
    package var metadata: [UInt8]?
    package init(
        message: String, type: String, code: String? = nil, param: String? = nil, metadata: [UInt8]? = nil
    ) {
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.metadata = metadata
    }

    /// The error of a request that could not be read.
    package init(_ error: WireFormatError) {
        self.init(
            message: error.message, type: "invalid_request_error", code: error.code.rawValue, param: error.param)
    }

    /// The whole body.
    package var body: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("error")
        writer.beginObject()
        writer.member("message", message)
        writer.member("type", type)
        writer.member("param", param)
        writer.member("code", code)
        if let metadata {
            writer.key("metadata")
            writer.raw(metadata)
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}
