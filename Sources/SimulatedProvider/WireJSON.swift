internal import NIOCore

/// What a call counts, and so what it costs. `input` includes what was read from a cache and written to one.
struct SimulatedUsage: Hashable, Sendable {
    var input = 0
    var cached = 0
    var cacheWrite5m = 0
    var cacheWrite1h = 0
    var output = 0
    /// Part of `output`.
    var thinking = 0
}

/// How answers are written: one kind for each wire format.
protocol WireJSON: Sendable {
    /// The stream up to its first piece.
    /// - Parameter isStale: whether it states counts that the end will replace.
    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String
    /// An event or more for each piece.
    func events(_ pieces: [SimulatedReply.Piece]) -> [String]
    /// Counts in the middle of a stream.
    func midway(_ usage: SimulatedUsage) -> String
    /// An event that is no JSON.
    var garbage: String { get }
    /// The end behind the last piece.
    /// - Parameter isInChoices: whether the usage stands where it is not expected.
    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String
    /// The answer of a call that does not stream.
    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String
    /// A stream's text as it goes onto the wire.
    func encoded(_ text: String) -> ByteBuffer
}

extension WireJSON {
    func encoded(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }
}
