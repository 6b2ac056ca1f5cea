internal import GatewayCore
internal import WireFormat

/// What a piece of a provider's answer came to.
struct AnswerPiece: Sendable {
    /// Bytes to pass on; whole events of a stream.
    var bytes: [UInt8] = []
    var text = ""
    /// Why the answer is broken behind these bytes, in words without its content.
    var fault: String?
}

/// What an answer has said so far: pure state, fed with bytes.
protocol ProviderAnswer: Sendable {
    /// What is known by now.
    var result: PaidResult { get }
    /// The end mark was seen: nothing that follows counts.
    var isDone: Bool { get }
    /// Takes bytes as they arrive.
    mutating func push(_ bytes: [UInt8]) -> AnswerPiece
    /// The body is complete.
    mutating func finish() -> AnswerPiece
}

/// What one format's events and bodies mean: the part of an answer's state that formats differ in.
protocol AnswerReader: Sendable {
    /// What an event and a body are called where they are none.
    static var names: (event: String, body: String) { get }
    /// What is known by now.
    var result: PaidResult { get }
    /// The end mark was seen.
    var isDone: Bool { get }
    init(providerRequestID: String?)
    /// Reads an event; returns its text, and what the provider reports to have failed.
    mutating func read(_ event: SSEEvent) throws(WireFormatError) -> (text: String, error: String?)
    /// Reads a whole body.
    mutating func read(body: [UInt8]) throws(WireFormatError) -> (text: String, error: String?)
}

/// An answer that comes as a stream of events or as one body: pure state, fed with bytes.
struct EventAnswer<Reader: AnswerReader>: ProviderAnswer {
    let isStream: Bool
    private var parser: SSEParser
    private var ends = EventEnds()
    private var body: [UInt8] = []
    var reader: Reader

    init(isStream: Bool, providerRequestID: String?, maxEventBytes: Int) {
        self.isStream = isStream
        parser = SSEParser(maxEventBytes: maxEventBytes)
        reader = Reader(providerRequestID: providerRequestID)
    }

    var result: PaidResult { reader.result }
    var isDone: Bool { reader.isDone }

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
            if event.isDone || !event.data.isEmpty {
                do throws(WireFormatError) {
                    let said = try reader.read(event)
                    piece.text += said.text
                    piece.fault = said.error.map { "the provider reported an error: \($0)" }
                } catch {
                    piece.fault = "an event is not \(Reader.names.event): \(error.message)"
                }
            }
            // A broken event is not passed on.
            if piece.fault == nil { piece.bytes += ends.passable(event.raw) }
        }
        return piece
    }

    private mutating func takeBody() -> AnswerPiece {
        do throws(WireFormatError) {
            let said = try reader.read(body: body)
            if let error = said.error { return AnswerPiece(fault: "the provider reported an error: \(error)") }
            return AnswerPiece(bytes: body, text: said.text)
        } catch {
            return AnswerPiece(fault: "the body is not \(Reader.names.body): \(error.message)")
        }
    }
}

/// Gives line ends back to the events they belong to: where lines end in CRLF, the parser gives an event out at the CR,
/// and a client that knows nothing but CRLF would wait for the LF until the next event.
struct EventEnds: Sendable {
    /// The line feed of a CRLF was passed on with its event; the parser counts it to the next one.
    private var hasPassedLineFeed = false

    mutating func passable(_ raw: [UInt8]) -> [UInt8] {
        var bytes = raw[...]
        if hasPassedLineFeed, bytes.first == 0x0A { bytes = bytes.dropFirst() }
        hasPassedLineFeed = bytes.suffix(3).elementsEqual([0x0D, 0x0A, 0x0D])
        return hasPassedLineFeed ? bytes + [0x0A] : Array(bytes)
    }
}
