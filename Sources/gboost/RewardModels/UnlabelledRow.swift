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
    /// Text, or a number's.
    var answer: String
    /// Empty where the SLM shall draft them.
    var steps: [String]
    /// Where it stands in its file.
    var line = 0

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        id = try fields.decodeIfPresent(String.self, forKey: .id) ?? ""
        context = try fields.decodeIfPresent([ChatMessage].self, forKey: .context) ?? []
        question = try fields.decode(String.self, forKey: .question)
        answer = try fields.decode(TextOrNumber.self, forKey: .answer).text
        steps = try fields.decodeIfPresent(Answer.self, forKey: .slm)?.steps ?? []
        guard steps.allSatisfy({ !$0.isEmpty }) else {
            throw DecodingError.dataCorruptedError(
                forKey: .slm, in: fields, debugDescription: "steps: none without text")
        }
    }

    /// Rows without an id get their line's number.
    ///
    /// - Throws: `LabelledRowFailure` that names file, line and field.
    static func read(_ path: String) throws -> [UnlabelledRow] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw LabelledRowFailure("\(path) cannot be read: \(FileFailure.unreadable(path))")
        }
        guard data.count <= LabelledRow.maxFileBytes else {
            throw LabelledRowFailure("\(path) is larger than 256 MiB")
        }
        let rows: [UnlabelledRow] = try JSONLines.split(data).map { number, line in
            do {
                var row = try JSONDecoder().decode(UnlabelledRow.self, from: line)
                row.line = number
                if row.id.isEmpty { row.id = "line-\(number)" }
                return row
            } catch {
                throw LabelledRowFailure("\(path), line \(number): \(LabelledRow.reason(error))")
            }
        }
        guard !rows.isEmpty else { throw LabelledRowFailure("\(path) has no rows") }
        return rows
    }
}
