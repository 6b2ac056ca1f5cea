internal import GatewayCore
internal import WireFormat

/// What an OpenAI-compatible answer has said so far: pure state, fed with bytes.
struct OpenAIAnswer: Sendable {
    /// What a piece of the answer came to.
    struct Piece: Sendable {
        /// Bytes to pass on; whole events of a stream.
        var bytes: [UInt8] = []
        var text = ""
        /// Why the answer is broken behind these bytes, in words without its content.
        var fault: String?
    }

    let isStream: Bool
    private var parser: SSEParser
    /// The line feed of a CRLF was passed on with its event; the parser counts it to the next one.
    private var hasPassedLineFeed = false
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
    mutating func push(_ bytes: [UInt8]) -> Piece {
        guard isStream else {
            body += bytes
            return Piece()
        }
        guard !isDone else { return Piece() }
        do throws(WireFormatError) {
            return take(try parser.push(bytes))
        } catch {
            return Piece(fault: error.message)
        }
    }

    /// The body is complete.
    mutating func finish() -> Piece {
        guard isStream else { return takeBody() }
        guard !isDone else { return Piece() }
        var piece = Piece()
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

    private mutating func take(_ events: [SSEEvent]) -> Piece {
        var piece = Piece()
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
            if piece.fault == nil { piece.bytes += passable(event.raw) }
        }
        return piece
    }

    /// The event with the end of its blank line: where lines end in CRLF, the parser gives it out at the CR, and a
    /// client that knows nothing but CRLF would wait for the LF until the next event.
    private mutating func passable(_ raw: [UInt8]) -> [UInt8] {
        var bytes = raw[...]
        if hasPassedLineFeed, bytes.first == 0x0A { bytes = bytes.dropFirst() }
        hasPassedLineFeed = bytes.suffix(3).elementsEqual([0x0D, 0x0A, 0x0D])
        return hasPassedLineFeed ? bytes + [0x0A] : Array(bytes)
    }

    private mutating func takeBody() -> Piece {
        do throws(WireFormatError) {
            let completion = try OpenAICompletion(body)
            note(completion.usage, completion.usageText, completion.finishReason)
            if let error = completion.error { return Piece(fault: "the provider reported an error: \(error.message)") }
            return Piece(bytes: body, text: completion.text)
        } catch {
            return Piece(fault: "the body is not a completion: \(error.message)")
        }
    }

    /// The last usage wins; counts are never added up. Counts that cannot be relied on are none, so that the whole
    /// hold is settled.
    private mutating func note(_ usage: UsageField, _ raw: String?, _ finishReason: String?) {
        switch usage {
        case .absent: break
        case .invalid: result.usage = nil
        case .valid(let counts):
            result.usage = TokenUsage(
                input: counts.prompt, cachedInput: counts.cached, cacheWrite5m: counts.cacheWrite,
                output: counts.completion, reasoning: counts.reasoning, raw: raw)
        }
        if let finishReason { result.finishReason = finishReason }
    }
}
