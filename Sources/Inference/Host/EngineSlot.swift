internal import Foundation
internal import GatewayCore

/// One sequence of the context: whose it is, what it has evaluated, what it works on.
final class EngineSlot {
    /// What is known behind a position that has been evaluated: going on from there needs no second evaluation.
    struct Tail {
        var position: Int
        var logits: [Float]
        var hidden: [Float]
    }

    let sequence: Int
    /// nil: free.
    var session: UUID?
    /// Tokens that shall be in the sequence.
    var tokens: [Int32] = []
    /// How many of them have been evaluated.
    var evaluated = 0
    /// The last two places where a draft began or ended.
    private(set) var tails: [Tail] = []
    var work: EngineWork?
    /// The session ended while this was busy.
    var isOrphaned = false
    var lastUsed: UInt64 = 0
    /// Batch indices of this decode's outputs, by position.
    var outputs: [(position: Int, index: Int)] = []
    /// Tokens of this slot in the current batch.
    var inBatch = 0

    init(sequence: Int) { self.sequence = sequence }

    var pending: Int { tokens.count - evaluated }

    func tail(at position: Int) -> Tail? { tails.first { $0.position == position } }

    func keep(_ tail: Tail) {
        tails.removeAll { $0.position == tail.position }
        tails = tails.suffix(1) + [tail]
    }

    /// Forgets what is known beyond `length` tokens.
    func truncate(to length: Int) {
        evaluated = min(evaluated, length)
        tails.removeAll { $0.position >= length }
    }

    func sharedPrefix(with wanted: [Int32]) -> Int {
        zip(tokens.prefix(evaluated), wanted).prefix { $0 == $1 }.count
    }
}

/// A job that has been prepared: its prompt is tokens now.
final class EngineWork {
    enum Kind {
        case draft(Drafting)
        case score(good: Int32, bad: Int32)
        /// Positions whose hidden states are wanted, ascending.
        case probe(positions: [Int])
    }

    let job: EngineJob
    let kind: Kind
    let session: UUID
    let tokens: [Int32]
    /// Cells that the slot may come to use.
    let reservation: Int
    var reused = 0
    /// Hidden states by position (probe), or of the last output (draft).
    var hidden: [Int: [Float]] = [:]

    init(job: EngineJob, kind: Kind, session: UUID, tokens: [Int32], reservation: Int) {
        self.job = job
        self.kind = kind
        self.session = session
        self.tokens = tokens
        self.reservation = reservation
    }

    var wantsHidden: Bool {
        switch kind {
        case .draft(let draft): draft.wantsHidden
        case .score: false
        case .probe: true
        }
    }
}

/// The state of one draft.
final class Drafting {
    /// nil: greedy.
    let sampler: TokenSampler?
    let wantsHidden: Bool
    var splitter: StepSplitter
    var made: [Int32] = []
    var logProbabilities: [Float] = []
    /// Set when the step has ended and only its hidden state is missing.
    var result: StepDraft?

    init(sampler: TokenSampler?, wantsHidden: Bool, splitter: StepSplitter) {
        self.sampler = sampler
        self.wantsHidden = wantsHidden
        self.splitter = splitter
    }
}
