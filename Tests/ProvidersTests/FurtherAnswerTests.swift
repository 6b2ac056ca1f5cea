import Curl
import GatewayCore
import GatewayTesting
import Providers
import Testing

@Suite("Answers of OpenAI's further endpoints")
struct FurtherAnswerTests {
    private static func wanted(_ endpoint: PaidEndpoint, isStream: Bool) -> PaidCall {
        var wanted = call(isStream: isStream)
        wanted.endpoint = endpoint
        return wanted
    }
    private static func event(_ type: String, _ members: String) -> String {
        "event: \(type)\ndata: {\"type\":\"\(type)\",\(members)}\n\n"
    }

    @Test("Embeddings: the usage behind a million numbers is read by itself, the body passed on as it is")
    func embeddings() async throws {
        let numbers = Array(repeating: "0.125", count: 600_000).joined(separator: ",")
        let body = #"{"data":[{"embedding":[\#(numbers)]}],"usage": {"prompt_tokens": 8, "total_tokens": 8}}"#
        try await withProvider([.read, answer(200, body)]) { (provider, peer) async throws in
            let exchange = try await provider.open(Self.wanted(.embeddings, isStream: false))
            let (bytes, _, error) = await readAll(exchange)
            #expect(bytes == body && error == nil)
            #expect(await exchange.result.usage == TokenUsage(input: 8, output: 0))
            #expect(peer.requests.first?.head.hasPrefix("POST /v1/embeddings HTTP/1.1") == true)
        }
    }

    @Test(
        "Embeddings: a usage with details in it is read to its end",
        arguments: [
            #"{"prompt_tokens":8,"prompt_tokens_details":{"cached_tokens":0,"of":{}},"total_tokens":8}"#,
            #"{"prompt_tokens": 8, "total_tokens": 8, "cost": {"a": 1}}"#,
        ])
    func embeddingDetails(usage: String) async throws {
        for body in [#"{"data":[{"embedding":[1]}],"usage":\#(usage)}"#, #"{"usage":\#(usage),"data":[{"index":0}]}"#] {
            try await withProvider([.read, answer(200, body)]) { (provider, _) async throws in
                let exchange = try await provider.open(Self.wanted(.embeddings, isStream: false))
                let (bytes, _, error) = await readAll(exchange)
                #expect(bytes == body && error == nil)
                #expect(await exchange.result.usage == TokenUsage(input: 8, output: 0))
            }
        }
    }

    @Test("A completion with twenty alternatives of each token, with their probabilities, is read like any other")
    func logProbabilities() async throws {
        let said = #""token":" words","logprob":-0.25,"bytes":[32,119,111,114,100,115]"#
        let alternatives = Array(repeating: "{\(said)}", count: 20).joined(separator: ",")
        let token = #"{\#(said),"top_logprobs":[\#(alternatives)]}"#
        let tokens = Array(repeating: token, count: 2_500).joined(separator: ",")
        let body =
            #"{"choices":[{"index":0,"message":{"content":"Hi"},"logprobs":{"content":[\#(tokens)]},"#
            + #""finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2500}}"#
        try await withProvider([.read, answer(200, body)]) { (provider, _) async throws in
            let exchange = try await provider.open(call(isStream: false))
            let (bytes, text, error) = await readAll(exchange)
            #expect(bytes == body && text == "Hi" && error == nil)
            let result = await exchange.result
            #expect(result.usage?.counts == TokenUsage(input: 3, output: 2_500) && result.finishReason == "stop")
        }
    }

    @Test(
        "A body beyond the limits of a document is passed on as it is, and its own usage read by itself",
        arguments: [
            (PaidEndpoint.chatCompletions, "prompt_tokens", "completion_tokens"),
            (PaidEndpoint.responses, "input_tokens", "output_tokens"),
        ])
    func beyondLimits(endpoint: PaidEndpoint, read: String, written: String) async throws {
        let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        let usage = #"{"\#(read)":3,"\#(written)":2,"note":"}"}"#
        let inner = #"{"usage":{"\#(read)":1,"\#(written)":1}}"#
        for body in [
            #"{"token":"usage","said":"a\"usage\":{","inner":\#(inner),"deep":\#(deep),"usage" : \#(usage),"x":null}"#,
            #"{"usage":\#(usage),"deep":\#(deep),"inner":\#(inner),"list":[\#(inner)],"token":"usage"}"#,
        ] {
            try await withProvider([.read, answer(200, body)]) { (provider, _) async throws in
                let exchange = try await provider.open(Self.wanted(endpoint, isStream: false))
                let (bytes, _, error) = await readAll(exchange)
                #expect(bytes == body && error == nil)
                let found = await exchange.result.usage
                #expect(found?.counts == TokenUsage(input: 3, output: 2) && found?.raw == usage)
            }
        }
    }

    @Test("Responses: the event that ends one has the usage, streamed and not")
    func responses() async throws {
        let response =
            #"{"object":"response","status":"incomplete","output":[{"type":"message","content":[{"text":"Hi"}]}],"#
            + #""usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"#
            + #""output_tokens":5,"#
            + #""output_tokens_details":{"reasoning_tokens":2}}}"#
        let usage = TokenUsage(input: 9, cachedInput: 4, cacheWrite5m: 3, output: 5, reasoning: 2)
        try await withProvider([.read, answer(200, response)]) { (provider, _) async throws in
            let exchange = try await provider.open(Self.wanted(.responses, isStream: false))
            let (bytes, text, error) = await readAll(exchange)
            #expect(bytes == response && text == "Hi" && error == nil)
            let result = await exchange.result
            #expect(result.usage?.counts == usage && result.finishReason == "length")
        }
        let events =
            Self.event("response.output_text.delta", #""delta":"Hi""#)
            + Self.event("response.incomplete", #""response":\#(response)"#)
        try await withProvider([.read] + stream(events) + [.send("0\r\n\r\n")]) { (provider, _) async throws in
            let exchange = try await provider.open(Self.wanted(.responses, isStream: true))
            let (bytes, text, error) = await readAll(exchange)
            #expect(bytes == events && text == "Hi" && error == nil)
            #expect(await exchange.result.usage?.counts == usage)
        }
    }

    @Test(
        "row 10: Usage as different servers state it",
        arguments: [
            // Reasoning outside of the completion, but in the total.
            (
                #"{"prompt_tokens":5,"completion_tokens":2,"total_tokens":17,"completion_tokens_details":"#
                    + #"{"reasoning_tokens":10}}"#, TokenUsage(input: 5, output: 12, reasoning: 10)
            ),
            (
                #"{"prompt_tokens":5,"completion_tokens":2,"total_tokens":10}"#,
                TokenUsage(input: 5, output: 5, reasoning: 3)
            ),
            // Cache hits beside the prompt.
            (
                #"{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"prompt_cache_hit_tokens":4}"#,
                TokenUsage(input: 5, cachedInput: 4, output: 2)
            ),
            // A total that is too small says nothing.
            (#"{"prompt_tokens":5,"completion_tokens":2,"total_tokens":0}"#, TokenUsage(input: 5, output: 2)),
        ])
    func servers(usage: String, expected: TokenUsage) async throws {
        let body = #"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":\#(usage)}"#
        try await withProvider([.read, answer(200, body)]) { (provider, _) async throws in
            let exchange = try await provider.open(call(isStream: false))
            _ = await readAll(exchange)
            #expect(await exchange.result.usage?.counts == expected)
        }
    }

    @Test("Every preset has an address and serves chats; Azure's key has a header of its own")
    func presets() async throws {
        for preset in CompatiblePreset.allCases {
            #expect(preset.baseURL.hasPrefix("http") && preset.endpoints.contains(.chatCompletions))
        }
        // Behind an assistant's last message these begin another turn.
        #expect(CompatiblePreset.allCases.filter { !$0.traits.continuesAnswers } == [.openai, .vllm])
        let peer = try ScriptedPeer(all: [[.read, answer(200, "{}")]])
        defer { peer.stop() }
        let client = try CurlClient()
        var settings = ProviderSettings(name: "azure", baseURL: peer.url + "/", apiKey: Secret("k-0123456789"))
        settings.adoptAzure()
        #expect(!settings.traits.continuesAnswers)
        _ = try? await OpenAICompatibleProvider(settings, client: client).open(call(isStream: false))
        let sent = try #require(peer.requests.first)
        #expect(sent.head.hasPrefix("POST /openai/v1/chat/completions HTTP/1.1"))
        #expect(sent.header("api-key") == "k-0123456789" && sent.header("authorization") == nil)
        await client.shutdown()
        // A resource may have any name; an address that says where the API is stays as it is.
        for (address, expected) in [
            ("https://openai-prod.openai.azure.com/", "https://openai-prod.openai.azure.com/openai/v1"),
            ("https://x.openai.azure.com/openai/v1", "https://x.openai.azure.com/openai/v1"),
        ] {
            settings.baseURL = address
            settings.adoptAzure()
            #expect(settings.baseURL == expected)
        }
    }
}
