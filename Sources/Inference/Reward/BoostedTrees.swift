internal import Foundation

/// A sum of small regression trees on the log-odds scale: finds what a linear head cannot, that a false equation counts
/// more in a short answer, say.
struct BoostedTrees: Hashable, Sendable, Codable {
    /// One tree as a complete binary one, level by level: inner nodes first, then leaves.
    struct Tree: Hashable, Sendable, Codable {
        /// Index of the feature that a node asks for; below 0 where it does not split, then all goes left.
        var features: [Int]
        /// Rows with a value above this go right.
        var thresholds: [Float]
        var leaves: [Float]

        func value(_ row: ArraySlice<Float>) -> Float {
            var node = 0
            while node < features.count {
                let feature = features[node]
                let goesRight = feature >= 0 && row[row.startIndex + feature] > thresholds[node]
                node = 2 * node + (goesRight ? 2 : 1)
            }
            return leaves[node - features.count]
        }
    }

    var bias: Float
    var trees: [Tree]

    /// Deeper or longer sums are not read from a file.
    static let maxDepth = 6
    static let maxTrees = 2000

    /// Log-odds of a row.
    func logit(_ row: ArraySlice<Float>) -> Double {
        Double(trees.reduce(bias) { $0 + $1.value(row) })
    }

    /// Whether the trees can be applied to rows of a width.
    func isSound(width: Int) -> Bool {
        guard bias.isFinite, trees.count <= Self.maxTrees else { return false }
        return trees.allSatisfy { tree in
            let leaves = tree.leaves.count
            return leaves >= 2 && leaves <= 1 << Self.maxDepth && leaves & (leaves - 1) == 0
                && tree.features.count == leaves - 1 && tree.thresholds.count == leaves - 1
                && tree.features.allSatisfy { $0 < width } && tree.thresholds.allSatisfy(\.isFinite)
                && tree.leaves.allSatisfy(\.isFinite)
        }
    }
}

/// Makes `BoostedTrees`: Newton steps on the log loss over values in bins, each tree on a part of rows and features.
struct BoostedTreesTrainer {
    var rounds = 150
    var depth = 3
    var rate: Float = 0.05
    /// Shares of the rows and of the features that a tree sees.
    var rowShare = 0.5
    var featureShare = 0.2
    /// Fewest rows of a leaf, and what is added to its curvature.
    var leastRows: Float = 8
    var shrinkage: Float = 2
    var seed: UInt64

    private static let maxBins = 32

    /// Features, labels and weights of rows; row-major.
    struct Table {
        var features: [Float]
        var width: Int
        var labels: [Float]
        var weights: [Float]
        var count: Int { labels.count }
    }

    func fit(_ table: Table) -> BoostedTrees {
        let bins = Bins(table, most: Self.maxBins)
        let total = table.weights.reduce(0, +)
        let positive = zip(table.labels, table.weights).reduce(Float(0)) { $0 + $1.0 * $1.1 }
        let share = min(0.999, max(0.001, positive / max(1e-9, total)))
        var model = BoostedTrees(bias: log(share / (1 - share)), trees: [])
        var logits = [Float](repeating: model.bias, count: table.count)
        var random = SplitMix(state: seed)
        var growing = TreeGrowing(trainer: self, bins: bins, count: table.count)
        for _ in 0..<rounds {
            for row in 0..<table.count {
                let p = 1 / (1 + exp(-logits[row]))
                growing.slopes[row] = table.weights[row] * (table.labels[row] - p)
                growing.curvatures[row] = table.weights[row] * p * (1 - p)
            }
            let rows = (0..<table.count).filter { _ in Double.random(in: 0..<1, using: &random) < rowShare }
            let wanted = max(1, Int((Double(table.width) * featureShare).rounded()))
            let features = Array((0..<table.width).shuffled(using: &random).prefix(wanted)).sorted()
            let tree = growing.tree(rows: rows, features: features)
            for row in 0..<table.count {
                logits[row] += tree.value(table.features[(row * table.width)..<((row + 1) * table.width)])
            }
            model.trees.append(tree)
        }
        return model
    }

    /// Values by quantile: a split lies between two bins.
    struct Bins {
        let width: Int
        /// Of each row and feature.
        var bin: [UInt8]
        /// Upper bounds of all bins of a feature but the last.
        var edges: [[Float]]

        init(_ table: Table, most: Int) {
            width = table.width
            bin = [UInt8](repeating: 0, count: table.features.count)
            edges = []
            for feature in 0..<width {
                let sorted = (0..<table.count).map { table.features[$0 * width + feature] }.sorted()
                var own: [Float] = []
                for step in 1..<most {
                    let place = step * sorted.count / most
                    guard place > 0, place < sorted.count, sorted[place] > sorted[0] else { continue }
                    // Between two values that differ, so that equal values are never parted.
                    let upper = sorted[place]
                    var below = place
                    while below > 0, sorted[below] == upper { below -= 1 }
                    let edge = (sorted[below] + upper) / 2
                    if own.last.map({ edge > $0 }) ?? true { own.append(edge) }
                }
                edges.append(own)
                for row in 0..<table.count {
                    let value = table.features[row * width + feature]
                    bin[row * width + feature] = UInt8(own.count { value > $0 })
                }
            }
        }
    }
}

/// Grows one tree level by level.
private struct TreeGrowing {
    let trainer: BoostedTreesTrainer
    let bins: BoostedTreesTrainer.Bins
    var slopes: [Float]
    var curvatures: [Float]

    init(trainer: BoostedTreesTrainer, bins: BoostedTreesTrainer.Bins, count: Int) {
        self.trainer = trainer
        self.bins = bins
        slopes = [Float](repeating: 0, count: count)
        curvatures = slopes
    }

    private struct Sum {
        var slope: Float = 0
        var curvature: Float = 0
        var count: Float = 0
    }

    func tree(rows: [Int], features: [Int]) -> BoostedTrees.Tree {
        let inner = (1 << trainer.depth) - 1
        var tree = BoostedTrees.Tree(
            features: [Int](repeating: -1, count: inner), thresholds: [Float](repeating: 0, count: inner),
            leaves: [Float](repeating: 0, count: inner + 1))
        var groups = [rows]
        var node = 0
        for _ in 0..<trainer.depth {
            var next: [[Int]] = []
            for group in groups {
                let split = best(group, features)
                if let split {
                    tree.features[node] = split.feature
                    tree.thresholds[node] = bins.edges[split.feature][split.bin]
                    next.append(group.filter { bins.bin[$0 * bins.width + split.feature] <= split.bin })
                    next.append(group.filter { bins.bin[$0 * bins.width + split.feature] > split.bin })
                } else {
                    next += [group, []]
                }
                node += 1
            }
            groups = next
        }
        for (leaf, group) in groups.enumerated() {
            let slope = group.reduce(Float(0)) { $0 + slopes[$1] }
            let curvature = group.reduce(Float(0)) { $0 + curvatures[$1] }
            tree.leaves[leaf] = trainer.rate * slope / (curvature + trainer.shrinkage)
        }
        return tree
    }

    private func best(_ rows: [Int], _ features: [Int]) -> (feature: Int, bin: Int)? {
        guard Float(rows.count) >= 2 * trainer.leastRows else { return nil }
        var best: (feature: Int, bin: Int)?
        var bestGain: Float = 1e-4
        for feature in features where !bins.edges[feature].isEmpty {
            var sums = [Sum](repeating: Sum(), count: bins.edges[feature].count + 1)
            var total = Sum()
            for row in rows {
                let bin = Int(bins.bin[row * bins.width + feature])
                sums[bin].slope += slopes[row]
                sums[bin].curvature += curvatures[row]
                sums[bin].count += 1
                total.slope += slopes[row]
                total.curvature += curvatures[row]
                total.count += 1
            }
            let whole = total.slope * total.slope / (total.curvature + trainer.shrinkage)
            var left = Sum()
            for bin in 0..<bins.edges[feature].count {
                left.slope += sums[bin].slope
                left.curvature += sums[bin].curvature
                left.count += sums[bin].count
                guard left.count >= trainer.leastRows, total.count - left.count >= trainer.leastRows else {
                    continue
                }
                let rightSlope = total.slope - left.slope
                let gain =
                    left.slope * left.slope / (left.curvature + trainer.shrinkage)
                    + rightSlope * rightSlope / (total.curvature - left.curvature + trainer.shrinkage) - whole
                if gain > bestGain {
                    bestGain = gain
                    best = (feature, bin)
                }
            }
        }
        return best
    }
}
