internal import GatewayCore

extension ModelAllowance {
    /// The most patterns of one list.
    static let maxPatterns = 1000

    /// Refuses what would never match, or could not be a name.
    static func check(_ models: [String]) throws(LedgerError) {
        guard models.count <= maxPatterns else {
            throw LedgerError(.invalid, field: "models", "has more than \(maxPatterns) entries")
        }
        for model in models where !ModelPattern.isValid(model) {
            throw LedgerError(.invalid, field: "models", "\(model) is not a name or a pattern like openai/gpt-4*")
        }
    }
}
