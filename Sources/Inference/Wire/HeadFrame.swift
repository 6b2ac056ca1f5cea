/// How a published reward model wants to be asked, where that is not a chat whose answer is read step by step: tokens
/// that stand around question and steps, and the marker at whose last token the state is read.
package struct HeadFrame: Codable, Sendable, Hashable {
    /// Tokens before the question, in place of the chat template; empty: the model's chat template.
    package var before: [Int32] = []
    /// Text between the question and the first step; only where `before` stands in for the template.
    package var behindQuestion = ""
    /// Tokens behind every step.
    package var marker: [Int32] = []
    /// Tokens between a step's marker and the next step.
    package var between: [Int32] = []

    package init() {}

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        before = try values.decodeIfPresent([Int32].self, forKey: .before) ?? []
        behindQuestion = try values.decodeIfPresent(String.self, forKey: .behindQuestion) ?? ""
        marker = try values.decodeIfPresent([Int32].self, forKey: .marker) ?? []
        between = try values.decodeIfPresent([Int32].self, forKey: .between) ?? []
    }

    private enum CodingKeys: String, CodingKey {
        case before, marker, between
        case behindQuestion = "behind_question"
    }

    /// What is wrong with a frame from a file; nil if nothing is.
    var defect: String? {
        for tokens in [before, marker, between] {
            if tokens.count > RewardHead.maxFrameTokens { return "has more than \(RewardHead.maxFrameTokens) tokens" }
            if tokens.contains(where: { $0 < 0 }) { return "has a token below 0" }
        }
        return behindQuestion.utf8.count > 1024 ? "has more than 1024 bytes behind the question" : nil
    }
}
