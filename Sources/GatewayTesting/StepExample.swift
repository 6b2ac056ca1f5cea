/// An answer to a question, cut into steps, with labels for a reward head to learn from.
///
/// In a file it is one line of JSON:
/// `{"id": …, "question": …, "slm": {"steps": […]}, "step_labels": [1, null, 0]}`.
package struct StepExample: Hashable, Sendable {
    package var id: String
    package var question: String
    package var steps: [String]
    /// As many as `steps`: right, wrong, or nil where the step is only there to lead to the next one.
    package var labels: [Bool?]
    package init(id: String, question: String, steps: [String], labels: [Bool?]) {
        self.id = id
        self.question = question
        self.steps = steps
        self.labels = labels
    }
}

extension StepExample: Codable {
    private enum Key: String, CodingKey {
        case id, question, slm
        case labels = "step_labels"
    }
    private struct Answer: Codable { var steps: [String] }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        id = try fields.decode(String.self, forKey: .id)
        question = try fields.decode(String.self, forKey: .question)
        steps = try fields.decode(Answer.self, forKey: .slm).steps
        // Soft labels (shares of right completions) count as right from one half on.
        labels = try fields.decode([Double?].self, forKey: .labels).map { $0.map { $0 >= 0.5 } }
        guard labels.count == steps.count else {
            throw DecodingError.dataCorruptedError(
                forKey: .labels, in: fields, debugDescription: "\(labels.count) labels for \(steps.count) steps")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(id, forKey: .id)
        try fields.encode(question, forKey: .question)
        try fields.encode(Answer(steps: steps), forKey: .slm)
        try fields.encode(labels.map { $0.map { $0 ? 1 : 0 } }, forKey: .labels)
    }
}
