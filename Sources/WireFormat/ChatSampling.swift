/// How a client wants tokens to be chosen, beyond temperature and `top_p`: OpenAI's fields, and those that servers of
/// local models share.
package struct ChatSampling: Hashable, Sendable {
    /// Most entries that `logit_bias` may have.
    package static let maxBiases = 1024

    package var frequencyPenalty: Double?
    package var presencePenalty: Double?
    /// By token of the model that is asked.
    package var logitBias: [Int32: Double] = [:]
    /// 0 for all; −1, as some clients write it, is the same.
    package var topK: Int?
    package var minP: Double?
    /// `repeat_penalty` or `repetition_penalty`.
    package var repeatPenalty: Double?

    package init() {}
}
