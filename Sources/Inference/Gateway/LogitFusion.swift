internal import Foundation
internal import GatewayCore

/// Joins what two models think of the next token.
///
/// With the model that the SLM was made from: `s = s_LLM + α (s_SLM − s_base)`, so that the LLM is moved by what the
/// SLM has learned and nothing else (proxy tuning, arXiv 2401.08565; G-Boost, arXiv 2503.10367). Without it, the mean
/// of both, in which the SLM counts α times: `s = (s_LLM + α s_SLM) / (1 + α)`.
struct LogitFusion: Sendable {
    /// α: 0 leaves the LLM alone.
    var weight: Float

    /// All rows are logarithms of probabilities, one a token of the common vocabulary; so is the result up to a
    /// constant.
    func joined(llm: [Float], slm: [Float], base: [Float]?) -> [Float] {
        let count = min(llm.count, slm.count, base?.count ?? .max)
        return [Float](unsafeUninitializedCapacity: count) { joined, initialized in
            for index in 0..<count {
                let value =
                    if let base {
                        llm[index] + weight * (slm[index] - base[index])
                    } else {
                        (llm[index] + weight * slm[index]) / (1 + weight)
                    }
                // What one of them rules out entirely stays so.
                joined[index] = value.isNaN ? -.infinity : value
            }
            initialized = count
        }
    }

    /// The next token, with the logarithm of its probability before temperature; nil where there is none to choose.
    static func choose(
        _ scores: [Float], _ sampling: Sampling, position: Int
    ) -> (token: Int32, logProbability: Float)? {
        guard let best = scores.indices.max(by: { scores[$0] < scores[$1] }), scores[best].isFinite else { return nil }
        let sum = log(scores.reduce(Float(0)) { $0 + exp($1 - scores[best]) })
        let chosen = sampling.temperature <= 0 ? best : drawn(scores, best: best, sampling, position: position)
        return (Int32(chosen), scores[chosen] - scores[best] - sum)
    }

    /// Draws among what top-k, top-p and min-p leave, as llama.cpp does: before temperature.
    private static func drawn(_ scores: [Float], best: Int, _ sampling: Sampling, position: Int) -> Int {
        // What is less probable than the best one by a factor of 10⁹ is never drawn.
        var kept = scores.indices.filter { scores[$0] > scores[best] - 20 }.sorted { scores[$0] > scores[$1] }
        if sampling.topK > 0 { kept = Array(kept.prefix(sampling.topK)) }
        let weights = kept.map { Double(exp(scores[$0] - scores[best])) }
        let total = weights.reduce(0, +)
        var count = 0
        var mass = 0.0
        while count < kept.count, count == 0 || mass < sampling.topP * total && weights[count] >= sampling.minP {
            mass += weights[count]
            count += 1
        }
        let heated = kept.prefix(count).map { exp(Double(scores[$0] - scores[best]) / sampling.temperature) }
        var rest = unit(sampling.seed, position) * heated.reduce(0, +)
        for (index, weight) in heated.enumerated() {
            rest -= weight
            if rest < 0 { return kept[index] }
        }
        return best
    }

    /// A number of 0..<1 that belongs to seed and position: a round of SplitMix64.
    private static func unit(_ seed: UInt32, _ position: Int) -> Double {
        var mixed = (UInt64(seed) << 32 | UInt64(UInt32(truncatingIfNeeded: position))) &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Double((mixed ^ mixed >> 31) >> 11) / Double(1 << 53)
    }
}
