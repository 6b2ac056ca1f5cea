internal import Foundation

/// The chance that an answer ends right, from several views of it: a line and trees through what its text says, and
/// lines through how likely a model finds it and through the model's hidden states. Which view is to be believed how
/// far is learned out of fold.
struct AnswerScorer: Hashable, Sendable, Codable {
    var text: LinearScorer
    var trees: BoostedTrees
    /// nil where no model read the answers.
    var likelihood: LinearScorer?
    /// nil where they add nothing to the others.
    var hidden: LinearScorer?
    /// Weights of the views' log-odds, and a bias behind them.
    var mix: [Double]

    /// Numbers at the beginning of a row's state that are likelihoods; the others are hidden states.
    static var likelihoods: Int { LikelihoodFeatures.names.count }

    /// Probability that the answer ends right.
    func probability(text row: [Float], state values: [Float]) -> Double {
        Self.sigmoid(Self.dot(mix, views(text: row, state: values)))
    }

    func views(text row: [Float], state values: [Float]) -> [Double] {
        var views = [text.logit(row[...]), trees.logit(row[...])]
        if let likelihood { views.append(values.isEmpty ? 0 : likelihood.logit(values.prefix(Self.likelihoods))) }
        if let hidden { views.append(values.isEmpty ? 0 : hidden.logit(values.dropFirst(Self.likelihoods))) }
        return views
    }

    func isSound(textWidth: Int, stateWidth: Int) -> Bool {
        let width = Self.likelihoods
        return text.isSound(width: textWidth) && trees.isSound(width: textWidth)
            && likelihood.map { $0.isSound(width: width) } ?? true
            && hidden.map { $0.isSound(width: stateWidth - width) } ?? true
            && mix.count == 3 + (likelihood == nil ? 0 : 1) + (hidden == nil ? 0 : 1) && mix.allSatisfy(\.isFinite)
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
    static let likelihoodPenalties = [0.01, 0.05, 0.2]
    static let hiddenPenalties = [0.3, 1, 3]
    /// Hidden states are looked at only where they take this share off the loss: with a few hundred answers they
    /// mostly add noise.
    static let leastImprovement = 0.01

    var rounds = 150
    var seed: UInt64

    func fit(_ rows: [AnswerRow], folds assignment: [Int]) -> AnswerScorer {
        let textTable = Self.table(rows) { $0.text[...] }
        let own = rows.indices.filter { rows[$0].isOwn }
        // Scores of every row by models that were fitted without its fold.
        let text = choose(Self.textPenalties, own, rows) { penalty in
            self.outOfFold(textTable, assignment) { LinearScorer.fit($0, l2: penalty).logit }
        }
        let trees = outOfFold(textTable, assignment) { BoostedTreesTrainer(rounds: rounds, seed: seed).fit($0).logit }
        var views = [text.scores, trees]
        let width = AnswerScorer.likelihoods
        let likelihood = state(Self.likelihoodPenalties, rows, assignment) { $0.state.prefix(width) }
        if let likelihood { views.append(likelihood.scores) }
        var mixed = mix(views, own, rows)
        var hidden = state(Self.hiddenPenalties, rows, assignment) { $0.state.dropFirst(width) }
        if let scores = hidden?.scores {
            let more = mix(views + [scores], own, rows)
            if more.loss < mixed.loss * (1 - Self.leastImprovement) { mixed = more } else { hidden = nil }
        }
        return AnswerScorer(
            text: LinearScorer.fit(textTable, l2: text.penalty),
            trees: BoostedTreesTrainer(rounds: rounds, seed: seed).fit(textTable), likelihood: likelihood?.scorer,
            hidden: hidden?.scorer, mix: mixed.weights)
    }

    /// A line through a part of what a model makes of the answers; nil where it read none.
    private func state(
        _ penalties: [Double], _ rows: [AnswerRow], _ assignment: [Int], _ part: (AnswerRow) -> ArraySlice<Float>
    ) -> (scorer: LinearScorer, scores: [Double])? {
        let read = rows.indices.filter { !part(rows[$0]).isEmpty }
        guard read.contains(where: { rows[$0].isOwn }) else { return nil }
        let table = Self.table(read.map { rows[$0] }, part)
        let folds = read.map { assignment[$0] }
        let chosen = choose(penalties, read.filter { rows[$0].isOwn }, rows) { penalty in
            let scores = self.outOfFold(table, folds) { LinearScorer.fit($0, l2: penalty).logit }
            var all = [Double](repeating: 0, count: rows.count)
            for (place, row) in read.enumerated() { all[row] = scores[place] }
            return all
        }
        return (LinearScorer.fit(table, l2: chosen.penalty), chosen.scores)
    }

    private func choose(
        _ penalties: [Double], _ own: [Int], _ rows: [AnswerRow], _ scores: (Double) -> [Double]
    ) -> (penalty: Double, scores: [Double]) {
        var best: (penalty: Double, scores: [Double], loss: Double)?
        for penalty in penalties {
            let all = scores(penalty)
            let loss = Self.loss(own, rows) { all[$0] }
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
    private func mix(
        _ views: [[Double]], _ own: [Int], _ rows: [AnswerRow]
    ) -> (weights: [Double], loss: Double) {
        let features = own.flatMap { row in views.map { Float($0[row]) } }
        let weights = LogisticRegression(
            features: features, width: views.count, labels: own.map { Float(rows[$0].label) },
            rowWeights: own.map { rows[$0].weight }, l2: 0.01
        ).fit()
        let loss = Self.loss(own, rows) { row in AnswerScorer.dot(weights, views.map { $0[row] }) }
        return (weights, loss)
    }

    private static func loss(_ places: [Int], _ rows: [AnswerRow], _ logit: (Int) -> Double) -> Double {
        places.reduce(0.0) { sum, row in
            let z = logit(row)
            return sum + max(0, z) - rows[row].label * z + log1p(exp(-abs(z)))
        }
    }

    private static func table(
        _ rows: [AnswerRow], _ values: (AnswerRow) -> ArraySlice<Float>
    ) -> BoostedTreesTrainer.Table {
        BoostedTreesTrainer.Table(
            features: rows.flatMap(values), width: rows.first.map { values($0).count } ?? 0,
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
