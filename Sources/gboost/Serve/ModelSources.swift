internal import Curl
internal import GatewayCore
internal import Inference
internal import Providers

/// The tenants' models, each where it is held: in an engine host of this gateway's, or by another server.
struct ModelSources: LocalModels {
    let engines: EngineModels
    let curl: CurlClient

    func slm(_ record: ModelRecord, base: ModelRecord?) async throws(LocalModelError) -> any SmallLanguageModel {
        guard let endpoint = try RemoteEndpoint.parse(record.file) else {
            return try await engines.slm(record, base: base)
        }
        return try remote(endpoint)
    }

    func prm(
        _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel {
        guard let endpoint = try RemoteEndpoint.parse(record.file) else {
            return try await engines.prm(record, base: base, below: below)
        }
        guard record.rewardKind == .tokens else {
            throw .unavailable("\(record.name): another server can hold a PRM of kind tokens only")
        }
        if let kind = endpoint.reward {
            return RemoteScorer(endpoint, kind: kind, key: try key(endpoint), client: curl)
        }
        let model = try remote(endpoint)
        return try AskedRewardModel(settings: TokensRewardSettings()) { try await model.firstTokens($0) }
    }

    private func remote(_ endpoint: RemoteEndpoint) throws(LocalModelError) -> RemoteModel {
        let settings = OpenAIProviderSettings(name: "remote", baseURL: endpoint.baseURL, apiKey: try key(endpoint))
        return RemoteModel(provider: OpenAICompatibleProvider(settings, client: curl), model: endpoint.model)
    }

    private func key(_ endpoint: RemoteEndpoint) throws(LocalModelError) -> Secret? {
        guard let reference = endpoint.key else { return nil }
        do { return try SecretReference(reference).resolve() } catch { throw .unavailable(error.description) }
    }
}
