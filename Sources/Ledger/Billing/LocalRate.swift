internal import GatewayCore

/// Rates by which tenants are charged inside the company for their local models.
///
/// They stand in the price book as models of a provider that nobody can call: versions that take effect at an instant,
/// never edited, without a second kind of price. Work is charged when it is recorded; no budget ever counts it.
package enum LocalRate {
    /// The provider's name; a configuration may not give it to another.
    package static let provider = "slm"
    /// The rate of every local model without one of its own.
    static let anyModel = "*"

    /// What a local model has no use for is refused rather than left out of a bill without a word.
    static func check(_ price: ModelPrice) throws(LedgerError) {
        guard price.model.provider == provider else { return }
        let rates = price.rates
        let extras = [rates.cachedInput, rates.cacheWrite5m, rates.cacheWrite1h, rates.reasoning].compactMap { $0 }
        guard extras.isEmpty, price.tiers.isEmpty, price.perImage == .zero, price.batchPercent == 100 else {
            throw LedgerError(
                .invalid, field: "model", "\(price.model) is a local model's rate: input, output and per call only")
        }
    }
}
