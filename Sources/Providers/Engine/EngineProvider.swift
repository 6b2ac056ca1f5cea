internal import Foundation
package import GatewayCore
internal import WireFormat

/// A general LLM that is served at home, by an engine host of the gateway's own, and paid for like any other: with a
/// price of its own it is held for, settled and recorded, so that teams are charged for what they use of it.
///
/// What it takes: text, sampling, stop strings. What it does not (tools, images, several choices, …) it refuses by
/// name. A call that it fails is never charged: there is no bill but the gateway's.
package struct EngineProvider: PaidProvider {
    /// Most tokens of one answer, which the engine host sets.
    package static let maxOutputTokens = 4096

    package let name: String
    private let models: [String: any StreamingLanguageModel]

    /// - Parameter models: by the name in a model reference, behind the provider's and a slash.
    package init(name: String, models: [String: any StreamingLanguageModel]) {
        self.name = name
        self.models = models
    }

    package var traits: ProviderTraits {
        var traits = ProviderTraits()
        traits.takesFusion = true
        traits.continuesAnswers = false
        return traits
    }

    package func open(_ call: PaidCall) async throws -> any PaidExchange {
        guard let model = models[call.model.model] else {
            throw ProviderError(code: .status, status: 404, message: "\(name) serves no model \(call.model.model)")
        }
        if let fusion = call.fusion {
            let exchange = EngineExchange(call: call) { _ in try await model.write(fusion, tenant: call.tenantID) }
            try await exchange.begin()
            return exchange
        }
        let request: DraftRequest
        do throws(WireFormatError) {
            request = try Self.request(ChatCompletionRequest(call.body))
        } catch {
            throw ProviderError(code: .status, status: 400, message: error.message)
        }
        let exchange = EngineExchange(call: call) {
            try await model.stream(request, tenant: call.tenantID, onText: $0)
        }
        // The head of an answer is its first piece: until then a busy or broken engine is a refusal.
        try await exchange.begin()
        return exchange
    }

    private static func request(_ request: ChatCompletionRequest) throws(WireFormatError) -> DraftRequest {
        if let obstacle = request.obstacleForSLM {
            throw WireFormatError(
                .invalidField, "\(obstacle.rawValue): not taken by a model that is served at home",
                param: obstacle.rawValue)
        }
        let messages = request.messages.map { message in
            ChatMessage(role: message.role == "developer" ? "system" : message.role, content: message.text)
        }
        var sampling = Sampling(
            temperature: request.temperature ?? 1, topP: request.topP ?? 1,
            seed: request.seed.map { UInt32(truncatingIfNeeded: $0) } ?? UInt32.random(in: 0...UInt32.max))
        if sampling.temperature == 0 { sampling.topP = 1 }
        return DraftRequest(
            session: UUID(), messages: messages, answer: [], sampling: sampling,
            maxTokens: min(maxOutputTokens, request.outputLimit ?? maxOutputTokens), boundary: nil,
            stop: request.stop, wantsHidden: false)
    }
}
