internal import GatewayCore
internal import WireFormat

/// What an answer of `Converse` or `ConverseStream` has said so far, and the same in OpenAI's words: pure state, fed
/// with bytes.
struct ConverseAnswer: ProviderAnswer {
    private let isStream: Bool
    private var parser: EventStreamParser
    private var body: [UInt8] = []
    private var chunks: CanonicalChunks
    private var reason: String?
    /// The open thought, and what signs it.
    private var thought = ""
    private var signature = ""
    /// The open block is a call of which no arguments have come.
    private var lacksInput = false
    private(set) var result: PaidResult
    /// `metadata` was seen, which ends a stream.
    private(set) var isDone = false

    init(isStream: Bool, providerRequestID: String?, maxEventBytes: Int, model: String, created: Int64) {
        self.isStream = isStream
        parser = EventStreamParser(maxMessageBytes: maxEventBytes)
        chunks = CanonicalChunks(id: providerRequestID ?? "chatcmpl", created: created, model: model)
        result = PaidResult(providerRequestID: providerRequestID)
    }

    mutating func push(_ bytes: [UInt8]) -> AnswerPiece {
        guard isStream else {
            body += bytes
            return AnswerPiece()
        }
        var piece = AnswerPiece()
        guard !isDone else { return piece }
        do throws(WireFormatError) {
            for message in try parser.push(bytes) where !isDone && piece.fault == nil { try take(message, &piece) }
        } catch {
            piece.fault = "the stream cannot be read: \(error.message)"
        }
        return piece
    }

    mutating func finish() -> AnswerPiece {
        var piece = AnswerPiece()
        guard isStream else {
            do throws(WireFormatError) { try takeBody(&piece) } catch {
                piece.fault = "the body is no answer: \(error.message)"
            }
            return piece
        }
        guard !isDone else { return piece }
        guard let reason, !parser.isWithinMessage else {
            piece.fault = "the stream ended before the answer"
            return piece
        }
        // Without `metadata` there is no usage: the whole hold is settled.
        end(reason, usage: nil, &piece)
        return piece
    }

    private mutating func end(_ reason: String, usage: TokenUsage?, _ piece: inout AnswerPiece) {
        isDone = true
        result.finishReason = reason
        result.usage = usage
        chunks.finish(reason, usage: usage, to: &piece.bytes)
    }

    // MARK: A stream

    private mutating func take(_ message: EventStreamMessage, _ piece: inout AnswerPiece) throws(WireFormatError) {
        let kind = message.headers[":message-type"] ?? "event"
        guard kind == "event" else {
            let name = message.headers[":exception-type"] ?? message.headers[":error-code"] ?? kind
            let root = try? JSONDocument(message.payload, limits: .provider).root
            let words = root?["message"]?.string ?? message.headers[":error-message"] ?? ""
            piece.fault = "the provider reported an error: \(name): \(words.prefix(ProviderFault.maxMessageLength))"
            return
        }
        let root = try JSONDocument(message.payload, limits: .provider).root
        switch message.headers[":event-type"] {
        case "messageStart": chunks.begin(to: &piece.bytes)
        case "contentBlockStart":
            guard let tool = root["start"]?["toolUse"] else { return }
            chunks.append(
                callID: tool["toolUseId"]?.string ?? "call_\(chunks.calls)", name: tool["name"]?.string ?? "",
                arguments: "", to: &piece.bytes)
            lacksInput = true
        case "contentBlockDelta": try takeDelta(root["delta"], &piece)
        case "contentBlockStop":
            endThought(&piece)
            // Clients parse the arguments, and no text at all is no JSON.
            if lacksInput { chunks.append(arguments: "{}", to: &piece.bytes) }
            lacksInput = false
        case "messageStop": reason = Self.finish(root["stopReason"]?.string)
        case "metadata": end(reason ?? "stop", usage: ConverseUsage.usage(root["usage"]), &piece)
        // New kinds of events may come.
        default: break
        }
    }

    private mutating func takeDelta(_ delta: JSONValue?, _ piece: inout AnswerPiece) throws(WireFormatError) {
        if let text = delta?["text"]?.string {
            piece.text += text
            chunks.append(text: text, to: &piece.bytes)
        } else if let input = delta?["toolUse"]?["input"]?.string {
            lacksInput = lacksInput && input.isEmpty
            chunks.append(arguments: input, to: &piece.bytes)
        } else if let reasoning = delta?["reasoningContent"] {
            if let text = reasoning["text"]?.string {
                thought += text
                guard thought.utf8.count <= CanonicalChunks.maxThoughtBytes else {
                    throw WireFormatError(
                        .limitExceeded, "A thought is longer than \(CanonicalChunks.maxThoughtBytes) bytes.")
                }
                chunks.append(thought: text, to: &piece.bytes)
            }
            signature += reasoning["signature"]?.string ?? ""
            if let data = reasoning["redactedContent"]?.string {
                chunks.append(block: Self.redacted(data), to: &piece.bytes)
            }
        }
    }

    private mutating func endThought(_ piece: inout AnswerPiece) {
        if !signature.isEmpty { chunks.append(block: Self.block(thought, signature), to: &piece.bytes) }
        (thought, signature) = ("", "")
    }

    // MARK: A body

    private mutating func takeBody(_ piece: inout AnswerPiece) throws(WireFormatError) {
        let root = try JSONDocument(body, limits: .provider).root
        guard let message = root["output"]?["message"] else {
            throw WireFormatError(.missingField, "there is no message in it")
        }
        for block in message["content"]?.elements ?? [] {
            if let text = block["text"]?.string {
                piece.text += text
                chunks.add(text: text)
            } else if let tool = block["toolUse"] {
                chunks.add(
                    callID: tool["toolUseId"]?.string ?? "call_\(chunks.calls)", name: tool["name"]?.string ?? "",
                    arguments: tool["input"].map { String(decoding: $0.rawBytes, as: UTF8.self) } ?? "{}")
            } else if let reasoning = block["reasoningContent"] {
                if let text = reasoning["reasoningText"]?["text"]?.string {
                    chunks.add(thought: text)
                    let mark = reasoning["reasoningText"]?["signature"]?.string ?? ""
                    if !mark.isEmpty { chunks.add(block: Self.block(text, mark)) }
                } else if let data = reasoning["redactedContent"]?.string {
                    chunks.add(block: Self.redacted(data))
                }
            }
        }
        let reason = Self.finish(root["stopReason"]?.string)
        result.finishReason = reason
        result.usage = ConverseUsage.usage(root["usage"])
        piece.bytes = chunks.body(reason, usage: result.usage)
    }

    /// A thought as clients send it back.
    private static func block(_ text: String, _ signature: String) -> [UInt8] {
        var json = JSONWriter(reserving: text.utf8.count + signature.utf8.count + 64)
        json.beginObject()
        json.member("type", "thinking")
        json.member("thinking", text)
        json.member("signature", signature)
        json.endObject()
        return json.bytes
    }

    private static func redacted(_ data: String) -> [UInt8] {
        var json = JSONWriter(reserving: data.utf8.count + 64)
        json.beginObject()
        json.member("type", "redacted_thinking")
        json.member("data", data)
        json.endObject()
        return json.bytes
    }

    private static func finish(_ word: String?) -> String {
        switch word {
        case "tool_use": "tool_calls"
        case "max_tokens", "model_context_window_exceeded": "length"
        case "guardrail_intervened", "content_filtered": "content_filter"
        // Withheld, since it could not be read: as a "stop" the client would take it for an answer.
        case "malformed_model_output", "malformed_tool_use": "content_filter"
        default: "stop"
        }
    }
}
