/// How the tokens of one draft are chosen. `temperature == 0` is greedy.
///
/// What is out of range is refused by the engine, with the field's name, rather than clamped.
package struct Sampling: Hashable, Sendable, Codable {
    /// 0…5.
    package var temperature: Double = 0
    /// Above 0, at most 1: the most probable tokens that together have this probability.
    package var topP: Double = 1
    /// The most probable tokens, by number; 0 for all of them, which makes `topP` several milliseconds dearer.
    package var topK: Int = 40
    /// 0…1: tokens at least this probable, measured by the most probable one.
    package var minP: Double = 0
    package var seed: UInt32 = 0
    /// Above 0, at most 10: divides the logits of tokens that the answer has already; 1 is none.
    package var repeatPenalty: Double = 1
    /// −2…2, for each time that the answer has the token.
    package var frequencyPenalty: Double = 0
    /// −2…2, once for a token that the answer has.
    package var presencePenalty: Double = 0
    /// Tokens at the end of the answer that the penalties look at, 0…8192.
    package var penaltyWindow: Int = 1024
    /// −100…100 by token, added to the logit; at most 1,024 of them.
    package var logitBias: [Int32: Double] = [:]
    /// A grammar in GBNF with a rule `root`, which the answer follows from its beginning; at most 64 KiB.
    package var grammar: String?
    /// A JSON schema that the answer follows instead; at most 256 KiB, and its grammar as large as another.
    package var jsonSchema: String?
    package init(temperature: Double = 0, topP: Double = 1, topK: Int = 40, seed: UInt32 = 0) {
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.seed = seed
    }
}
