internal import Ledger
internal import Postgres

/// What is said where the database is lost while a declaration comes about: why, what became of it, what to do.
///
/// All of it is one transaction, so nothing came about; only where the answer to the commit is lost is that not known.
struct ApplyLoss {
    /// The file that declares it.
    var file: String
    /// What takes everything back, such as "--plan"; it says what there is to do.
    var trial: String
    /// Whether that was asked for.
    var isTrial: Bool
    /// Whether it may have come about: the answer to the commit is lost.
    var isUnknown: Bool
    /// Fits the reason why the database is lost.
    var remedy: String

    func failure(_ error: LedgerError) -> CommandFailure {
        let reason = error.explanation
        return CommandFailure(
            "\(reason)\(reason.hasSuffix(".") ? "" : ".") \(fate)", status: .databaseUnreachable)
    }

    private var fate: String {
        if isTrial { return "Nothing was changed, and nothing would have been. What to do: \(remedy)" }
        guard isUnknown else {
            return "Nothing of \(file) was applied: all of it is one transaction. What to do: \(remedy); then apply it "
                + "again"
        }
        return "Whether \(file) was applied is not known: the answer was lost. What to do: \(remedy); then \(trial) "
            + "says what of it is still to be done. A key that was made and not shown gets another secret by gboost "
            + "key rotate"
    }
}

extension AdminOptions {
    /// `administer`, for a declaration that comes about as a whole.
    func apply<R: Sendable>(
        _ file: String, trial: String, isTrial: Bool, needsPepper: Bool, _ body: (AdminStore) async throws -> R
    ) async throws -> R {
        var isBegun = false
        do {
            return try await administer(needsPepper: needsPepper) { store in
                isBegun = true
                return try await body(store)
            }
        } catch let error as LedgerError where error.code == .unavailable {
            let remedy = DatabaseChecks(configuration: try configuration.load()).remedy(for: error)
            // Before it there are only questions.
            let isUnknown = isBegun && error.underlying?.outcomeUnknown == true
            throw ApplyLoss(
                file: file, trial: trial, isTrial: isTrial, isUnknown: isUnknown, remedy: remedy
            ).failure(error)
        }
    }
}
