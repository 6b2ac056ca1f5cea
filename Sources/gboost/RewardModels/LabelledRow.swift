internal import Foundation
internal import GatewayCore
internal import Inference

/// One line of a data file for reward models: a question, answers to it, and what is known of them.
///
/// `{"id": …, "question": …, "slm": {"steps": […], "correct": true}, "llm": {…, "cost_usd": 0.003},
/// "slm_alternatives": […], "step_labels": [1, 0.5, null], "context": [{"role": "system", "content": …}]}`; all but
/// `question` and `slm.steps` may be missing.
struct LabelledRow: Hashable, Sendable {
    /// Longer files are refused.
    static let maxFileBytes = 256 << 20
    static let maxRows = 1_000_000

    var id: String
    /// The task's cluster, where one is given.
    var cluster: String?
    var question: String
    /// What a client sends before the question: instructions, examples.
    var context: [ChatMessage] = []
    /// The known answer, for labelling.
    var answer: String?
    var slm: LabelledAnswer
    var llm: LabelledAnswer?
    var alternatives: [LabelledAnswer]

    init(
        id: String, question: String, slm: LabelledAnswer, llm: LabelledAnswer? = nil,
        alternatives: [LabelledAnswer] = []
    ) {
        self.id = id
        self.question = question
        self.slm = slm
        self.llm = llm
        self.alternatives = alternatives
    }
}

/// An answer in steps, as good as its labels say.
struct LabelledAnswer: Hashable, Sendable, Codable {
    var steps: [String]
    /// Whether it ends right.
    var correct: Bool?
    /// As many as steps: the chance to end right from there, or nil where nobody knows.
    var stepLabels: [Double?]?
    var inputTokens: Int?
    var outputTokens: Int?
    var costUSD: Double?

    enum CodingKeys: String, CodingKey {
        case steps, correct
        case stepLabels = "step_labels"
        case inputTokens = "input_tokens"
        case outputTokens = "output_tokens"
        case costUSD = "cost_usd"
    }

    init(steps: [String], correct: Bool? = nil, stepLabels: [Double?]? = nil) {
        self.steps = steps
        self.correct = correct
        self.stepLabels = stepLabels
    }

    /// What a reward model may learn at each step: its own label, else how the answer ends; nil where neither is known.
    var labels: [Double?] {
        if let stepLabels { return stepLabels }
        return steps.map { _ in correct.map { $0 ? 1 : 0 } }
    }

    /// Steps as they stand in an answer, each with its line break.
    var lines: [String] { steps.map { $0.hasSuffix("\n") ? $0 : $0 + "\n" } }
}

extension LabelledRow: Codable {
    enum CodingKeys: String, CodingKey {
        case id, cluster, context, question, answer, slm, llm
        case alternatives = "slm_alternatives"
        case stepLabels = "step_labels"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        id = try fields.decodeIfPresent(String.self, forKey: .id) ?? ""
        cluster = try fields.decodeIfPresent(String.self, forKey: .cluster)
        context = try fields.decodeIfPresent([ChatMessage].self, forKey: .context) ?? []
        question = try fields.decode(String.self, forKey: .question)
        answer = try fields.decodeIfPresent(TextOrNumber.self, forKey: .answer)?.text
        slm = try fields.decode(LabelledAnswer.self, forKey: .slm)
        llm = try fields.decodeIfPresent(LabelledAnswer.self, forKey: .llm)
        alternatives = try fields.decodeIfPresent([LabelledAnswer].self, forKey: .alternatives) ?? []
        if let labels = try fields.decodeIfPresent([Double?].self, forKey: .stepLabels) { slm.stepLabels = labels }
        for answer in [slm] + alternatives {
            guard !answer.steps.isEmpty, answer.steps.allSatisfy({ !$0.isEmpty }) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .slm, in: fields, debugDescription: "steps: at least one, and none without text")
            }
            guard let labels = answer.stepLabels else { continue }
            guard labels.count == answer.steps.count else {
                throw DecodingError.dataCorruptedError(
                    forKey: .stepLabels, in: fields,
                    debugDescription: "\(labels.count) labels for \(answer.steps.count) steps")
            }
            guard labels.allSatisfy({ (0...1).contains($0 ?? 0) }) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .stepLabels, in: fields, debugDescription: "labels must be 0 to 1")
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(id, forKey: .id)
        try fields.encodeIfPresent(cluster, forKey: .cluster)
        if !context.isEmpty { try fields.encode(context, forKey: .context) }
        try fields.encode(question, forKey: .question)
        try fields.encodeIfPresent(answer, forKey: .answer)
        try fields.encode(slm, forKey: .slm)
        try fields.encodeIfPresent(llm, forKey: .llm)
        if !alternatives.isEmpty { try fields.encode(alternatives, forKey: .alternatives) }
        if let labels = slm.stepLabels { try fields.encode(labels, forKey: .stepLabels) }
    }

    /// What the SLM is asked.
    var messages: [ChatMessage] { context + [ChatMessage(role: "user", content: question)] }
    /// The same as one text, as reward models read a conversation.
    var wholeQuestion: String { messages.wholeQuestion }

    /// - Throws: `LabelledRowFailure` that names file, line and field.
    static func read(_ path: String) throws -> [LabelledRow] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw LabelledRowFailure("\(path) cannot be read: \(FileFailure.unreadable(path))")
        }
        guard data.count <= maxFileBytes else { throw LabelledRowFailure("\(path) is larger than 256 MiB") }
        return try rows(in: data, of: path)
    }

    /// The rows of a file's bytes.
    ///
    /// - Parameter path: what the file is called in failures.
    static func rows(in data: Data, of path: String) throws -> [LabelledRow] {
        let lines = JSONLines.split(data)
        guard lines.count <= maxRows else { throw LabelledRowFailure("\(path) has more than \(maxRows) lines") }
        let decoder = JSONDecoder()
        return try lines.map { number, line in
            do {
                return try decoder.decode(LabelledRow.self, from: line)
            } catch {
                throw LabelledRowFailure("\(path), line \(number): \(Self.reason(error))")
            }
        }
    }

    /// What is wrong with a line, by its field.
    static func reason(_ error: any Error) -> String {
        switch error as? DecodingError {
        case .keyNotFound(let key, _): "field \"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\(context.codingPath.map { "field \"\($0.stringValue)\": " }.last ?? "")\(context.debugDescription)"
        default: "not a labelled answer"
        }
    }
}

/// Why a data file is of no use; the text names file, line and field.
struct LabelledRowFailure: Error, CustomStringConvertible, Hashable {
    var description: String
    init(_ description: String) { self.description = description }
}
