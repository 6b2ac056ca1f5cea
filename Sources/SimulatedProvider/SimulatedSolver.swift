internal import GatewayTesting
internal import WireFormat

/// What the simulated models say: the solution of the last word problem of the conversation, or a fixed sentence.
struct SimulatedSolver: Sendable {
    var seed: UInt64
    /// Multiplied with the model's own.
    var accuracy: Double

    static let cannedAnswer = "This is the simulated provider. It solves the arithmetic word problems of this project."
    private static let cannedStep = "This is the simulated provider, which only knows word problems."

    /// The whole reply, before `stop` and `max_tokens`.
    func reply(to messages: [ChatRequest.Message], by model: SimulatedModel) -> String {
        let escalation = messages.last.flatMap { EscalationPrompt.parts(ofLastMessage: $0.content) }
        guard let problem = problem(in: messages, escalation: escalation) else {
            return escalation?.ask == .step ? Self.cannedStep + EscalationPrompt.endMark : Self.cannedAnswer
        }
        guard let escalation else {
            return lines(of: problem, accepted: [], by: model).joined(separator: "\n")
        }
        let accepted = escalation.steps.split(whereSeparator: \.isNewline).map(String.init)
        let lines = lines(of: problem, accepted: accepted, by: model)
        switch escalation.ask {
        case .rest:
            return lines.joined(separator: escalation.steps.contains("\n\n") ? "\n\n" : "\n")
        case .step:
            let next = lines.first ?? problem.answerLine
            return lines.count <= 1 ? next + EscalationPrompt.endMark : next
        }
    }

    /// The problem asked last by the user.
    private func problem(in messages: [ChatRequest.Message], escalation: EscalationPrompt.Parts?) -> WordProblem? {
        for (offset, message) in messages.reversed().enumerated() where message.role == "user" {
            let text = offset == 0 ? escalation?.question ?? message.content : message.content
            if let problem = WordProblem.parse(question: text) { return problem }
        }
        return nil
    }

    /// The lines that follow the accepted ones, the answer's line last. Accepted lines count up to the first wrong
    /// one: from there on the solution is worked out again.
    private func lines(of problem: WordProblem, accepted: [String], by model: SimulatedModel) -> [String] {
        let covered = problem.coveredSteps(by: accepted)
        // One coin a question and model, so that a question does not turn easy by being asked again.
        var coin = SplitMix64(text: "\(model.name)\n\(problem.question)", seed: seed)
        let isRight = coin.unit() < accuracy * model.accuracy
        let slip = coin.integer(in: 0...(problem.steps.count - 1))
        guard !isRight else { return Array(problem.goldSteps[covered...]) + [problem.answerLine] }
        // The slip itself may differ between calls: a wrong line that was sent back is not written again.
        var random = SplitMix64(text: accepted.joined(separator: "\n"), seed: coin.next())
        guard covered < problem.steps.count else { return [problem.corruptedAnswerLine(using: &random)] }
        return problem.derailedSolution(from: covered, wrong: max(covered, slip), using: &random)
    }
}

/// A reply as it goes out: cut at `stop` and `max_tokens`, and in chunks.
struct SimulatedReply: Hashable, Sendable {
    var text: String
    /// "stop" or "length".
    var finishReason: String
    /// The text in words, each with the white space before it.
    var chunks: [String]

    init(full: String, stop: [String], maxTokens: Int) {
        var kept = Array(full.utf8)
        let cuts = stop.compactMap { Self.firstIndex(of: Array($0.utf8), in: kept) }
        if let cut = cuts.min() { kept.removeSubrange(cut...) }
        finishReason = "stop"
        let (limit, overflow) = maxTokens.multipliedReportingOverflow(by: SimulatedModel.bytesPerToken)
        if !overflow, kept.count > limit {
            finishReason = "length"
            // Not within a character.
            var end = limit
            while end > 0, kept[end] & 0xc0 == 0x80 { end -= 1 }
            kept.removeSubrange(end...)
        }
        text = String(decoding: kept, as: UTF8.self)
        chunks = Self.words(kept)
    }

    /// Tokens of the whole text, one at least.
    var outputTokens: Int { max(1, SimulatedModel.tokens(utf8Bytes: text.utf8.count)) }

    /// Tokens of the first `count` chunks.
    func outputTokens(chunks count: Int) -> Int {
        SimulatedModel.tokens(utf8Bytes: chunks.prefix(count).reduce(0) { $0 + $1.utf8.count })
    }

    private static func firstIndex(of pattern: [UInt8], in text: [UInt8]) -> Int? {
        guard !pattern.isEmpty, text.count >= pattern.count else { return nil }
        return (0...(text.count - pattern.count)).first { text[$0..<$0 + pattern.count].elementsEqual(pattern) }
    }

    private static func words(_ text: [UInt8]) -> [String] {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a }
        var words: [String] = []
        var start = 0
        for index in text.indices.dropFirst() where isSpace(text[index]) && !isSpace(text[index - 1]) {
            words.append(String(decoding: text[start..<index], as: UTF8.self))
            start = index
        }
        if start < text.count { words.append(String(decoding: text[start...], as: UTF8.self)) }
        return words
    }
}
