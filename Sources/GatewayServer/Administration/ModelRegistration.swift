package import GatewayCore
internal import Inference
package import Ledger

/// Registers a model once its file is one that gateways would take: what they refuse is found before anything counts
/// on it.
package enum ModelRegistration {
    /// How a model's reward is read where nobody says: a PRM beside an SLM is a head on it, as there is nothing else
    /// that it could be.
    package static func rewardKind(_ given: RewardKind?, of kind: ModelKind, base: String?) -> RewardKind? {
        given ?? (kind == .prm ? (base == nil ? .tokens : .sharedHead) : nil)
    }

    /// Errors name the field. The file is read here, whole.
    package static func add(_ draft: ModelDraft, _ store: AdminStore) async throws(LedgerError) -> ModelRecord {
        if !RemoteEndpoint.isMeant(draft.file) {
            try await checkFile(of: draft)
            try await checkHead(draft, store)
        }
        return try await store.addModel(draft)
    }

    private static func checkFile(of draft: ModelDraft) async throws(LedgerError) {
        guard draft.rewardKind ?? .tokens == .tokens else { return }
        do throws(ModelFailure) {
            _ = try await GGUFFile.checked(draft.file, for: draft.kind == .adapter ? .adapter : .model)
        } catch {
            throw LedgerError(.invalid, field: "file", error.description)
        }
        guard draft.rewardKind == .tokens else { return }
        do throws(LocalModelError) { _ = try TokensRewardSettings(besides: draft.file) } catch {
            guard case .unavailable(let why) = error else { return }
            throw LedgerError(.invalid, field: "file", why)
        }
    }

    /// A head belongs to one model, which only the catalog knows.
    private static func checkHead(_ draft: ModelDraft, _ store: AdminStore) async throws(LedgerError) {
        guard draft.kind == .prm, draft.base != nil else { return }
        let models = try await store.models(tenant: draft.tenant)
        let misfit = await HeadCheck.misfit(of: draft.file, as: draft.rewardKind, base: draft.base, among: models)
        if let misfit { throw LedgerError(.invalid, field: misfit.place.rawValue, misfit.message) }
    }
}
