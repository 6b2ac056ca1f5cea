extension ChatRequest {
    /// Why a request is refused.
    struct Invalid: Error {
        var message: String
        /// What the error says to a client beside the words, as JSON, where its format has a place for that.
        var details: String?
    }
}

extension ChatRequest.Invalid {
    /// Names the field that cannot be read.
    init(_ error: DecodingError) {
        switch error {
        case .keyNotFound(let key, let context):
            self.init(message: "\(Self.path(context.codingPath + [key])): Field required")
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            self.init(unreadable: Self.path(context.codingPath))
        default: self.init(unreadable: "")
        }
    }

    /// - Parameter path: of the field; empty: it is the whole body.
    private init(unreadable path: String) {
        self.init(
            message: path.isEmpty
                ? "The body is no request of this endpoint." : "\(path): a value of another type is expected")
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce("") { path, key in
            if let index = key.intValue { return "\(path)[\(index)]" }
            return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
        }
    }
}
