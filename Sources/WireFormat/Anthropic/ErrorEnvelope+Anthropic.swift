extension ErrorEnvelope {
    /// The same error as Anthropic's clients read it: `{"type": "error", "error": {"type", "message"[, "details"]}}`,
    /// with the gateway's own members beside them.
    package func anthropicBody(requestID: String?) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("type", "error")
        writer.key("error")
        writer.beginObject()
        writer.member("type", anthropicType)
        writer.member("message", message)
        if let param { writer.member("param", param) }
        if let code { writer.member("code", code) }
        // Where Anthropic's own clients look for the words that they branch on.
        if let code, code == WireFormatError.Code.threadUnsupported.rawValue {
            writer.key("details")
            writer.beginObject()
            writer.member("error_code", code)
            writer.endObject()
        }
        if let metadata {
            writer.key("metadata")
            writer.raw(metadata)
        }
        writer.endObject()
        if let requestID { writer.member("request_id", requestID) }
        writer.endObject()
        return writer.bytes
    }

    /// Where the two vendors have different words; the gateway's own types stay as they are.
    private var anthropicType: String {
        switch (type, code) {
        case ("invalid_request_error", "model_not_found"), ("invalid_request_error", "unknown_path"):
            "not_found_error"
        case ("server_error", "deadline_exceeded"): "timeout_error"
        case ("server_error", _): "api_error"
        default: type
        }
    }
}
