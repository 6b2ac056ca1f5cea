import Curl
import GatewayCore
import GatewayTesting
import Providers
import Testing

/// A provider before a scripted peer, and both ended with the test.
func withProvider(
    _ script: [ScriptedPeer.Step]..., timeouts: CurlTimeouts = CurlTimeouts(), key: String? = "sk-test-0123456789",
    _ work: (OpenAICompatibleProvider, ScriptedPeer) async throws -> Void
) async throws {
    let peer = try ScriptedPeer(all: script)
    defer { peer.stop() }
    let client = try CurlClient()
    var settings = OpenAIProviderSettings(name: "sim", baseURL: peer.url + "/v1/", apiKey: key.map { Secret($0) })
    settings.timeouts = timeouts
    do {
        try await work(OpenAICompatibleProvider(settings, client: client), peer)
    } catch {
        await client.shutdown()
        throw error
    }
    await client.shutdown()
}

func call(isStream: Bool = true) -> PaidCall {
    PaidCall(
        model: ModelReference(provider: "sim", model: "m"), body: Array("{\"model\":\"m\"}".utf8), isStream: isStream,
        requestID: "req-7")
}

/// A 200 with this stream, in chunks cut where the pieces are.
func stream(_ pieces: String..., headers: String = "") -> [ScriptedPeer.Step] {
    [.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\(headers)Transfer-Encoding: chunked\r\n\r\n")]
        + pieces.map { .send(String($0.utf8.count, radix: 16) + "\r\n" + $0 + "\r\n") }
}

func answer(_ status: Int, _ body: String, headers: String = "") -> ScriptedPeer.Step {
    .send("HTTP/1.1 \(status) X\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
}

/// Everything until the end, or until the failure.
func readAll(_ exchange: any PaidExchange) async -> (bytes: String, text: String, error: ProviderError?) {
    var bytes: [UInt8] = []
    var text = ""
    do {
        while let chunk = try await exchange.next() {
            bytes += chunk.bytes
            text += chunk.text
        }
        return (String(decoding: bytes, as: UTF8.self), text, nil)
    } catch {
        #expect(error is ProviderError)
        return (String(decoding: bytes, as: UTF8.self), text, error as? ProviderError)
    }
}

extension TokenUsage {
    /// Without the text that they were read from.
    var counts: TokenUsage {
        TokenUsage(
            input: input, cachedInput: cachedInput, cacheWrite5m: cacheWrite5m, cacheWrite1h: cacheWrite1h,
            output: output, reasoning: reasoning, images: images, isBatch: isBatch)
    }
}

@Suite("An OpenAI-compatible provider")
struct OpenAIProviderTests {
    @Test("gets the call as it was held for, with key and request id")
    func request() async throws {
        try await withProvider([.read, answer(200, "{}")]) { (provider, peer) async throws in
            _ = try await provider.open(call(isStream: false))
            let sent = try #require(peer.requests.first)
            #expect(sent.head.hasPrefix("POST /v1/chat/completions HTTP/1.1"))
            #expect(sent.header("authorization") == "Bearer sk-test-0123456789")
            #expect(sent.header("x-request-id") == "req-7")
            #expect(sent.header("content-type") == "application/json")
            #expect(sent.header("accept") == "application/json")
            #expect(sent.body == call().body)
        }
    }

    @Test("sends no authorization without a key")
    func noKey() async throws {
        try await withProvider([.read, answer(200, "{}")], key: nil) { (provider, peer) async throws in
            _ = try await provider.open(call())
            #expect(peer.requests.first?.header("authorization") == nil)
            #expect(peer.requests.first?.header("accept") == "text/event-stream")
        }
    }

    @Test("a stream is passed on byte for byte, with its text and usage")
    func goldenStream() async throws {
        let script = [.read] + stream(GoldenStreams.openAI, "", headers: "X-Request-Id: up-1\r\n")
        try await withProvider(script) { (provider, _) async throws in
            let exchange = try await provider.open(call())
            let (bytes, text, error) = await readAll(exchange)
            #expect(error == nil)
            #expect(bytes == GoldenStreams.openAI)
            #expect(text == GoldenStreams.openAIText)
            let expected = PaidResult(
                usage: TokenUsage(
                    input: 20, cachedInput: 16, output: 9, reasoning: 4, raw: GoldenStreams.openAIUsage),
                finishReason: "stop",
                providerRequestID: "up-1")
            #expect(await exchange.result == expected)
        }
    }

    @Test("a stream cut anywhere comes out the same", arguments: [1, 2, 3, 7, 64, 500])
    func cutStream(size: Int) async throws {
        let bytes = Array(GoldenStreams.openAI.utf8)
        let head = "HTTP/1.1 200 OK\r\nContent-Length: \(bytes.count)\r\n\r\n"
        var script: [ScriptedPeer.Step] = [.read, .send(head)]
        // Cut between characters only: the script is text. The kernel and libcurl cut as they like.
        var piece = ""
        for character in GoldenStreams.openAI {
            piece.append(character)
            if piece.count == size {
                script.append(.send(piece))
                piece = ""
            }
        }
        script.append(.send(piece))
        try await withProvider(script) { (provider, _) async throws in
            let exchange = try await provider.open(call())
            var text = ""
            var all: [UInt8] = []
            while let chunk = try await exchange.next() {
                // Whole events only: the client is never left in the middle of one.
                #expect(chunk.bytes.suffix(2) == Array("\n\n".utf8)[...])
                all += chunk.bytes
                text += chunk.text
            }
            #expect(all == bytes)
            #expect(text == GoldenStreams.openAIText)
        }
    }

    @Test("A text that comes in parts is read, without the thoughts among them", arguments: [true, false])
    func parts(isStream: Bool) async throws {
        let content =
            #"[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]},{"type":"text","text":"Nineteen."}]"#
        let delta = #"data: {"choices":[{"index":0,"delta":{"content":\#(content)},"finish_reason":null}]}"# + "\n\n"
        let body = #"{"choices":[{"message":{"content":\#(content)},"finish_reason":"stop"}]}"#
        let streamed = stream(delta, GoldenStreams.stop, GoldenStreams.done) + [.send("0\r\n\r\n")]
        let script = isStream ? streamed : [answer(200, body)]
        try await withProvider([.read] + script) { (provider, _) async throws in
            let exchange = try await provider.open(call(isStream: isStream))
            let (bytes, text, error) = await readAll(exchange)
            #expect(error == nil && text == "Nineteen." && bytes.contains("Hm"))
        }
    }

    @Test("row 10: comments, CRLF, usage beside a choice and explicit zeros are understood")
    func compatible() async throws {
        try await withProvider([.read] + stream(GoldenStreams.compatible, "")) { (provider, _) async throws in
            let exchange = try await provider.open(call())
            let (bytes, text, error) = await readAll(exchange)
            #expect(error == nil && bytes == GoldenStreams.compatible && text == "ok")
            let result = await exchange.result
            #expect(result.usage?.counts == TokenUsage(input: 0, output: 0))
            #expect(result.finishReason == "length")
        }
    }

    @Test("row 10: usage said twice is the last one, not the sum; unusable usage is none; no usage is none")
    func usage() async throws {
        let bad = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":2}}\n\n"
        for (said, expected) in [
            (GoldenStreams.usage(5, 1) + GoldenStreams.usage(5, 3), TokenUsage(input: 5, output: 3)),
            (GoldenStreams.usage(5, 1) + bad, nil), (bad + GoldenStreams.usage(5, 2), TokenUsage(input: 5, output: 2)),
            ("", nil),
        ] {
            let text = GoldenStreams.delta("a") + GoldenStreams.stop + said + GoldenStreams.done
            try await withProvider([.read] + stream(text, "")) { (provider, _) async throws in
                let exchange = try await provider.open(call())
                #expect(await readAll(exchange).error == nil)
                #expect(await exchange.result.usage?.counts == expected)
            }
        }
    }

    @Test(
        "of a request with a mark for an hour all writes are the hour's, where it is not said which are",
        arguments: [true, false], [true, false])
    func hourMark(isMarked: Bool, isSplit: Bool) async throws {
        let split = isSplit ? #","cache_write_tokens_details":{"ttl_12h_tokens":3}"# : ""
        let details = #"{"cached_tokens":1,"cache_write_tokens":20\#(split)}"#
        let hour: Int64 = isSplit ? 3 : isMarked ? 20 : 0
        for (endpoint, head, names) in [
            (PaidEndpoint.chatCompletions, #"{"choices":[]"#, ("prompt", "completion")),
            (.responses, #"{"object":"response","status":"completed","output":[]"#, ("input", "output")),
        ] {
            let usage = #"{"\#(names.0)_tokens":30,"\#(names.1)_tokens":2,"\#(names.0)_tokens_details":\#(details)}"#
            try await withProvider([.read, answer(200, head + #","usage":\#(usage)}"#)]) { (provider, _) async throws in
                var call = call(isStream: false)
                call.endpoint = endpoint
                call.hasHourMark = isMarked
                let exchange = try await provider.open(call)
                #expect(await readAll(exchange).error == nil)
                let usage = await exchange.result.usage
                #expect(usage?.cacheWrite1h == hour && usage?.cacheWrite5m == 20 - hour, "\(endpoint)")
            }
        }
    }

    @Test("the usage object is kept as it was sent, unless it is very long; the counts stand either way")
    func rawUsage() async throws {
        let odd = #"{ "prompt_tokens":3 ,"completion_tokens":2,"x":[1.50,"\u0000"],"note":""#
        for (length, isKept) in [(0, true), (TokenUsage.maxRawBytes, false)] {
            let said = odd + String(repeating: "n", count: length) + "\"}"
            let body = #"{"choices":[],"usage":\#(said)}"#
            try await withProvider([.read, answer(200, body)]) { (provider, _) async throws in
                let exchange = try await provider.open(call(isStream: false))
                #expect(await readAll(exchange).error == nil)
                let usage = await exchange.result.usage
                #expect(usage?.raw == (isKept ? said : nil))
                #expect(usage?.counts == TokenUsage(input: 3, output: 2))
            }
        }
    }

    @Test("a whole body is one chunk")
    func wholeBody() async throws {
        let body = """
            {"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi \\"you\\""},\
            "finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":null}}
            """
        try await withProvider([.read, answer(200, body)]) { (provider, _) async throws in
            let exchange = try await provider.open(call(isStream: false))
            let chunk = try #require(try await exchange.next())
            #expect(chunk.bytes == Array(body.utf8))
            #expect(chunk.text == "Hi \"you\"")
            #expect(try await exchange.next() == nil)
            #expect(await exchange.result.usage?.counts == TokenUsage(input: 3, output: 2))
            #expect(await exchange.result.finishReason == "stop")
        }
    }

    @Test("calls one after the other share a connection", arguments: [true, false])
    func keptConnection(isStream: Bool) async throws {
        let reply = isStream ? stream(GoldenStreams.openAI, "") : [answer(200, "{\"choices\":[]}")]
        try await withProvider([.read] + reply + [.again]) { (provider, peer) async throws in
            for _ in 0..<5 {
                let exchange = try await provider.open(call(isStream: isStream))
                #expect(await readAll(exchange).error == nil)
            }
            #expect(peer.connections == 1 && peer.requests.count == 5)
        }
    }

    @Test("a peer that lingers after [DONE] does not hold the answer up for long")
    func lingering() async throws {
        try await withProvider([.read] + stream(GoldenStreams.openAI) + [.hang]) { (provider, peer) async throws in
            let exchange = try await provider.open(call())
            let start = ContinuousClock.now
            #expect(await readAll(exchange).error == nil)
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(await exchange.result.usage?.output == 9)
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }
}
