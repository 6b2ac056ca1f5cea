internal import Foundation
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
        try await use(request.session, tenant: tenant) { try await $0.stream(request, onText: onText) }
    }

    package func write(_ step: FusedStep, tenant: Int64) async throws -> StepDraft {
        guard let slm = step.partner as? EngineModel else {
            throw LocalModelError.invalid("fusion_weight: the SLM is not served by an engine host of this gateway")
        }
        return try await use(step.request.session, tenant: tenant) { llm in
            try await FusedModel(llm: llm, slm: slm, fusion: LogitFusion(weight: Float(step.weight)))
                .draft(step.request)
        }
    }

    private func use(
        _ session: UUID, tenant: Int64, _ body: (EngineModel) async throws -> StepDraft
    ) async throws -> StepDraft {
        let supervisor = try await models.supervisor(file: file)
        do {
            let draft = try await body(EngineModel(supervisor: supervisor, scope: await models.scope(tenant: tenant)))
            await supervisor.end(session: session)
            return draft
        } catch {
            await supervisor.end(session: session)
            throw error
        }
    }
}
