internal import WireFormat

/// What a provider's answer becomes on its way to the client: itself, or its translation.
protocol AnswerRelay: Sendable {
    /// The part of a stream's whole events that may go on now; throws where a bound is passed.
    mutating func pass(_ events: [UInt8]) throws(WireFormatError) -> [UInt8]
    /// The end of a stream, with the gateway's facts in it.
    mutating func finish(gboost: [UInt8]) -> [UInt8]
    /// A whole body, with the gateway's facts in it.
    func whole(_ body: [UInt8], gboost: [UInt8]) throws(WireFormatError) -> [UInt8]
}

extension AnswerRelay {
    /// The body as it is, with one member more.
    func whole(_ body: [UInt8], gboost: [UInt8]) throws(WireFormatError) -> [UInt8] {
        guard let document = try? JSONDocument(body, limits: .provider),
            var editor = try? JSONObjectEditor(document)
        else { return body }
        editor.set("gboost", json: gboost)
        return editor.bytes
    }
}

extension MessagesTail: AnswerRelay {}

extension ResponsesTail: AnswerRelay {}

extension EventsToChunks: AnswerRelay {
    func whole(_ body: [UInt8], gboost: [UInt8]) throws(WireFormatError) -> [UInt8] {
        try MessageToCompletion.body(body, created: created, gboost: gboost)
    }
}

extension ChunksToEvents: AnswerRelay {
    func whole(_ body: [UInt8], gboost: [UInt8]) throws(WireFormatError) -> [UInt8] {
        try CompletionToMessage.body(body, gboost: gboost)
    }
}

extension WireRequest {
    /// The way back for the answer to `sent`, which this request became.
    /// - Parameter created: Unix time in seconds.
    func relay(for sent: WireRequest, created: Int64) -> any AnswerRelay {
        switch (self, sent) {
        case (.chat(let chat), .chat): StreamTail(choices: chat.n, wantsUsage: chat.includesUsage)
        case (.chat(let chat), .messages): EventsToChunks(created: created, wantsUsage: chat.includesUsage)
        case (.messages, .messages): MessagesTail()
        case (.messages, .chat): ChunksToEvents()
        case (.plain(let plain), _) where plain.kind == .responses: ResponsesTail()
        // Nothing else is ever translated to or from a further endpoint.
        case (.plain, _), (_, .plain): StreamTail(choices: choices, wantsUsage: includesUsage)
        }
    }
    private var includesUsage: Bool {
        switch self {
        case .chat(let chat): chat.includesUsage
        case .messages: true
        case .plain(let plain): plain.includesUsage
        }
    }
}
