internal import Foundation
internal import GatewayCore

/// What the gateway asks of an engine host.
struct HostRequest: Codable, Sendable {
    /// Chosen by the client, answered with the reply; 0 for requests without a reply.
    var id: UInt64
    var operation: Operation

    enum Operation: Codable, Sendable {
        case info
        case ping
        /// `raw` replaces the messages by a prompt that is taken as it stands, special tokens included.
        case draft(DraftRequest, raw: String?)
        case score(ScoreRequest)
        case hiddenStates(HiddenStatesRequest)
        case end(session: UUID)
        case cancel(id: UInt64)
    }
}

/// Asks for the probabilities of two tokens after a prompt.
struct ScoreRequest: Codable, Sendable, Hashable {
    var session: UUID
    var prompt: Prompt
    /// Each must be one token in the model's vocabulary, or begin with a token that tells the two apart.
    var good: String
    var bad: String

    enum Prompt: Codable, Sendable, Hashable {
        case messages([ChatMessage])
        case parts([PromptPart])
    }
}

/// A piece of a prompt without a template.
struct PromptPart: Codable, Sendable, Hashable {
    var text: String
    /// Text of a user or a model: never read as special tokens.
    var isInput: Bool
}

/// Asks for the hidden states at the ends of given steps.
struct HiddenStatesRequest: Codable, Sendable, Hashable {
    var session: UUID
    var messages: [ChatMessage]
    var steps: [AnswerSegment]
}

/// What an engine host answers.
struct HostReply: Codable, Sendable {
    var id: UInt64
    var body: Body

    enum Body: Codable, Sendable {
        case info(HostInfo)
        case pong(HostStatus)
        /// The hidden state follows as binary.
        case draft(StepDraft)
        case score(good: Double, bad: Double, promptTokens: Int, reusedTokens: Int)
        /// As many vectors as steps follow as binary.
        case hiddenStates
        case failed(HostFailure)
    }
}

/// A `LocalModelError` on the wire.
enum HostFailure: Codable, Sendable, Hashable {
    case overloaded(seconds: Int)
    case contextExceeded(tokens: Int, limit: Int)
    case invalid(String)
    case cancelled
    case interrupted
    /// The model computes no numbers.
    case broken(String)

    init(_ error: LocalModelError) {
        self =
            switch error {
            case .unavailable(let text): .broken(text)
            case .interrupted: .interrupted
            case .overloaded(let seconds): .overloaded(seconds: seconds)
            case .contextExceeded(let tokens, let limit): .contextExceeded(tokens: tokens, limit: limit)
            case .invalid(let text): .invalid(text)
            }
    }

    var error: any Error {
        switch self {
        case .overloaded(let seconds): LocalModelError.overloaded(retryAfterSeconds: seconds)
        case .contextExceeded(let tokens, let limit): LocalModelError.contextExceeded(tokens: tokens, limit: limit)
        case .invalid(let text): LocalModelError.invalid(text)
        case .cancelled: CancellationError()
        case .interrupted: LocalModelError.interrupted
        case .broken(let text): LocalModelError.unavailable(text)
        }
    }
}

/// What a loaded model is.
package struct HostInfo: Codable, Sendable, Hashable {
    /// Length of a hidden state.
    package var embeddingLength: Int
    package var vocabularySize: Int
    /// The most tokens that one prompt with its answer may have.
    package var contextTokens: Int
    /// Cells shared by all sequences.
    package var totalCells: Int
    /// False: the file carries no chat template, and ChatML is used.
    package var hasOwnTemplate: Bool
    /// Bytes of weights.
    package var modelBytes: UInt64
}

/// How an engine host is doing; answered by a thread that the engine cannot hold up.
package struct HostStatus: Codable, Sendable, Hashable {
    /// Decodes done since the start: work that is queued and no progress here means a hang.
    package var decodes: UInt64
    package var queued: Int
    package var active: Int
    /// Sequences that keep a prefix for a session.
    package var cached: Int
    package var generatedTokens: UInt64
    package var evaluatedTokens: UInt64
}
