internal import GatewayCore

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
