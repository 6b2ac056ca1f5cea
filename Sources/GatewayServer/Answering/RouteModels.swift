internal import FoundationEssentials
internal import GatewayCore

/// A route's own models, looked up when they are needed.
struct RouteModels: Sendable {
    let catalog: any Catalog
    let models: any LocalModels
    let route: RouteRecord

    /// The SLM; throws where its file cannot be loaded.
    func slm() async throws(LocalModelError) -> any SmallLanguageModel {
        guard let record = await catalog.model(route.slm, tenantID: route.tenantID) else {
            throw .unavailable("model '\(route.slm)' is not registered")
        }
        guard let base = record.base else { return try await models.slm(record) }
        return try await models.slm(record, base: await catalog.model(base, tenantID: route.tenantID))
    }

    /// The PRM; nil where there is none or it cannot be loaded: the answer then goes unscored.
    func prm() async -> (any ProcessRewardModel)? {
        guard let name = route.prm, let record = await catalog.model(name, tenantID: route.tenantID) else { return nil }
        var base = await catalog.model(record.base ?? route.slm, tenantID: route.tenantID)
        // A head beside an adapter belongs to the model below it.
        if let below = base?.base { base = await catalog.model(below, tenantID: route.tenantID) }
        return try? await models.prm(record, base: base)
    }

    /// SHA-256 of the registered SLM and PRM files, for the audit.
    func hashes() async -> (slm: String?, prm: String?) {
        let slm = await catalog.model(route.slm, tenantID: route.tenantID)?.sha256
        guard let name = route.prm else { return (slm, nil) }
        return (slm, await catalog.model(name, tenantID: route.tenantID)?.sha256)
    }

    func end(session: UUID) async { try? await slm().end(session: session) }
}
