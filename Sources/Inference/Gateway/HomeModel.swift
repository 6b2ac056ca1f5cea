package import GatewayCore

/// A general LLM that is served at home: a model file behind an engine host, for every tenant who pays for it.
///
/// Each call is its tenant's own: tenants take turns by their shares, and find only their own prefixes again.
package struct HomeModel: StreamingLanguageModel {
    private let models: EngineModels
    private let file: String

    /// Loads nothing: the host starts with the first call.
    package init(models: EngineModels, file: String) {
        self.models = models
        self.file = file
    }

    package func stream(
        _ request: DraftRequest, tenant: Int64, onText: @escaping @Sendable (String) -> Void
    ) async throws -> StepDraft {
        let supervisor = try await models.supervisor(file: file)
        do {
            let model = EngineModel(supervisor: supervisor, scope: await models.scope(tenant: tenant))
            let draft = try await model.stream(request, onText: onText)
            await supervisor.end(session: request.session)
            return draft
        } catch {
            await supervisor.end(session: request.session)
            throw error
        }
    }
}
