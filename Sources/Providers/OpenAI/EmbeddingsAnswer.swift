internal import GatewayCore
internal import WireFormat

/// What an answer with embeddings says: its usage is read by itself, since the numbers beside it are millions.
struct EmbeddingsAnswer: ProviderAnswer {
    private static let mark = Array(#""usage""#.utf8)
    private var body: [UInt8] = []
    private(set) var result: PaidResult
    var isDone: Bool { false }

    init(providerRequestID: String?) { result = PaidResult(providerRequestID: providerRequestID) }

    mutating func push(_ bytes: [UInt8]) -> AnswerPiece {
        body += bytes
        return AnswerPiece()
    }

    mutating func finish() -> AnswerPiece {
        if let counts = usage() { result.usage = TokenUsage(counts, raw: nil) }
        return AnswerPiece(bytes: body)
    }

    /// The object behind the last `"usage"`: there is no text in such a body that could hold one.
    private func usage() -> TokenCounts? {
        guard body.count > Self.mark.count else { return nil }
        for start in stride(from: body.count - Self.mark.count, through: 0, by: -1)
        where body[start] == Self.mark[0] && body[start..<start + Self.mark.count].elementsEqual(Self.mark) {
            guard let open = body[start...].firstIndex(of: UInt8(ascii: "{")), let close = end(from: open) else {
                return nil
            }
            return UsageField(text: Array(body[open...close])).counts
        }
        return nil
    }

    /// Where the object that begins at `open` ends: details are objects of their own, and none of it holds a text.
    private func end(from open: Int) -> Int? {
        var depth = 0
        return body[open...].firstIndex { byte in
            if byte == UInt8(ascii: "{") { depth += 1 }
            if byte == UInt8(ascii: "}") { depth -= 1 }
            return depth == 0
        }
    }
}
