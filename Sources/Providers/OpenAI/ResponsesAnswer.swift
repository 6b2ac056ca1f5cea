internal import GatewayCore
internal import WireFormat

/// What an answer of OpenAI's Responses API has said so far: pure state, fed with bytes.
struct ResponsesAnswer: ProviderAnswer {
    let isStream: Bool
    private var parser: SSEParser
    private var ends = EventEnds()
    private var body: [UInt8] = []
    private(set) var result: PaidResult
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
            last.raw += Array("\n\n".utf8)
            piece = take([last])
        }
        if piece.fault == nil, !isDone { piece.fault = "the stream ended before the answer" }
        return piece
    }

    private mutating func take(_ events: [SSEEvent]) -> AnswerPiece {
        var piece = AnswerPiece()
        for event in events where !isDone && piece.fault == nil {
            if !event.data.isEmpty, !event.isDone {
                do throws(WireFormatError) {
                    let known = try ResponsesEvent(event: event.data)
                    piece.text += known.text
                    if known.finishReason != nil { note(known) }
                    piece.fault = known.error.map { "the provider reported an error: \($0.message)" }
                } catch {
                    piece.fault = "an event is not one of a response: \(error.message)"
                }
            }
            if piece.fault == nil { piece.bytes += ends.passable(event.raw) }
        }
        return piece
    }

    private mutating func note(_ event: ResponsesEvent) {
        isDone = true
        result.finishReason = event.finishReason
        result.usage = event.usage.counts.map { TokenUsage($0, raw: event.usageText) }
    }

    private mutating func takeBody() -> AnswerPiece {
        do throws(WireFormatError) {
            let known = try ResponsesEvent(body: body)
            note(known)
            if let error = known.error {
                return AnswerPiece(fault: "the provider reported an error: \(error.message)")
            }
            return AnswerPiece(bytes: body, text: known.text)
        } catch {
            return AnswerPiece(fault: "the body is not a response: \(error.message)")
        }
    }
}
