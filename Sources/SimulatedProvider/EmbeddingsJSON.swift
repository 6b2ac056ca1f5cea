internal import Foundation

/// The JSON of OpenAI's embeddings: for each input the same few numbers, again and again.
struct EmbeddingsJSON: WireJSON {
    /// What is asked for.
    struct Wanted: Hashable, Sendable {
        /// Of inputs.
        var count = 1
        /// Of each vector.
        var dimensions = EmbeddingsJSON.numbers.count
        /// Numbers of 32 bits, the least byte first; else a list.
        var isBase64 = false
    }

    var model: String
    var wanted: Wanted

    private static let numbers: [(json: String, value: Float)] = [("0.25", 0.25), ("-0.5", -0.5), ("1e-3", 1e-3)]
    /// More inputs or dimensions at a time are refused.
    static let maxCount = 2_048
    static let maxDimensions = 4_096
    /// Numbers of all vectors together; more are refused.
    static let maxNumbers = 1 << 22

    private var vector: String {
        let all = (0..<wanted.dimensions).map { Self.numbers[$0 % Self.numbers.count] }
        guard wanted.isBase64 else { return "[\(all.map { $0.json }.joined(separator: ","))]" }
        let bytes = all.flatMap { number in
            [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number.value.bitPattern >> $0) }
        }
        return ChatJSON.string(Data(bytes).base64EncodedString())
    }

    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String { "" }
    func events(_ pieces: [SimulatedReply.Piece]) -> [String] { [] }
    func midway(_ usage: SimulatedUsage) -> String { "" }
    var garbage: String { "{" }
    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String { "" }
    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        let counts = usage.map { #","usage":{"prompt_tokens":\#($0.input),"total_tokens":\#($0.input)}"# } ?? ""
        let one = vector
        let rows = (0..<wanted.count).map { #"{"object":"embedding","index":\#($0),"embedding":\#(one)}"# }
        return #"{"object":"list","data":[\#(rows.joined(separator: ","))],"#
            + #""model":\#(ChatJSON.string(model))\#(counts)}"#
    }
}
