internal import Foundation
internal import GatewayCore

/// An SLM and an LLM of the same vocabulary that write a step together: at every token both say what they think of the
/// next one, each in its own host and for its own prompt, and the token is chosen by both.
///
/// Hosts keep what they evaluated, so that a token costs each of them one token. Penalties, logit biases and grammars
/// are not applied.
struct FusedModel: Sendable {
    let llm: EngineModel
    let slm: EngineModel
    let fusion: LogitFusion

    /// The model below the SLM's adapter; nil where the SLM is a model of its own.
    private var base: EngineModel? {
        guard slm.scope.adapter != nil else { return nil }
        var base = slm
        base.scope.adapter = nil
        return base
    }

    /// The step as the LLM's host sees it: its counts are what is paid for.
    func draft(_ request: DraftRequest) async throws -> StepDraft {
        try await checkVocabularies()
        var tokens: [Int32] = []
        var logProbabilities: [Float] = []
        // Every token is one, and the answer's end another: the engine ends a step at its limit.
        while tokens.count <= request.maxTokens + StepSplitter.maxExtraTokens + 1 {
            switch try await opinion(request, tokens) {
            case .ended(var draft):
                draft.logProbabilities = Array(logProbabilities.prefix(draft.tokens.count))
                return draft
            case .goesOn(let scores):
                guard let next = LogitFusion.choose(scores, request.sampling, position: tokens.count) else {
                    throw LocalModelError.unavailable("the models have no token in common that may come next")
                }
                tokens.append(next.token)
                logProbabilities.append(min(0, next.logProbability))
            }
        }
        throw LocalModelError.interrupted
    }

    private func checkVocabularies() async throws {
        let (own, theirs) = (try await slm.info(), try await llm.info())
        guard own.vocabularySize == theirs.vocabularySize, own.vocabularyDigest == theirs.vocabularyDigest else {
            throw LocalModelError.invalid("fusion_weight: the SLM and the LLM have not the same vocabulary")
        }
    }

    /// What all think of the next token together, or the step that has ended.
    private func opinion(_ request: DraftRequest, _ tokens: [Int32]) async throws -> EngineModel.Dictation {
        async let theirs = llm.dictate(request, tokens)
        async let own = slm.dictate(request, tokens)
        async let below = base?.dictate(request, tokens)
        let (llm, slm, base) = try await (theirs, own, below)
        guard case .goesOn(let llmRow) = llm else { return llm }
        guard case .goesOn(let slmRow) = slm else { return try await cut(request, tokens) }
        guard let base else { return .goesOn(fusion.joined(llm: llmRow, slm: slmRow, base: nil)) }
        guard case .goesOn(let baseRow) = base else { return try await cut(request, tokens) }
        return .goesOn(fusion.joined(llm: llmRow, slm: slmRow, base: baseRow))
    }

    /// The SLM's context is full where the LLM's is not: the step ends here, by its length.
    private func cut(_ request: DraftRequest, _ tokens: [Int32]) async throws -> EngineModel.Dictation {
        var request = request
        request.maxTokens = max(1, tokens.count)
        return try await llm.dictate(request, tokens)
    }
}
