internal import Foundation
internal import GatewayCore

/// A line to be labelled.
struct UnlabelledRow: Decodable, Hashable, Sendable {
    private struct Answer: Decodable { var steps: [String]? }
    private enum Key: String, CodingKey { case id, context, question, answer, slm }

    var id: String
    /// What a client sends before the question.
    var context: [ChatMessage]
    var question: String
    var answer: String
    /// Empty where the SLM shall draft them.
    var steps: [String]

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        id = try fields.decodeIfPresent(String.self, forKey: .id) ?? ""
        context = try fields.decodeIfPresent([ChatMessage].self, forKey: .context) ?? []
        question = try fields.decode(String.self, forKey: .question)
        answer = try fields.decode(String.self, forKey: .answer)
        steps = try fields.decodeIfPresent(Answer.self, forKey: .slm)?.steps ?? []
    }

    /// Rows without an id get their line's number.
    static func read(_ path: String) throws -> [UnlabelledRow] {
        guard let data = FileManager.default.contents(atPath: path), data.count <= LabelledRow.maxFileBytes else {
            throw LabelledRowFailure("\(path) cannot be read, or is larger than 256 MiB")
        }
        return try data.split(separator: 0x0a).enumerated().map { number, line in
            do {
                var row = try JSONDecoder().decode(UnlabelledRow.self, from: line)
                if row.id.isEmpty { row.id = "line-\(number + 1)" }
                return row
            } catch {
                throw LabelledRowFailure(
                    "\(path), line \(number + 1): needs \"question\" and \"answer\", and \"slm\" with \"steps\" or none"
                )
            }
        }
    }
}
