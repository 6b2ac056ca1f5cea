internal import Foundation
internal import GatewayCore

/// A job that has been prepared: its prompts are tokens now.
final class EngineWork {
    let id: EngineScheduler.JobID
    let job: EngineJob
    let session: UUID
    let lanes: [EngineLane]
    /// Held while the job is known.
    var adapter: LoraAdapter? { didSet { group = adapter?.id ?? group } }
    /// Whose prefixes are of use to it, and whom it may share a decode with: 0 for the model as it is.
    private(set) var group: Int64 = 0
    /// Tokens that all lanes begin with: they are evaluated by the first, and shared by the others.
    let common: Int

    init(id: EngineScheduler.JobID, job: EngineJob, session: UUID, lanes: [EngineLane]) {
        self.id = id
        self.job = job
        self.session = session
        self.lanes = lanes
        common = Self.common(lanes)
    }

    var tenant: Int64 { job.scope.tenant }

    /// Cells that it may come to use.
    var cells: Int { lanes.reduce(common) { $0 + $1.reservation - common } }

    /// The lane that evaluates what the others wait for.
    var lead: EngineLane? {
        lanes.first { $0.result == nil && $0.slot != nil } ?? lanes.first { $0.result == nil }
    }

    private static func common(_ lanes: [EngineLane]) -> Int {
        guard let first = lanes.first?.tokens else { return 0 }
        return lanes.dropFirst().reduce(first.count) { length, lane in
            zip(first.prefix(length), lane.tokens).prefix { $0 == $1 }.count
        }
    }
}

/// One sequence of a job.
final class EngineLane {
    enum Kind {
        case draft(Drafting)
        case score(good: Int32, bad: Int32)
        /// Positions whose hidden states are wanted, ascending.
        case probe(positions: [Int])
        /// Every token from the last one before the steps on.
        case read(AnswerReader)
    }

    enum Result {
        case draft(StepDraft, hidden: [Float])
        /// What is thought of the next token of a dictated draft.
        case logits([Float])
        case score(TokenScore)
        case hidden([Float])
        case reading([TokenLikelihoods], hidden: [Float])
    }

    let kind: Kind
    /// Tokens of the prompt.
    let promptCount: Int
    /// Tokens that the sequence may come to have.
    let reservation: Int
    /// Tokens that shall be in the sequence: the prompt, and what was drafted.
    var tokens: [Int32]
    var slot: EngineSlot?
    var result: Result?
    /// Tokens that did not need to be evaluated when it first got a sequence; nil before.
    var reused: Int?
    /// Hidden states by position (probe), or of the last output (draft).
    var hidden: [Int: [Float]] = [:]
    /// Batch indices of this decode's outputs, by position.
    var outputs: [(position: Int, index: Int)] = []
    /// Tokens in the current batch.
    var inBatch = 0

    /// - Parameter promptCount: nil: all tokens are the prompt's.
    init(kind: Kind, tokens: [Int32], reservation: Int, promptCount: Int? = nil) {
        self.kind = kind
        self.tokens = tokens
        self.reservation = reservation
        self.promptCount = promptCount ?? tokens.count
    }

    var pending: Int { slot.map { tokens.count - $0.tokens.count } ?? 0 }

    var isGenerating: Bool {
        if case .draft(let draft) = kind, pending == 1 { !draft.made.isEmpty } else { false }
    }

    var wantsHidden: Bool {
        switch kind {
        case .draft(let draft): draft.wantsHidden
        case .score: false
        case .probe, .read: true
        }
    }
}

/// The state of one draft.
final class Drafting {
    let sampler: TokenSampler
    let wantsHidden: Bool
    let isStreamed: Bool
    var splitter: StepSplitter
    var made: [Int32] = []
    var logProbabilities: [Float] = []
    /// Bytes of drafted text that were sent, and bytes of what they became: broken ones take up more room.
    var sent = (drafted: 0, text: 0)
    /// Set when the step has ended and only its hidden state is missing.
    var result: StepDraft?
    /// What the tokens that were chosen elsewhere make of the step; nil where the engine chooses.
    var dictation: StepSplitter.Verdict?

    init(sampler: TokenSampler, wantsHidden: Bool, isStreamed: Bool, splitter: StepSplitter) {
        self.sampler = sampler
        self.wantsHidden = wantsHidden
        self.isStreamed = isStreamed
        self.splitter = splitter
    }
}
