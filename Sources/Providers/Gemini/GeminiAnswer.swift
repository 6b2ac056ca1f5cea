internal import GatewayCore
internal import WireFormat

/// What a Gemini answer has said so far, and the same in OpenAI's words: pure state, fed with bytes.
///
/// Every chunk may state the counts so far; the last one counts, and only once the answer has ended by itself: what a
/// stream that broke had counted is not what is charged.
struct GeminiAnswer: ProviderAnswer {
    private let isStream: Bool
    /// The gateway's own: calls that came without an id are named by it, since no two of a conversation may be alike.
    private let requestID: String
    private var parser: SSEParser
    private var body: [UInt8] = []
    private var chunks: CanonicalChunks
    private var usage: TokenUsage?
    private var reason: String?
    private(set) var result: PaidResult
    /// The end of the body is the only end mark.
    var isDone: Bool { false }

    init(
        isStream: Bool, requestID: String, providerRequestID: String?, maxEventBytes: Int, model: String, created: Int64
    ) {
        (self.isStream, self.requestID) = (isStream, requestID)
        parser = SSEParser(maxEventBytes: maxEventBytes)
        chunks = CanonicalChunks(created: created, model: model)
        result = PaidResult(providerRequestID: providerRequestID)
    }

    mutating func push(_ bytes: [UInt8]) -> AnswerPiece {
        guard isStream else {
            body += bytes
            return AnswerPiece()
        }
        do throws(WireFormatError) {
            return take(try parser.push(bytes))
        } catch {
            return AnswerPiece(fault: error.message)
        }
    }

    mutating func finish() -> AnswerPiece {
        var piece = isStream ? take(parser.finish().map { [$0] } ?? []) : takeBody()
        guard piece.fault == nil else { return piece }
        guard let reason else {
            piece.fault = "the answer ended before its end"
            return piece
        }
        result.finishReason = reason == "stop" && chunks.calls > 0 ? "tool_calls" : reason
        result.usage = usage
        let said = result.finishReason ?? reason
        if isStream {
            chunks.finish(said, usage: usage, to: &piece.bytes)
        } else {
            piece.bytes = chunks.body(said, usage: usage)
        }
        return piece
    }

    private mutating func take(_ events: [SSEEvent]) -> AnswerPiece {
        var piece = AnswerPiece()
        for event in events where !event.data.isEmpty && piece.fault == nil { read(event.data, &piece) }
        return piece
    }

    private mutating func takeBody() -> AnswerPiece {
        var piece = AnswerPiece()
        read(body, &piece)
        return piece
    }

    /// One `GenerateContentResponse`.
    private mutating func read(_ data: [UInt8], _ piece: inout AnswerPiece) {
        let root: JSONValue
        do throws(WireFormatError) {
            root = try JSONDocument(data, limits: .provider).root
        } catch {
            piece.fault = "an answer is not JSON: \(error.message)"
            return
        }
        if let error = ProviderFault(of: root) {
            piece.fault = "the provider reported an error: \(error.message)"
            return
        }
        if let id = root["responseId"]?.string { chunks.identify(id) }
        if root["usageMetadata"]?.kind == .object { usage = GeminiUsage.usage(root["usageMetadata"]) }
        if root["promptFeedback"]?["blockReason"]?.string != nil { reason = "content_filter" }
        guard let candidate = root["candidates"]?.elements.first else { return }
        for part in candidate["content"]?["parts"]?.elements ?? [] { read(part, &piece) }
        if let word = candidate["finishReason"]?.string { reason = Self.finish(word) }
    }

    private mutating func read(_ part: JSONValue, _ piece: inout AnswerPiece) {
        if let call = part["functionCall"] {
            let id = call["id"]?.string ?? "call_\(requestID)_\(chunks.calls)"
            let name = call["name"]?.string ?? ""
            let arguments = call["args"].map { String(decoding: $0.rawBytes, as: UTF8.self) } ?? "{}"
            let signature = part["thoughtSignature"]?.string
            if isStream {
                chunks.append(callID: id, name: name, arguments: arguments, signature: signature, to: &piece.bytes)
            } else {
                chunks.add(callID: id, name: name, arguments: arguments, signature: signature)
            }
        } else if let text = part["text"]?.string {
            let isThought = part["thought"]?.bool == true
            if !isThought { piece.text += text }
            switch (isStream, isThought) {
            case (true, true): chunks.append(thought: text, to: &piece.bytes)
            case (true, false): chunks.append(text: text, to: &piece.bytes)
            case (false, true): chunks.add(thought: text)
            case (false, false): chunks.add(text: text)
            }
        }
    }

    private static func finish(_ word: String) -> String {
        switch word {
        case "MAX_TOKENS": "length"
        case "STOP", "FINISH_REASON_UNSPECIFIED": "stop"
        // By its own other endpoint's words Google filters malformed and unexpected calls too. As a "stop" the client
        // would take what is left of the answer, mostly nothing, for all of it.
        default: "content_filter"
        }
    }
}
