/// A mean that forgets, pulled towards zero while little is known.
package struct LearnedMean: Hashable, Sendable, Codable {
    /// What is left of an observation's weight one observation later.
    package static let forgetting = 0.997

    package private(set) var sum = 0.0
    package private(set) var weight = 0.0

    package init() {}

    package mutating func observe(_ value: Double) {
        sum = sum * Self.forgetting + value
        weight = weight * Self.forgetting + 1
    }

    /// Starts again from what was seen since a change.
    mutating func restart(from excursion: ChangeDetector.Excursion) {
        sum = excursion.sum
        weight = excursion.count
    }

    /// The mean, as if `prior` observations of zero had been made as well.
    package func value(prior: Double) -> Double { sum / (weight + prior) }
}
