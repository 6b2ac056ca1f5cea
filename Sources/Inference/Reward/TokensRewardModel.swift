internal import Crypto
package import Foundation
package import GatewayCore
internal import Glibc

/// How a model is asked whether a step is right.
package struct TokensRewardSettings: Hashable, Sendable, Codable {
    /// Whether `prompt` is a user's message, put into the model's chat template, or the whole prompt as it stands.
    package enum Form: String, Hashable, Sendable, Codable { case chat, raw }

    package var form: Form = .chat
    /// With `{question}`, `{answer}` (steps accepted before) and `{step}`.
    package var prompt = """
        Question:
        {question}

        Solution so far:
        {answer}{step}

        Is the last step of this solution correct? Answer Yes or No.
        """
    /// What a good and a bad step are answered with; their first tokens count.
    package var good = "Yes"
    package var bad = "No"
    /// Written behind every step, for models trained on a step marker.
    package var marker = ""
    package var calibration: [[Double]] = []

    package init() {}

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        form = try values.decodeIfPresent(Form.self, forKey: .form) ?? form
        prompt = try values.decodeIfPresent(String.self, forKey: .prompt) ?? prompt
        good = try values.decodeIfPresent(String.self, forKey: .good) ?? good
        bad = try values.decodeIfPresent(String.self, forKey: .bad) ?? bad
        marker = try values.decodeIfPresent(String.self, forKey: .marker) ?? marker
        calibration = try values.decodeIfPresent([[Double]].self, forKey: .calibration) ?? calibration
    }

    /// Reads `FILE.prm.json` beside a model file; the defaults where there is none.
    ///
    /// - Parameter sha256: as registered, lower-case hex; nil: any settings will do, or none.
    /// - Throws: `LocalModelError.unavailable`, which names the file.
    package init(besides file: String, sha256: String? = nil) throws(LocalModelError) {
        let path = ModelRecord.settingsFile(besides: file)
        self.init()
        guard access(path, F_OK) == 0 else {
            guard sha256 == nil else { throw Self.changed(path, "it is not there") }
            return
        }
        let unusable = LocalModelError.unavailable(
            "\(path) is not what a tokens reward model's settings look like")
        guard let data = FileManager.default.contents(atPath: path) else { throw unusable }
        // Of the bytes that are then used: a file can be changed between two readings.
        let found = SHA256.hash(data: data).hexadecimal
        guard sha256 ?? found == found else { throw Self.changed(path, "its SHA-256 is \(found.prefix(12))…") }
        guard data.count <= 1 << 20, let settings = try? JSONDecoder().decode(Self.self, from: data),
            settings.knots != nil
        else { throw unusable }
        self = settings
    }

    private static func changed(_ path: String, _ why: String) -> LocalModelError {
        .unavailable(
            "\(path) is not the file that was registered: \(why); restore it, or remove the model and add it again")
    }

    var knots: Calibration? {
        guard calibration.allSatisfy({ $0.count == 2 }) else { return nil }
        return Calibration(knots: calibration.map { Calibration.Knot(raw: $0[0], calibrated: $0[1]) })
    }
}

/// A process reward model that is asked: the reward is the probability of the good answer's token against the bad
/// one's, after the step.
package struct TokensRewardModel: CandidatesRewardModel {
    private let supervisor: EngineSupervisor
    private let settings: TokensRewardSettings
    private let calibration: Calibration
    private let scope: EngineScope

    package init(
        supervisor: EngineSupervisor, settings: TokensRewardSettings, scope: EngineScope = EngineScope()
    ) throws(LocalModelError) {
        guard let calibration = settings.knots else { throw .unavailable("calibration is not ascending within 0…1") }
        self.supervisor = supervisor
        self.settings = settings
        self.scope = scope
        self.calibration = calibration
    }

    package var needsHidden: Bool { false }

    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], candidates: [StepDraft]
    ) async throws -> [ProcessReward] {
        let request = ScoreRequest(
            session: session.forScoring, prompts: candidates.map { settings.prompt(messages, answer, $0.text) },
            good: settings.good, bad: settings.bad)
        guard case .scores(let scores) = try await supervisor.call(.score(request), scope: scope).body,
            scores.count == candidates.count
        else { throw LocalModelError.interrupted }
        return scores.map { score in
            let raw = score.good + score.bad > 0 ? score.good / (score.good + score.bad) : 0.5
            return ProcessReward(raw: raw, calibrated: calibration(raw))
        }
    }

    /// Puts values in place of their names, in one pass: a name within a value stays text.
    static func fill(_ template: String, _ values: [String: String]) -> [PromptPart] {
        var parts: [PromptPart] = []
        var rest = template[...]
        while let next = values.compactMap({ name, value in rest.range(of: name).map { ($0, value) } })
            .min(by: { $0.0.lowerBound < $1.0.lowerBound })
        {
            parts.append(PromptPart(text: String(rest[..<next.0.lowerBound]), isInput: false))
            parts.append(PromptPart(text: next.1, isInput: true))
            rest = rest[next.0.upperBound...]
        }
        parts.append(PromptPart(text: String(rest), isInput: false))
        return parts.filter { !$0.text.isEmpty }
    }
}

extension TokensRewardSettings {
    func prompt(_ messages: [ChatMessage], _ answer: [String], _ step: String) -> ScoreRequest.Prompt {
        let question = messages.filter { $0.role != "system" }.map(\.content).joined(separator: "\n\n")
        let before = answer.map { $0 + marker }.joined()
        let values = ["{question}": question, "{answer}": before, "{step}": step + marker]
        let parts = TokensRewardModel.fill(prompt, values)
        switch form {
        case .raw: return .parts(parts)
        case .chat: return .messages([ChatMessage(role: "user", content: parts.map(\.text).joined())])
        }
    }
}

extension UUID {
    /// Scoring reads other prompts than drafting: it keeps a sequence of its own in the same host.
    var forScoring: UUID {
        var bytes = uuid
        bytes.0 ^= 0xA5
        return UUID(uuid: bytes)
    }
}
