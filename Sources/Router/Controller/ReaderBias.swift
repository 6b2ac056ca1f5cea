/// How far a reward model is off where it reads what an LLM wrote: it was made for the SLM's answers.
///
/// The first readings fix it, against the prior of q̂; from then on what a reading says beyond it is believed. So
/// readings tell that the LLM has changed, and say nothing of how good it was at the beginning.
package struct ReaderBias: Hashable, Sendable, Codable {
    /// Readings that fix it.
    package static let readings = 30

    private var sum = 0.0
    private var count = 0

    package init() {}

    /// A reading without the bias; nil while it is being fixed.
    mutating func corrected(_ reading: Double, expected: Double) -> Double? {
        guard count >= Self.readings else {
            sum += reading - expected
            count += 1
            return nil
        }
        return reading - sum / Double(count)
    }
}
