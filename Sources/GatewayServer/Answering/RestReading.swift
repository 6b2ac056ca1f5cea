internal import FoundationEssentials
internal import GatewayCore

/// What a PRM makes of the rest of an answer that an LLM wrote, asked for when the client has the answer: so that a
/// route's router hears of an LLM that has become worse.
struct RestReading: Sendable {
    /// A longer rest is not read.
    private static let maxBytes = 8192

    let models: RouteModels
    let messages: [ChatMessage]
    /// The steps before the rest.
    private let texts: [String]
    private let lines: [String]

    /// nil where there is no such rest: the answer does not end with what one paid call wrote.
    /// - Parameter before: what of the answer was there before its first step.
    init?(_ trace: [StepTrace], messages: [ChatMessage], before: [String], models: RouteModels) {
        guard let rest = trace.last, rest.source == .llm, rest.action == .llmRest,
            trace.dropLast().allSatisfy({ $0.source == .slm }), rest.text.utf8.count <= Self.maxBytes
        else { return nil }
        let lines = rest.text.split(whereSeparator: \.isNewline).map { String($0) + "\n" }
        guard !lines.isEmpty else { return nil }
        self.models = models
        self.messages = messages
        self.lines = lines
        texts = before + trace.dropLast().map(\.text)
    }

    /// The chance that the answer is right, as the PRM reads it; nil where the PRM cannot read what another model wrote
    /// (one that looks at the SLM's own hidden states), or is away.
    func probability() async -> Double? {
        guard let prm = await models.prm(), !prm.needsHidden, let last = lines.last else { return nil }
        let session = UUID()
        let draft = StepDraft(
            text: last, tokens: [], logProbabilities: [], hidden: [], end: .answer, promptTokens: 0, reusedTokens: 0)
        let reward = try? await prm.score(
            session: session, messages: messages, answer: texts + lines.dropLast(), draft: draft)
        await models.end(session: session)
        return reward.flatMap { $0.calibrated.isFinite ? $0.calibrated : nil }
    }
}
