internal import Foundation
package import GatewayCore

/// What the gateway asks of an engine host.
struct HostRequest: Codable, Sendable {
    /// Chosen by the client, answered with the reply; 0 for requests without a reply.
    var id: UInt64
    var operation: Operation
    var scope = EngineScope()

    enum Operation: Codable, Sendable {
        case info
        case ping
        case draft(DraftRequest, DraftOptions)
        case score(ScoreRequest)
        case hiddenStates(HiddenStatesRequest)
        case read(HiddenStatesRequest)
        case end(session: UUID)
        case cancel(id: UInt64)
    }
}

/// On whose behalf an engine works, and how urgently.
package struct EngineScope: Codable, Sendable, Hashable {
    /// Whose prefixes may be found again; requests without a tenant are 0's.
    package var tenant: Int64 = 0
    /// Share of the engine, measured by the other tenants' weights.
    package var weight = 1
    /// Counted from the request's arrival in the host.
    package var deadlineMilliseconds: Int?
    /// Path of a LoRA adapter that is laid over the model for this request.
    package var adapter: String?

    package init(tenant: Int64 = 0, weight: Int = 1) {
        self.tenant = tenant
        self.weight = weight
    }
}

/// What a draft may ask for beyond one step.
struct DraftOptions: Codable, Sendable, Hashable {
    /// Drafts of the same step, each with a seed of its own: their prompt is evaluated once.
    var candidates = 1
    /// Text is sent as it is drafted, in whole characters.
    var isStreamed = false
    /// Replaces the messages by a prompt that is taken as it stands, special tokens included.
    var raw: String?
    /// The step's tokens so far, which somebody else chooses: the answer is what the model thinks of the next one, or
    /// the draft that ends with them.
    var dictated: [Int32]?
}

/// Asks for the probabilities of two tokens after each of several prompts, in one go.
struct ScoreRequest: Codable, Sendable, Hashable {
    var session: UUID
    /// They may share a beginning, which is evaluated once.
    var prompts: [Prompt]
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

/// Asks for the hidden states at the ends of given steps: of one step after the other, or of several candidates for
/// the same step.
struct HiddenStatesRequest: Codable, Sendable, Hashable {
    var session: UUID
    var messages: [ChatMessage]
    /// Before the steps, without a hidden state of its own.
    var answer: [AnswerSegment] = []
    var steps: [AnswerSegment]
    /// The steps are candidates that all follow `answer`.
    var areCandidates = false
    /// What stands around question and steps, for models that were trained on it.
    var frame: HeadFrame?
}

/// What an engine host answers.
struct HostReply: Codable, Sendable {
    var id: UInt64
    var body: Body

    enum Body: Codable, Sendable {
        case info(HostInfo)
        case pong(HostStatus)
        /// More of a streamed draft; its end is still to come.
        case text(String)
        /// As many as candidates; their hidden states follow as binary.
        case drafts([StepDraft])
        /// Of a dictated draft that goes on: the logarithm of every token's probability follows as binary.
        case logits
        /// As many as prompts.
        case scores([TokenScore])
        /// As many vectors as steps follow as binary.
        case hiddenStates
        /// As many as steps; one vector for what stands before them and two a step follow as binary.
        case readings([TokenLikelihoods])
        case failed(HostFailure)
    }
}

/// The probabilities of two tokens after a prompt.
struct TokenScore: Codable, Sendable, Hashable {
    var good: Double
    var bad: Double
    /// Tokens of the prompt, and how many of them were not evaluated for it.
    var promptTokens: Int
    var reusedTokens: Int
}

/// A `LocalModelError` on the wire.
enum HostFailure: Codable, Sendable, Hashable {
    case overloaded(seconds: Int)
    case contextExceeded(tokens: Int, limit: Int)
    case invalid(String)
    case cancelled
    case interrupted
    case deadlineExceeded
    /// The model computes no numbers.
    case broken(String)
    case unusablePattern(String)

    init(_ error: LocalModelError) {
        self =
            switch error {
            case .unavailable(let text): .broken(text)
            case .unusablePattern(let text): .unusablePattern(text)
            case .interrupted: .interrupted
            case .deadlineExceeded: .deadlineExceeded
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
        case .deadlineExceeded: LocalModelError.deadlineExceeded
        case .broken(let text): LocalModelError.unavailable(text)
        case .unusablePattern(let text): LocalModelError.unusablePattern(text)
        }
    }
}

/// What a loaded model is.
package struct HostInfo: Codable, Sendable, Hashable {
    /// Length of a hidden state.
    package var embeddingLength: Int
    package var vocabularySize: Int
    /// Two models of the same one have the same vocabulary.
    package var vocabularyDigest: UInt64
    /// The most tokens that one prompt with its answer may have.
    package var contextTokens: Int
    /// Cells shared by all sequences.
    package var totalCells: Int
    /// False: the file carries no chat template, and ChatML is used.
    package var hasOwnTemplate: Bool
    /// How its chat template writes calls of tools; nil: not at all, or in a way that nobody reads.
    package var toolCalls: ToolCallFormat?
    /// Bytes of weights.
    package var modelBytes: UInt64
    /// What confines the host: see `HostConfinement`.
    package var confinement: [String]
    /// What does not, and why.
    package var unconfined: [String]
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
    /// Prompts looked up among what the same tenant had evaluated, those of which a part was found, and the tokens
    /// that were found.
    package var prefixLookups: UInt64 = 0
    package var prefixHits: UInt64 = 0
    package var reusedTokens: UInt64 = 0
    /// Requests that were put aside for a tenant with less than its share.
    package var paused: UInt64 = 0
    /// Requests that were refused or dropped because their tenant had too many waiting.
    package var overloaded: UInt64 = 0
    /// Cells that hold anything, of running requests and of kept prefixes.
    package var cellsUsed = 0
    /// Adapters in memory, and how often one was loaded.
    package var adapters = 0
    package var adapterLoads: UInt64 = 0
}
