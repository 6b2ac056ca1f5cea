internal import GatewayCore
internal import WireFormat

/// What an Anthropic answer has said so far: pure state, fed with bytes.
struct AnthropicAnswer: ProviderAnswer {
    let isStream: Bool
    private var parser: SSEParser
    private var ends = EventEnds()
    private var body: [UInt8] = []
    /// What was said of the counts so far: not to be relied on before the answer's end is known.
    private var usage: AnthropicUsage?
    private(set) var result: PaidResult
    /// `message_stop` was seen.
    private(set) var isDone = false

    init(isStream: Bool, providerRequestID: String?, maxEventBytes: Int) {
        self.isStream = isStream
        parser = SSEParser(maxEventBytes: maxEventBytes)
        result = PaidResult(providerRequestID: providerRequestID)
    }

    mutating func push(_ bytes: [UInt8]) -> AnswerPiece {
        guard isStream else {
            body += bytes
            return AnswerPiece()
        }
        guard !isDone else { return AnswerPiece() }
        do throws(WireFormatError) {
            return take(try parser.push(bytes))
        } catch {
            return AnswerPiece(fault: error.message)
        }
    }

    mutating func finish() -> AnswerPiece {
        guard isStream else { return takeBody() }
        guard !isDone else { return AnswerPiece() }
        var piece = AnswerPiece()
        if var last = parser.finish() {
            // The blank line is missing that would end the event for whoever it is passed on to.
            last.raw += Array("\n\n".utf8)
            piece = take([last])
        }
        if piece.fault == nil, !isDone, result.finishReason == nil {
            piece.fault = "the stream ended before the answer"
        }
        return piece
    }

    private mutating func take(_ events: [SSEEvent]) -> AnswerPiece {
        var piece = AnswerPiece()
        for event in events where !isDone && piece.fault == nil {
            if !event.data.isEmpty {
                do throws(WireFormatError) {
                    let known = try AnthropicEvent(event.data)
                    note(known)
                    piece.text += known.text
                    piece.fault = known.error.map { "the provider reported an error: \($0.message)" }
                } catch {
                    piece.fault = "an event is not one of a message: \(error.message)"
                }
            }
            // A broken event is not passed on.
            if piece.fault == nil { piece.bytes += ends.passable(event.raw) }
        }
        return piece
    }

    private mutating func note(_ event: AnthropicEvent) {
        if let later = event.usage { usage = usage?.replaced(by: later) ?? later }
        if let reason = event.stopReason { result.finishReason = FinishReason.openAI(reason) }
        if event.type == "message_stop" { isDone = true }
        // Counts of a `message_start`, or of an answer that goes on, are not yet what is charged.
        if result.finishReason != nil, event.type == "message_delta" || event.type == "message_stop" { settle() }
    }

    private mutating func settle() {
        guard let counts = usage?.field.counts else {
            result.usage = nil
            return
        }
        result.usage = TokenUsage(counts, raw: usage?.raw)
    }

    private mutating func takeBody() -> AnswerPiece {
        do throws(WireFormatError) {
            let message = try AnthropicMessage(body)
            usage = message.usage
            result.finishReason = FinishReason.openAI(message.stopReason)
            settle()
            if let error = message.error {
                return AnswerPiece(fault: "the provider reported an error: \(error.message)")
            }
            return AnswerPiece(bytes: body, text: message.text)
        } catch {
            return AnswerPiece(fault: "the body is not a message: \(error.message)")
        }
    }
}
