package import Foundation
package import GatewayCore

/// A process reward model of kind `tokens` that another server holds: asked for its most probable first tokens.
package struct AskedRewardModel: ProcessRewardModel {
    /// The most probable first tokens of the answer to a message, with the logarithms of their probabilities.
    package typealias Ask = @Sendable ([ChatMessage]) async throws -> [(token: String, logProbability: Double)]

    private let settings: TokensRewardSettings
    private let calibration: Calibration
    private let ask: Ask

    package init(settings: TokensRewardSettings, ask: @escaping Ask) throws(LocalModelError) {
        guard let calibration = settings.knots else { throw .unavailable("calibration is not ascending within 0…1") }
        guard settings.form == .chat else {
            throw .unavailable("a reward model that another server holds is asked in the form chat")
        }
        self.settings = settings
        self.calibration = calibration
        self.ask = ask
    }

    package var needsHidden: Bool { false }

    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws -> ProcessReward {
        guard case .messages(let question) = settings.prompt(messages, answer, draft.text) else {
            throw LocalModelError.interrupted
        }
        let tokens = try await ask(question)
        func probability(of word: String) -> Double {
            tokens.filter { token, _ in
                let text = token.trimmingCharacters(in: .whitespaces)
                return !text.isEmpty && word.hasPrefix(text)
            }.reduce(0) { $0 + exp($1.logProbability) }
        }
        let (good, bad) = (probability(of: settings.good), probability(of: settings.bad))
        // Neither word is among the likely ones: the model has not understood the question, and that is no reward.
        guard good + bad > 0 else { throw LocalModelError.interrupted }
        let raw = good / (good + bad)
        return ProcessReward(raw: raw, calibrated: calibration(raw))
    }
}
