import Curl
import GatewayCore
import GatewayTesting
import Providers
import Testing

@Suite("A look at a provider costs nothing")
struct ProbeTests {
    private enum Kind: String, CaseIterable, Sendable { case openAI, anthropic, gemini, bedrock }

    private static func provider(_ kind: Kind, at url: String, _ client: CurlClient) -> any PaidProvider {
        let settings = ProviderSettings(name: "p", baseURL: url, apiKey: Secret("sk-0123456789"))
        return switch kind {
        case .openAI: OpenAICompatibleProvider(settings, client: client)
        case .anthropic: AnthropicProvider(settings, client: client)
        case .gemini: GeminiProvider(settings, client: client)
        case .bedrock: BedrockProvider(settings, credentials: .key, client: client)
        }
    }

    @Test("It is a GET of a list, or of nothing; a refusal is a sign of life, a failure of the server's is none")
    func looks() async throws {
        let client = try CurlClient()
        for (kind, path) in [
            (Kind.openAI, "/v1/models"), (.anthropic, "/v1/models"), (.gemini, "/v1/models"), (.bedrock, "/v1/"),
        ] {
            for (status, isAlive) in [(200, true), (403, true), (503, false)] {
                let peer = try ScriptedPeer(all: [[.read, answer(status, "{}")]])
                let isReachable = await Self.provider(kind, at: peer.url + "/v1", client).isReachable()
                let sent = try #require(peer.requests.first)
                #expect(isReachable == isAlive, "\(kind) \(status)")
                #expect(sent.head.hasPrefix("GET \(path) HTTP/1.1"), "\(sent.head)")
                peer.stop()
            }
            let away = await Self.provider(kind, at: "http://127.0.0.1:9", client).isReachable()
            #expect(away == false)
        }
        await client.shutdown()
    }
}
