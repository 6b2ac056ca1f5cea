/// One recorded request as `gboost replay` sees it: what each model made of it, what that cost, and what the router
/// could have known before it chose.
///
/// Both forms of data become this: text with steps, whose signal a reward model reads from the draft, and arms with a
/// reward and a cost, whose signal is the reward with noise. Nothing in it is a text, so the engine is a pure value.
package struct ReplayRequest: Hashable, Sendable, Codable {
    /// What a model made of the request.
    package struct Arm: Hashable, Sendable, Codable {
        /// 0…1: a judge's reward, or 1 for a right answer and 0 for a wrong one.
        package var quality: Double
        /// What its provider billed, in nano-dollars; an SLM's is 0 unless its owner charges for it.
        package var cost: Int64
        package init(quality: Double, cost: Int64) {
            self.quality = quality
            self.cost = cost
        }
    }

    /// Names the row in messages.
    package var id: String
    /// The task's cluster, known before anything is drafted: what gains are learned by. "" where there is only one.
    package var cluster: String
    package var slm: Arm
    package var llm: Arm
    /// The process reward after each step of the SLM's draft, in the draft's order: higher is better, and the last one
    /// is what the router decides by. It need not be calibrated: the engine maps it to a probability by the rows that
    /// it is given to fit on, which leaves a calibrated one as it is. Empty: no reward, so never escalated.
    package var signal: [Double]
    /// How good the reward model takes the LLM's answer to be, on the scale of `slm.quality`: all that the router ever
    /// learns about it. nil: the answer is not scored, and nothing is learned from it.
    package var llmSignal: Double?
    /// What can be known of the question alone, as numbers, for the query-only router; of one length in all rows.
    package var queryFeatures: [Double]
    /// ĉ, the expected cost of the LLM's answer as it can be worked out from the prompt, in nano-dollars; nil: learned
    /// by cluster from the rows that are fitted on.
    package var expectedCost: Int64?
    /// What the ledger would hold before the call: the highest possible cost, in nano-dollars; nil: the highest cost
    /// of any row of the data, which is at least this row's.
    package var holdCost: Int64?

    package init(
        id: String, cluster: String = "", slm: Arm, llm: Arm, signal: [Double]
    ) {
        self.id = id
        self.cluster = cluster
        self.slm = slm
        self.llm = llm
        self.signal = signal
        queryFeatures = []
    }

    /// The same with what its LLM's answer costs as what is expected of it.
    var withKnownCost: ReplayRequest {
        var request = self
        request.expectedCost = llm.cost
        return request
    }
}
