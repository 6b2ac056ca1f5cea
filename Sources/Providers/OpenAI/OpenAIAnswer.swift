internal import GatewayCore
internal import WireFormat

/// What an OpenAI-compatible answer has said so far: pure state, fed with bytes.
struct OpenAIAnswer: ProviderAnswer {
    let isStream: Bool
    private var parser: SSEParser
    private var ends = EventEnds()
    private var body: [UInt8] = []
    private(set) var result: PaidResult
    /// `[DONE]` was seen: nothing that follows counts.
    private(set) var isDone = false

    init(isStream: Bool, providerRequestID: String?, maxEventBytes: Int) {
        self.isStream = isStream
        parser = SSEParser(maxEventBytes: maxEventBytes)
        result = PaidResult(providerRequestID: providerRequestID)
    }

    /// Takes bytes as they arrive.
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

    /// The body is complete.
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
            if event.isDone {
                isDone = true
            } else if !event.data.isEmpty {
                do throws(WireFormatError) {
                    let chunk = try OpenAIChunk(event.data)
                    note(chunk.usage, chunk.usageText, chunk.finishReason)
                    piece.text += chunk.text
                    piece.fault = chunk.error.map { "the provider reported an error: \($0.message)" }
                } catch {
                    piece.fault = "an event is not a chunk: \(error.message)"
                }
            }
            // A broken event is not passed on.
            if piece.fault == nil { piece.bytes += ends.passable(event.raw) }
        }
        return piece
    }

    private mutating func takeBody() -> AnswerPiece {
        do throws(WireFormatError) {
            let completion = try OpenAICompletion(body)
            note(completion.usage, completion.usageText, completion.finishReason)
            if let error = completion.error {
                return AnswerPiece(fault: "the provider reported an error: \(error.message)")
            }
            return AnswerPiece(bytes: body, text: completion.text)
        } catch {
            return AnswerPiece(fault: "the body is not a completion: \(error.message)")
        }
    }

    /// The last usage wins; counts are never added up. Counts that cannot be relied on are none, so that the whole
    /// hold is settled.
    private mutating func note(_ usage: UsageField, _ raw: String?, _ finishReason: String?) {
        switch usage {
        case .absent: break
        case .invalid: result.usage = nil
        case .valid(let counts):
            result.usage = TokenUsage(counts, raw: raw)
        }
        if let finishReason { result.finishReason = finishReason }
    }
}

extension TokenUsage {
    /// - Parameter raw: the provider's own usage object.
    init(_ counts: TokenCounts, raw: String?) {
        self.init(
            input: counts.prompt, cachedInput: counts.cached, cacheWrite5m: counts.cacheWrite - counts.cacheWrite1h,
            cacheWrite1h: counts.cacheWrite1h, output: counts.completion, reasoning: counts.reasoning, raw: raw)
    }
}
