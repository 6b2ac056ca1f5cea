import Curl
import GatewayCore
import GatewayTesting
import Providers
import Testing

/// An Anthropic provider before a scripted peer, and both ended with the test.
private func withAnthropic(
    _ script: [ScriptedPeer.Step]..., path: String = "", _ work: (AnthropicProvider, ScriptedPeer) async throws -> Void
) async throws {
    let peer = try ScriptedPeer(all: script)
    defer { peer.stop() }
    let client = try CurlClient()
    let settings = ProviderSettings(name: "claude", baseURL: peer.url + path, apiKey: Secret("sk-ant-0123456789"))
    do {
        try await work(AnthropicProvider(settings, client: client), peer)
    } catch {
        await client.shutdown()
        throw error
    }
    await client.shutdown()
}

private func messagesCall(isStream: Bool = true) -> PaidCall {
    var messages = call(isStream: isStream)
    messages.endpoint = .messages
    return messages
}

private func event(_ type: String, _ members: String) -> String {
    "event: \(type)\ndata: {\"type\":\"\(type)\",\(members)}\n\n"
}

@Suite("An Anthropic provider")
struct AnthropicProviderTests {
    private static let start = event(
        "message_start",
        #""message":{"id":"m","usage":{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":1}}"#)
    private static let hello = event(
        "content_block_delta", #""index":0,"delta":{"type":"text_delta","text":"Hi"}"#)
    private static func end(_ usage: String) -> String {
        event("message_delta", #""delta":{"stop_reason":"end_turn"},"usage":\#(usage)"#)
    }
    private static let stop = event("message_stop", #""x":1"#)

    @Test("gets the call with its own key header and version, wherever the base URL ends", arguments: ["", "/", "/v1"])
    func request(path: String) async throws {
        try await withAnthropic([.read, answer(200, "{}")], path: path) { (provider, peer) async throws in
            var wanted = messagesCall(isStream: false)
            wanted.headers = [(name: "anthropic-beta", value: "b1"), (name: "cookie", value: "no")]
            _ = try await provider.open(wanted)
            let sent = try #require(peer.requests.first)
            #expect(sent.head.hasPrefix("POST /v1/messages HTTP/1.1"))
            #expect(sent.header("x-api-key") == "sk-ant-0123456789" && sent.header("authorization") == nil)
            #expect(sent.header("anthropic-version") == "2023-06-01" && sent.header("anthropic-beta") == "b1")
            #expect(sent.header("cookie") == nil && sent.header("x-request-id") == "req-7")
        }
    }

    @Test("passes its stream on byte for byte; the last usage counts, with its explicit zeros")
    func streams() async throws {
        let pieces = [Self.start, Self.hello, Self.end(#"{"input_tokens":0,"output_tokens":9}"#), Self.stop]
        try await withAnthropic(
            [.read] + stream(pieces[0], pieces[1], pieces[2], pieces[3], headers: "request-id: r-1\r\n") + [
                .send("0\r\n\r\n")
            ]
        ) { (provider, _) async throws in
            let exchange = try await provider.open(messagesCall())
            let (bytes, text, error) = await readAll(exchange)
            #expect(bytes == pieces.joined() && text == "Hi" && error == nil)
            let result = await exchange.result
            #expect(result.usage?.counts == TokenUsage(input: 4, cachedInput: 4, output: 9))
            #expect(result.finishReason == "stop" && result.providerRequestID == "r-1")
            #expect(result.usage?.raw?.hasPrefix("[{\"input_tokens\":10") == true)
        }
    }

    @Test("row 10: A stream that breaks before its end has no usage, whatever its beginning said")
    func breaks() async throws {
        let midway = event("message_delta", #""delta":{"stop_reason":null},"usage":{"output_tokens":3}"#)
        let overloaded = event("error", #""error":{"type":"overloaded_error","message":"Overloaded"}"#)
        for pieces in [[Self.start, Self.hello, midway], [Self.start, Self.hello, overloaded]] {
            try await withAnthropic(
                [.read] + stream(pieces[0], pieces[1], pieces[2]) + [.send("0\r\n\r\n")]
            ) { (provider, _) async throws in
                let exchange = try await provider.open(messagesCall())
                let (_, text, error) = await readAll(exchange)
                #expect(text == "Hi" && error?.code == .interrupted)
                #expect(await exchange.result.usage == nil)
            }
        }
    }

    @Test("gives a whole message with its cache writes by their time to live")
    func whole() async throws {
        let body =
            #"{"content":[{"type":"text","text":"Hi"}],"stop_reason":"max_tokens","usage":{"input_tokens":1,"#
            + #""cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":5,"#
            + #""ephemeral_1h_input_tokens":2},"output_tokens":3}}"#
        try await withAnthropic([.read, answer(200, body)]) { (provider, _) async throws in
            let exchange = try await provider.open(messagesCall(isStream: false))
            let (bytes, text, _) = await readAll(exchange)
            #expect(bytes == body && text == "Hi")
            let result = await exchange.result
            #expect(result.finishReason == "length")
            #expect(
                result.usage?.counts == TokenUsage(input: 8, cacheWrite5m: 5, cacheWrite1h: 2, output: 3))
        }
    }

    @Test("is known to pass marks on to a vendor that charges them, as OpenRouter is, and no other preset")
    func passesMarks() async throws {
        try await withAnthropic([]) { (provider, _) async throws in #expect(provider.traits.passesCacheMarks) }
        #expect(CompatiblePreset.allCases.filter { $0.traits.passesCacheMarks } == [.openrouter])
    }

    @Test("says why it refuses, in its own words, without charge")
    func refuses() async throws {
        let body = #"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"}}"#
        try await withAnthropic([.read, answer(400, body, headers: "retry-after: 3\r\n")]) {
            (provider, _) async throws in
            let error = await #expect(throws: ProviderError.self) { _ = try await provider.open(messagesCall()) }
            #expect(error?.status == 400 && error?.message == "max_tokens: too large")
            #expect(error?.mayHaveCharged == false && error?.retryAfterSeconds == 3)
        }
    }
}
