package import Curl
internal import Foundation
package import GatewayCore
internal import WireFormat

/// Amazon's Bedrock by its Converse API. Requests come in OpenAI's form of chat completions, and so do answers.
package struct BedrockProvider: PaidProvider {
    /// Who asks: credentials that sign each request, or none where the settings have an API key of Bedrock's.
    package enum Credentials: Sendable {
        case signature(RequestSignature)
        case key
    }
    /// What Amazon's signatures call the service.
    package static let service = "bedrock"
    private static let contentType = "application/json"

    private let transport: ProviderTransport
    private let credentials: Credentials
    private let host: String
    /// Of the base URL, if it has one.
    private let basePath: String

    /// Where the API of a region is.
    package static func baseURL(region: String) -> String { "https://bedrock-runtime.\(region).amazonaws.com" }

    package var traits: ProviderTraits {
        var traits = ProviderTraits()
        traits.takesThinkingBlocks = true
        traits.hasOwnLimits = true
        return traits
    }

    /// - Parameter settings: the key header is a bearer's, or nothing where requests are signed.
    package init(_ settings: ProviderSettings, credentials: Credentials, client: CurlClient) {
        var secrets: [Secret] = []
        if case .signature(let signature) = credentials {
            secrets = [signature.secretKey, signature.accessKey] + [signature.sessionToken].compactMap(\.self)
        }
        transport = ProviderTransport(settings, client: client, secrets: secrets)
        self.credentials = credentials
        (host, basePath) = Self.parts(settings.baseURL)
    }

    /// As the configuration names it.
    package var name: String { transport.settings.name }
    package var endpoints: Set<PaidEndpoint> { [.chatCompletions] }

    /// Asks for nothing, unsigned: a refusal is a sign of life, and costs nothing.
    package func isReachable() async -> Bool? { await transport.isReachable(path: "/") }

    package func objection(to body: [UInt8], model: String) -> RequestObjection? {
        RequestObjection { () throws(WireFormatError) in try ConverseRequest.body(body, model: model) }
    }

    /// Sends the call and waits for the response head.
    ///
    /// Throws `ProviderError` alone: `.unreachable` only where it is certain that no byte of the request was sent.
    package func open(_ call: PaidCall) async throws -> any PaidExchange {
        var sent = call
        do throws(WireFormatError) {
            sent.body = try ConverseRequest.body(
                call.body, model: call.model.model, cacheWrites: call.cacheWrites)
        } catch {
            // The request's own fault and no outage: the bound that was held for may be below the one that was asked.
            throw ProviderError(code: .status, status: 400, message: error.message)
        }
        let model = call.model.model
        let path = "/model/\(PathText.escaped(model))/\(call.isStream ? "converse-stream" : "converse")"
        var headers: [(name: String, value: String)] = []
        if case .signature(let signature) = credentials {
            headers = signature.headers(
                host: host, path: basePath + path, contentType: Self.contentType, body: sent.body, at: Date())
        }
        let (response, requestID) = try await transport.open(
            sent, path: path, headers: headers,
            accept: call.isStream ? "application/vnd.amazon.eventstream" : Self.contentType)
        let answer = ConverseAnswer(
            isStream: call.isStream, providerRequestID: requestID, maxEventBytes: transport.settings.maxEventBytes,
            model: model, created: Int64(Date().timeIntervalSince1970))
        return ProviderExchange(response, answer: answer, redaction: transport.redaction)
    }

    /// The `Host` header as libcurl writes it (without the scheme's own port), and the path without a slash at its end.
    static func parts(_ baseURL: String) -> (host: String, path: String) {
        let isSecure = baseURL.lowercased().hasPrefix("https:")
        let rest = baseURL.split(separator: "://", maxSplits: 1).last ?? ""
        var host = String(rest.prefix { $0 != "/" })
        let port = isSecure ? ":443" : ":80"
        if host.hasSuffix(port) { host.removeLast(port.count) }
        var path = String(rest.drop { $0 != "/" })
        while path.hasSuffix("/") { path.removeLast() }
        return (host, path)
    }
}
