package import Curl
package import GatewayCore

/// A paid API that speaks OpenAI's formats.
package struct OpenAICompatibleProvider: PaidProvider {
    private let transport: ProviderTransport

    package init(_ settings: ProviderSettings, client: CurlClient) {
        transport = ProviderTransport(settings, client: client)
    }

    /// As the configuration names it.
    package var name: String { transport.settings.name }
    package var traits: ProviderTraits { transport.settings.traits }
    package var endpoints: Set<PaidEndpoint> { transport.settings.endpoints }

    /// Asks for the list of models, which is free of charge.
    package func isReachable() async -> Bool? { await transport.isReachable(path: "/models") }

    /// Sends the call and waits for the response head.
    ///
    /// Throws `ProviderError` alone: `.unreachable` only where it is certain that no byte of the request was sent.
    package func open(_ call: PaidCall) async throws -> any PaidExchange {
        let (response, requestID) = try await transport.open(call, path: call.endpoint.rawValue)
        let limit = transport.settings.maxEventBytes
        switch call.endpoint {
        case .embeddings:
            return ProviderExchange(
                response, answer: EmbeddingsAnswer(providerRequestID: requestID), redaction: transport.redaction)
        case .responses:
            var answer = ResponsesAnswer(
                isStream: call.isStream, providerRequestID: requestID, maxEventBytes: limit)
            answer.reader.hasHourMark = call.hasHourMark
            return ProviderExchange(response, answer: answer, redaction: transport.redaction)
        case .chatCompletions, .completions, .messages, .countTokens:
            var answer = OpenAIAnswer(isStream: call.isStream, providerRequestID: requestID, maxEventBytes: limit)
            answer.reader.hasHourMark = call.hasHourMark
            return ProviderExchange(response, answer: answer, redaction: transport.redaction)
        }
    }
}
