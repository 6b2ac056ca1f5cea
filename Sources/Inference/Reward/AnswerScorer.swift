internal import Foundation

/// The chance that an answer ends right, from three views of it: a line and trees through what its text says, and a
/// line through what a model makes of it. Which view is to be believed how far is learned out of fold.
struct AnswerScorer: Hashable, Sendable, Codable {
    var text: LinearScorer
    var trees: BoostedTrees
    /// nil where no model read the answers.
    var state: LinearScorer?
    /// Weights of the views' log-odds, and a bias behind them.
    var mix: [Double]

    /// Probability that the answer ends right.
    func probability(text row: [Float], state values: [Float]) -> Double {
        Self.sigmoid(Self.dot(mix, views(text: row, state: values)))
    }

    func views(text row: [Float], state values: [Float]) -> [Double] {
        var views = [text.logit(row[...]), trees.logit(row[...])]
        if let state { views.append(values.isEmpty ? 0 : state.logit(values[...])) }
        return views
    }

    func isSound(textWidth: Int, stateWidth: Int) -> Bool {
        text.isSound(width: textWidth) && trees.isSound(width: textWidth)
            && state.map { $0.isSound(width: stateWidth) } ?? true
            && mix.count == (state == nil ? 3 : 4) && mix.allSatisfy(\.isFinite)
    }

    static func dot(_ mix: [Double], _ views: [Double]) -> Double {
        zip(mix, views).reduce(mix.last ?? 0) { $0 + $1.0 * $1.1 }
    }

    static func sigmoid(_ value: Double) -> Double { 1 / (1 + exp(-value)) }
}

/// Fits an `AnswerScorer`: penalties and the mix of views by cross-validation inside the rows.
struct AnswerScorerTrainer {
    /// Penalties that are tried.
    static let textPenalties = [0.05, 0.12, 0.3]
    static let statePenalties = [0.1, 0.3, 1, 3]

    var rounds = 150
    var seed: UInt64

    func fit(_ rows: [AnswerRow], folds assignment: [Int]) -> AnswerScorer {
        let hasState = rows.contains { !$0.state.isEmpty }
        let textTable = Self.table(rows, \.text)
        let readRows = rows.indices.filter { !rows[$0].state.isEmpty }
        let stateTable = Self.table(readRows.map { rows[$0] }, \.state)
        let own = rows.indices.filter { rows[$0].isOwn }
        // Scores of every row by models that were fitted without its fold.
        let text = choose(Self.textPenalties, own, rows) { penalty in
            self.outOfFold(textTable, assignment) { LinearScorer.fit($0, l2: penalty).logit }
        }
        let trees = outOfFold(textTable, assignment) { BoostedTreesTrainer(rounds: rounds, seed: seed).fit($0).logit }
        var views = [text.scores, trees]
        var statePenalty: Double?
        if hasState {
            let readFolds = readRows.map { assignment[$0] }
            let chosen = choose(Self.statePenalties, own, rows) { penalty in
                let scores = self.outOfFold(stateTable, readFolds) { LinearScorer.fit($0, l2: penalty).logit }
                var all = [Double](repeating: 0, count: rows.count)
                for (place, row) in readRows.enumerated() { all[row] = scores[place] }
                return all
            }
            statePenalty = chosen.penalty
            views.append(chosen.scores)
        }
        return AnswerScorer(
            text: LinearScorer.fit(textTable, l2: text.penalty),
            trees: BoostedTreesTrainer(rounds: rounds, seed: seed).fit(textTable),
            state: statePenalty.map { LinearScorer.fit(stateTable, l2: $0) }, mix: mix(views, own, rows))
    }

    private func choose(
        _ penalties: [Double], _ own: [Int], _ rows: [AnswerRow], _ scores: (Double) -> [Double]
    ) -> (penalty: Double, scores: [Double]) {
        var best: (penalty: Double, scores: [Double], loss: Double)?
        for penalty in penalties {
            let all = scores(penalty)
            let loss = own.reduce(0.0) { sum, row in
                let z = all[row]
                return sum + max(0, z) - rows[row].label * z + log1p(exp(-abs(z)))
            }
            if best.map({ loss < $0.loss }) ?? true { best = (penalty, all, loss) }
        }
        return best.map { ($0.penalty, $0.scores) } ?? (1, [])
    }

    private func outOfFold(
        _ table: BoostedTreesTrainer.Table, _ assignment: [Int],
        _ fit: (BoostedTreesTrainer.Table) -> (ArraySlice<Float>) -> Double
    ) -> [Double] {
        var scores = [Double](repeating: 0, count: table.count)
        for fold in Set(assignment).sorted() {
            let logit = fit(table.rows(assignment.indices.filter { assignment[$0] != fold }))
            for row in 0..<table.count where assignment[row] == fold {
                scores[row] = logit(table.features[(row * table.width)..<((row + 1) * table.width)])
            }
        }
        return scores
    }

    /// Logistic regression on the views' log-odds over the SLM's own rows.
    private func mix(_ views: [[Double]], _ own: [Int], _ rows: [AnswerRow]) -> [Double] {
        let features = own.flatMap { row in views.map { Float($0[row]) } }
        return LogisticRegression(
            features: features, width: views.count, labels: own.map { Float(rows[$0].label) },
            rowWeights: own.map { rows[$0].weight }, l2: 0.01
        ).fit()
    }

    private static func table(_ rows: [AnswerRow], _ values: KeyPath<AnswerRow, [Float]>) -> BoostedTreesTrainer.Table {
        BoostedTreesTrainer.Table(
            features: rows.flatMap { $0[keyPath: values] }, width: rows.first?[keyPath: values].count ?? 0,
            labels: rows.map { Float($0.label) }, weights: rows.map(\.weight))
    }
}

extension BoostedTreesTrainer.Table {
    func rows(_ indices: [Int]) -> Self {
        var table = Self(features: [], width: width, labels: [], weights: [])
        table.features.reserveCapacity(indices.count * width)
        for row in indices {
            table.features += features[(row * width)..<((row + 1) * width)]
            table.labels.append(labels[row])
            table.weights.append(weights[row])
        }
        return table
    }
}
