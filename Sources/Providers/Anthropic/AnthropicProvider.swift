package import Curl
package import GatewayCore

/// A paid API that speaks Anthropic's messages.
package struct AnthropicProvider: PaidProvider {
    /// Where the API is, unless the configuration says otherwise.
    package static let defaultBaseURL = "https://api.anthropic.com"
    /// Sent where the client named no version of the API.
    package static let defaultVersion = "2023-06-01"
    private static let versionHeader = "anthropic-version"
    /// Headers of a client that go on to the provider.
    private static let passedHeaders: Set<String> = [versionHeader, "anthropic-beta"]

    private let transport: ProviderTransport

    /// - Parameter settings: the base URL may end in the version or not, as clients of this API write it without.
    package init(_ settings: ProviderSettings, client: CurlClient) {
        var settings = settings
        settings.keyHeader = .named("x-api-key")
        while settings.baseURL.hasSuffix("/") { settings.baseURL.removeLast() }
        if settings.baseURL.hasSuffix("/v1") { settings.baseURL.removeLast("/v1".count) }
        transport = ProviderTransport(settings, client: client)
    }

    /// As the configuration names it.
    package var name: String { transport.settings.name }
    package var endpoints: Set<PaidEndpoint> { [.messages, .countTokens] }
    package var traits: ProviderTraits {
        var traits = ProviderTraits()
        traits.passesCacheMarks = true
        return traits
    }

    /// Asks for the list of models, which is free of charge.
    package func isReachable() async -> Bool? { await transport.isReachable(path: "/v1/models") }

    /// Sends the call and waits for the response head.
    ///
    /// Throws `ProviderError` alone: `.unreachable` only where it is certain that no byte of the request was sent.
    package func open(_ call: PaidCall) async throws -> any PaidExchange {
        var headers = call.headers.filter { Self.passedHeaders.contains($0.name) }
        if !headers.contains(where: { $0.name == Self.versionHeader }) {
            headers.append((name: Self.versionHeader, value: Self.defaultVersion))
        }
        let (response, requestID) = try await transport.open(
            call, path: "/v1" + call.endpoint.rawValue, headers: headers)
        let answer = AnthropicAnswer(
            isStream: call.isStream, providerRequestID: requestID, maxEventBytes: transport.settings.maxEventBytes)
        return ProviderExchange(response, answer: answer, redaction: transport.redaction)
    }
}
