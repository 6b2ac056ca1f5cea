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
    package var prefersMaxCompletionTokens: Bool { transport.settings.prefersMaxCompletionTokens }

    /// Sends the call and waits for the response head.
    ///
    /// Throws `ProviderError` alone: `.unreachable` only where it is certain that no byte of the request was sent.
    package func open(_ call: PaidCall) async throws -> any PaidExchange {
        let (response, requestID) = try await transport.open(call, path: call.endpoint.rawValue)
        let answer = OpenAIAnswer(
            isStream: call.isStream, providerRequestID: requestID, maxEventBytes: transport.settings.maxEventBytes)
        return ProviderExchange(response, answer: answer, redaction: transport.redaction)
    }
}
