internal import FoundationEssentials
internal import GatewayCore
internal import Logging

/// A route's own models, looked up when they are needed.
struct RouteModels: Sendable {
    let catalog: any Catalog
    let models: any LocalModels
    let route: RouteRecord
    /// Takes what a PRM fails at; nil: nobody does.
    var failures: RewardFailures?
    /// Where that is said.
    var logger: Logger?

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
        guard let name = route.prm else { return nil }
        guard let record = await catalog.model(name, tenantID: route.tenantID) else {
            let missing = ModelRecord(id: 0, tenantID: route.tenantID, name: name, kind: .prm, file: "", sha256: "")
            note(LocalModelError.unavailable("model '\(name)' is not registered"), of: missing)
            return nil
        }
        let base = await catalog.model(record.base ?? route.slm, tenantID: route.tenantID)
        do {
            let found = try await prm(record, base: base)
            guard failures != nil else { return found }
            return HeardRewardModel(inner: found) { note($0, of: record) }
        } catch {
            note(error, of: record)
            return nil
        }
    }

    private func prm(
        _ record: ModelRecord, base: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel {
        guard let below = base?.base else { return try await models.prm(record, base: base) }
        return try await models.prm(
            record, base: base, below: await catalog.model(below, tenantID: route.tenantID))
    }

    private func note(_ error: any Error, of record: ModelRecord) {
        guard failures?.isNews(error, of: record) ?? false else { return }
        logger?.warning(
            "a reward model fails: answers go without a score, and are not escalated",
            metadata: [
                "model": "\(record.name)", "file": "\(record.file)", "tenant": "\(record.tenantID)",
                "route": "\(route.name)", "why": "\(error)",
            ])
    }

    /// SHA-256 of the registered files, for the audit.
    func hashes() async -> ModelHashes {
        var hashes = ModelHashes()
        let slm = await catalog.model(route.slm, tenantID: route.tenantID)
        (hashes.slm, hashes.adapter) = await files(of: slm)
        guard let name = route.prm, let prm = await catalog.model(name, tenantID: route.tenantID) else { return hashes }
        guard prm.rewardKind == .head || prm.rewardKind == .sharedHead else {
            hashes.prm = prm.sha256
            return hashes
        }
        hashes.head = prm.sha256
        hashes.prm = await files(of: catalog.model(prm.base ?? route.slm, tenantID: route.tenantID)).model
        return hashes
    }

    /// A model's own file, or that of the model below it and its own as an adapter's.
    private func files(of record: ModelRecord?) async -> (model: String?, adapter: String?) {
        guard let base = record?.base else { return (record?.sha256, nil) }
        return (await catalog.model(base, tenantID: route.tenantID)?.sha256, record?.sha256)
    }

    func end(session: UUID) async { try? await slm().end(session: session) }
}

extension RouteModels {
    init(_ services: GatewayServices, route: RouteRecord) {
        self.init(
            catalog: services.catalog, models: services.models, route: route, failures: services.rewardFailures,
            logger: services.logger)
    }
}

/// SHA-256 of the files of the models that a decision is made with.
struct ModelHashes: Sendable {
    var slm: String?
    /// Of the adapter on the SLM.
    var adapter: String?
    /// Where the PRM is a head: of the model that it reads.
    var prm: String?
    var head: String?
}
