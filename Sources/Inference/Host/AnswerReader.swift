internal import Foundation
internal import GatewayCore

/// What comes out of reading an answer token by token: how likely each was, and the hidden states of its steps.
final class AnswerReader {
    /// Position of the last token before the steps: its logits are about the first token of the answer.
    let start: Int
    /// Positions of the last tokens of the steps, ascending.
    let ends: [Int]
    private(set) var likelihoods: [TokenLikelihoods] = []
    /// Hidden state at `start`.
    private var before: [Float] = []
    /// Hidden state at the end of each step, and the sum over its tokens.
    private var lasts: [[Float]] = []
    private var sums: [[Float]] = []
    private var counts: [Int] = []

    init(start: Int, ends: [Int]) {
        self.start = start
        self.ends = ends
        reset()
    }

    /// Forgets what was read: a paused reading is done again from the answer's beginning.
    func reset() {
        before = []
        likelihoods = ends.map { _ in TokenLikelihoods() }
        lasts = ends.map { _ in [] }
        sums = ends.map { _ in [] }
        counts = ends.map { _ in 0 }
    }

    /// Index of the step that a position belongs to; nil before the first and behind the last.
    private func step(at position: Int) -> Int? {
        guard position > start else { return nil }
        return ends.firstIndex { position <= $0 }
    }

    /// Takes the hidden state of a token, and what its logits say of the next one.
    ///
    /// - Parameter next: logarithms of the probabilities of the token that follows and of the likeliest one; nil at
    ///   the end.
    func note(position: Int, hidden: [Float], next: (token: Float, best: Float)?) {
        if position == start { before = hidden }
        if let step = step(at: position) {
            if sums[step].isEmpty {
                sums[step] = hidden
            } else {
                for index in sums[step].indices { sums[step][index] += hidden[index] }
            }
            counts[step] += 1
            if ends[step] == position { lasts[step] = hidden }
        }
        if let next, let step = step(at: position + 1) {
            likelihoods[step].tokens.append(next.token)
            likelihoods[step].best.append(next.best)
        }
    }

    /// All vectors in a row: before the steps, then the last and the mean of each step; nil while some are missing.
    var vectors: [Float]? {
        guard !before.isEmpty, lasts.allSatisfy({ !$0.isEmpty }) else { return nil }
        var all = before
        for step in ends.indices {
            all += lasts[step]
            all += sums[step].map { $0 / Float(max(1, counts[step])) }
        }
        return all
    }
}

extension Engine {
    func readingLane(_ request: HiddenStatesRequest) throws(LocalModelError) -> EngineLane {
        var tokens = try template.tokens(request.messages)
        for segment in request.answer { tokens += try self.tokens(of: segment) }
        guard !request.steps.isEmpty else { throw .invalid("no steps") }
        guard !request.areCandidates else { throw .invalid("candidates are not read token by token") }
        guard (2 * request.steps.count + 1) * model.embeddingLength * 4 < HostFrame.maxBytes / 2 else {
            throw .invalid("too many steps in one request")
        }
        let start = tokens.count - 1
        guard start >= 0 else { throw .invalid("nothing stands before the steps") }
        var ends: [Int] = []
        for step in request.steps {
            let more = try self.tokens(of: step)
            guard !more.isEmpty else { throw .invalid("a step without text has no last token") }
            tokens += more
            ends.append(tokens.count - 1)
        }
        try check(tokens)
        return EngineLane(
            kind: .read(AnswerReader(start: start, ends: ends)), tokens: tokens, reservation: tokens.count)
    }

    /// Takes over what a decode says of an answer that is read.
    func collect(_ entry: Taking, _ reader: AnswerReader) {
        let lane = entry.lane
        for output in lane.outputs {
            guard let hidden = context.hidden(at: output.index) else { continue }
            let scan = context.scan(at: output.index)
            guard !scan.isBad, let logits = context.logits(at: output.index) else {
                return end(entry.work, .failed(.broken("\(options.model) computes no numbers")))
            }
            let row = Row(logits: logits, scan: scan)
            let following = output.position + 1 < lane.tokens.count ? lane.tokens[output.position + 1] : nil
            reader.note(
                position: output.position, hidden: hidden,
                next: following.map { (min(0, row.logProbability($0)), min(0, row.logProbability(scan.best))) })
        }
        guard lane.pending == 0 else { return }
        guard let vectors = reader.vectors else { return end(entry.work, .failed(.interrupted)) }
        finish(lane, of: entry.work, .reading(reader.likelihoods, hidden: vectors))
    }
}
