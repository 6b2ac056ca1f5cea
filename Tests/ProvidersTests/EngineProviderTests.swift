import Foundation
import GatewayCore
import Providers
import Testing

@Suite("A model that is served at home, as a provider")
struct EngineProviderTests {
    /// Says what it was made to say.
    private struct Scripted: StreamingLanguageModel, SmallLanguageModel {
        var draft: StepDraft

        func stream(
            _ request: DraftRequest, tenant: Int64, onText: @escaping @Sendable (String) -> Void
        ) async throws -> StepDraft {
            onText(String(draft.text.prefix(2)))
            return draft
        }

        func write(_ step: FusedStep, tenant: Int64) async throws -> StepDraft {
            var draft = draft
            draft.text = "tenant \(tenant), weight \(step.weight), at most \(step.request.maxTokens)\n"
            draft.end = .boundary
            return draft
        }

        func draft(_ request: DraftRequest) async throws -> StepDraft { draft }
        func end(session: UUID) async {}
    }

    private let model = Scripted(
        draft: StepDraft(
            text: "héllo", tokens: [1, 2, 3, 4, 5, 6], logProbabilities: [], hidden: [], end: .length,
            promptTokens: 12, reusedTokens: 11))

    private func call(_ model: String = "demo", stream: Bool = false) -> PaidCall {
        let body = #"{"model":"demo","messages":[{"role":"user","content":"Hi"}],"max_tokens":4}"#
        var call = PaidCall(
            model: ModelReference(provider: "home", model: model), body: Array(body.utf8), isStream: stream,
            requestID: "r")
        call.tenantID = 7
        return call
    }

    private func read(_ exchange: any PaidExchange) async throws -> (text: String, result: PaidResult) {
        var text = ""
        while let chunk = try await exchange.next() { text += chunk.text }
        return (text, await exchange.result)
    }

    @Test("It counts what it read and wrote, and never more than was held for", arguments: [false, true])
    func counts(stream: Bool) async throws {
        let provider = EngineProvider(name: "home", models: ["demo": model])
        let (text, result) = try await read(try await provider.open(call(stream: stream)))
        #expect(text == "héllo" && result.finishReason == "length")
        #expect(result.usage == TokenUsage(input: 12, cachedInput: 11, output: 6))
        // A template that adds to the prompt, and a character that needs some tokens more.
        var held = call(stream: stream)
        (held.maxInputTokens, held.maxOutputTokens) = (10, 4)
        let bounded = try await read(try await provider.open(held)).result
        #expect(bounded.usage == TokenUsage(input: 10, cachedInput: 10, output: 4))
    }

    @Test("A step that it writes with an SLM is asked for as such, and ends where that step does")
    func fusion() async throws {
        let provider = EngineProvider(name: "home", models: ["demo": model])
        #expect(provider.traits.takesFusion)
        var fused = call()
        let request = DraftRequest(
            session: UUID(), messages: [], answer: [], sampling: Sampling(), maxTokens: 9, boundary: .newline,
            wantsHidden: false)
        fused.fusion = FusedStep(request: request, partner: model, weight: 2)
        let (text, result) = try await read(try await provider.open(fused))
        #expect(text == "tenant 7, weight 2.0, at most 9\n" && result.finishReason == "boundary")
        #expect(result.providerRequestID == "fusion-r")
    }

    @Test(
        "A fused step that its route's pattern does not end is no failure of the provider's",
        arguments: [
            (LocalModelError.unusablePattern("the step pattern '(' is none"), 400),
            (LocalModelError.unavailable("no file"), 503),
        ])
    func pattern(failure: LocalModelError, status: Int) async throws {
        struct Failing: StreamingLanguageModel {
            var failure: LocalModelError
            func stream(
                _ request: DraftRequest, tenant: Int64, onText: @escaping @Sendable (String) -> Void
            ) async throws -> StepDraft { throw failure }
            func write(_ step: FusedStep, tenant: Int64) async throws -> StepDraft { throw failure }
        }
        let provider = EngineProvider(name: "home", models: ["demo": Failing(failure: failure)])
        var fused = call()
        let request = DraftRequest(
            session: UUID(), messages: [], answer: [], sampling: Sampling(), maxTokens: 9, boundary: .pattern("("),
            wantsHidden: false)
        fused.fusion = FusedStep(request: request, partner: model, weight: 1)
        let error = await #expect(throws: ProviderError.self) { _ = try await provider.open(fused) }
        // The circuit breaker takes what is below 500 for a sign of life.
        #expect(error?.code == .status && error?.status == status)
    }

    @Test("A model without logits to share refuses by the setting's name; an unknown one is not found")
    func refusals() async throws {
        struct Plain: StreamingLanguageModel {
            func stream(
                _ request: DraftRequest, tenant: Int64, onText: @escaping @Sendable (String) -> Void
            ) async throws -> StepDraft { throw LocalModelError.interrupted }
        }
        let provider = EngineProvider(name: "home", models: ["demo": Plain()])
        var fused = call()
        let request = DraftRequest(
            session: UUID(), messages: [], answer: [], sampling: Sampling(), maxTokens: 9, boundary: nil,
            wantsHidden: false)
        fused.fusion = FusedStep(request: request, partner: model, weight: 1)
        await #expect {
            try await provider.open(fused)
        } throws: { error in
            guard let error = error as? ProviderError else { return false }
            return error.status == 400 && error.message.contains("fusion_weight")
        }
        await #expect {
            try await provider.open(call("other"))
        } throws: { ($0 as? ProviderError)?.status == 404 }
    }
}
