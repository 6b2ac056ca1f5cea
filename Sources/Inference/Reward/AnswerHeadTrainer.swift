internal import Foundation

/// Trains an `AnswerHead`, deterministically for a seed, and says by cross-validation how good it is.
package struct AnswerHeadTrainer: Sendable {
    package static let maxRows = 1_000_000

    /// Folds of the outer cross-validation; inside each, penalties and mix are chosen by another one.
    package var folds = 10
    package var innerFolds = 5
    package var rounds = 150
    /// Learn unfinished answers too.
    package var learnsPrefixes = true
    package var seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    /// - Parameter baseSHA256: of the model that read the answers.
    package func train(
        _ rows: [AnswerRow], baseSHA256: String, embeddingLength: Int
    ) throws(RewardHeadTrainer.Failure) -> AnswerHead {
        try check(rows)
        let folds = try assignment(rows, count: innerFolds, seed: seed)
        let whole = scorer(rows, folds, isEnd: true)
        let partial = hasPrefixes(rows) ? scorer(rows, folds, isEnd: false) : nil
        return AnswerHead(
            baseSHA256: baseSHA256, embeddingLength: embeddingLength, whole: whole, partial: partial, seed: seed)
    }

    /// Scores of all rows by heads that never saw the row's group.
    ///
    /// - Parameter progress: told after each fold how many of all are done.
    package func crossValidated(
        _ rows: [AnswerRow], progress: (Int, Int) -> Void = { _, _ in }
    ) throws(RewardHeadTrainer.Failure) -> [Double] {
        try check(rows)
        let outer = try assignment(rows, count: folds, seed: seed)
        var scores = [Double](repeating: 0.5, count: rows.count)
        let all = Set(outer).sorted()
        for (done, fold) in all.enumerated() {
            let training = rows.indices.filter { outer[$0] != fold }.map { rows[$0] }
            let head = try train(training, baseSHA256: "", embeddingLength: 1)
            for row in rows.indices where outer[row] == fold { scores[row] = head.raw(rows[row]) }
            progress(done + 1, all.count)
        }
        return scores
    }

    private func hasPrefixes(_ rows: [AnswerRow]) -> Bool {
        let own = rows.filter { $0.isOwn && !$0.isEnd }
        return learnsPrefixes && own.contains { $0.label > 0.5 } && own.contains { $0.label <= 0.5 }
    }

    private func scorer(_ rows: [AnswerRow], _ folds: [Int], isEnd: Bool) -> AnswerScorer {
        let chosen = rows.indices.filter { rows[$0].isEnd == isEnd }
        // Of unfinished answers there are several rows a problem, which say much the same.
        let trainer = AnswerScorerTrainer(rounds: isEnd ? rounds : rounds / 2, seed: seed)
        return trainer.fit(chosen.map { rows[$0] }, folds: chosen.map { folds[$0] })
    }

    private func check(_ rows: [AnswerRow]) throws(RewardHeadTrainer.Failure) {
        func check(_ condition: Bool, _ text: String) throws(RewardHeadTrainer.Failure) {
            if !condition { throw RewardHeadTrainer.Failure(description: text) }
        }
        try check(!rows.isEmpty, "no labelled steps to learn from")
        try check(rows.count <= Self.maxRows, "more than \(Self.maxRows) labelled steps")
        let width = AnswerRow.textNames.count
        try check(rows.allSatisfy { $0.text.count == width }, "numbers of the text differ in length")
        let bad = (0..<width).first { column in rows.contains { !$0.text[column].isFinite } }
        try check(bad == nil, "a number of the text is not finite: \(AnswerRow.textNames[bad ?? 0])")
        let stateWidth = rows.first { !$0.state.isEmpty }?.state.count ?? 0
        try check(
            rows.allSatisfy { ($0.state.isEmpty || $0.state.count == stateWidth) && $0.state.allSatisfy(\.isFinite) },
            "hidden states differ in length or are not finite")
        try check(rows.allSatisfy { (0...1).contains($0.label) }, "labels must be 0…1")
        let ends = rows.filter { $0.isOwn && $0.isEnd }
        try check(
            ends.contains { $0.label > 0.5 } && ends.contains { $0.label <= 0.5 }, "labels of answers are all alike")
    }

    /// Shuffles the groups by the seed and deals them out.
    private func assignment(
        _ rows: [AnswerRow], count: Int, seed: UInt64
    ) throws(RewardHeadTrainer.Failure) -> [Int] {
        // Groups with rows of the SLM's own are dealt first: every fold shall have some.
        let own = Set(rows.filter(\.isOwn).map(\.group)).sorted()
        let others = Set(rows.map(\.group)).subtracting(own).sorted()
        let number = min(count, own.count)
        guard number >= 2 else {
            throw RewardHeadTrainer.Failure(description: "at least two groups of rows are needed")
        }
        var random = SplitMix(state: seed)
        let order = own.shuffled(using: &random) + others.shuffled(using: &random)
        let fold = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0 % number) })
        return rows.map { fold[$0.group] ?? 0 }
    }
}
