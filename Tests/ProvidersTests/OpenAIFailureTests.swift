import Curl
import GatewayCore
import GatewayTesting
import Providers
import Testing

@Suite("An OpenAI-compatible provider that fails")
struct OpenAIFailureTests {
    private func refusal(_ provider: OpenAICompatibleProvider, isStream: Bool = true) async -> ProviderError? {
        await #expect(throws: ProviderError.self) { _ = try await provider.open(call(isStream: isStream)) }
    }

    @Test("refused connections were not charged for")
    func refused() async throws {
        try await withProvider([.hang]) { (provider, peer) async throws in
            peer.stop()
            #expect(await peer.wait { $0.openConnections == 0 })
            let error = try #require(await refusal(provider))
            #expect(error.code == .unreachable && !error.mayHaveCharged)
        }
    }

    @Test("silence after the request, an early end and a reset may have been charged for")
    func interrupted() async throws {
        let limits = CurlTimeouts(firstByte: .milliseconds(100))
        for script: [ScriptedPeer.Step] in [[.read, .hang], [.read], [.readHead, .reset]] {
            try await withProvider(script, timeouts: limits) { (provider, _) async throws in
                let error = try #require(await refusal(provider))
                #expect(error.code == .interrupted && error.mayHaveCharged)
            }
        }
    }

    @Test("the head of an answer in one piece is waited for until the total, unless the answer is a short one")
    func slowHead() async throws {
        let script = [ScriptedPeer.Step.read, .pause(milliseconds: 500), answer(200, "{\"choices\":[]}")]
        let limits = CurlTimeouts(firstByte: .milliseconds(100), total: .seconds(60))
        for (isStream, isBrief) in [(false, false), (true, false), (false, true)] {
            try await withProvider(script, timeouts: limits) { (provider, _) async throws in
                var sent = call(isStream: isStream)
                sent.isBrief = isBrief
                if isStream || isBrief {
                    let error = await #expect(throws: ProviderError.self) { _ = try await provider.open(sent) }
                    #expect(error?.code == .interrupted)
                } else {
                    let exchange = try await provider.open(sent)
                    #expect(await readAll(exchange).error == nil)
                }
            }
        }
        let short = CurlTimeouts(firstByte: .seconds(60), total: .seconds(2))
        try await withProvider([.read, .hang], timeouts: short) { (provider, _) async throws in
            let error = try #require(await refusal(provider, isStream: false))
            #expect(error.code == .interrupted && error.message.contains("timed out"))
        }
    }

    @Test(
        "an error status tells status, id, wait and words, without the key", arguments: [400, 401, 404, 429, 500, 503])
    func status(status: Int) async throws {
        let body = """
            {"error":{"message":"Bad key sk-test-0123456789 and sk-live-ABCDEFGH****1234, Bearer abc","type":"t"}}
            """
        let headers = "X-Request-Id: up-9\r\nRetry-After: 12\r\n"
        try await withProvider([.read, answer(status, body, headers: headers)]) { (provider, _) async throws in
            let error = try #require(await refusal(provider))
            #expect(error.code == .status && error.status == status && !error.mayHaveCharged)
            #expect(error.providerRequestID == "up-9" && error.retryAfterSeconds == 12)
            #expect(error.message == "Bad key [redacted] and [redacted], Bearer [redacted]")
        }
    }

    @Test(
        "an error body's code and field are kept, without keys",
        arguments: ["context_length_exceeded", "sk-live-ABCDEFGH"])
    func words(code: String) async throws {
        let body = #"{"error":{"message":"m","type":"t","param":"messages","code":"\#(code)"}}"#
        try await withProvider([.read, answer(400, body)]) { (provider, _) async throws in
            let error = try #require(await refusal(provider))
            #expect(error.parameter == "messages")
            #expect(error.reason == (code.hasPrefix("sk-") ? "[redacted]" : code))
        }
    }

    @Test("an endless, huge or missing error body does not hide the status")
    func errorBodies() async throws {
        let page = "<html>" + String(repeating: "é sk-test-0123456789 ", count: 20_000)
        try await withProvider([.read, answer(502, page)]) { (provider, _) async throws in
            let error = try #require(await refusal(provider))
            #expect(error.status == 502 && error.message.utf8.count <= 2048 && !error.message.contains("sk-"))
        }
        try await withProvider([.read, .send("HTTP/1.1 503 X\r\nContent-Length: 10\r\n\r\n"), .reset]) {
            (provider, _) async throws in
            let error = try #require(await refusal(provider))
            #expect(error.code == .status && error.status == 503)
        }
        try await withProvider([.read, answer(307, "", headers: "Location: http://127.0.0.1:1/\r\n")]) {
            (provider, peer) async throws in
            let error = try #require(await refusal(provider))
            #expect(error.code == .status && error.status == 307 && peer.connections == 1)
        }
    }

    @Test("a stream that ends without its end is interrupted, after what came, and keeps the usage it told")
    func cutStream() async throws {
        let said = GoldenStreams.delta("a") + GoldenStreams.usage(4, 2)
        // With and without the proper end of the chunked body.
        for script in [stream(said, ""), stream(said)] {
            try await withProvider([.read] + script) { (provider, _) async throws in
                let exchange = try await provider.open(call())
                let (bytes, text, error) = await readAll(exchange)
                #expect(bytes == said && text == "a")
                #expect(error?.code == .interrupted && error?.mayHaveCharged == true)
                #expect(await exchange.result.usage?.counts == TokenUsage(input: 4, output: 2))
                #expect(await readAll(exchange).error?.code == .interrupted)
            }
        }
    }

    @Test("a stream that ends after its finish reason, without [DONE], is whole")
    func noDone() async throws {
        let said = GoldenStreams.delta("a") + GoldenStreams.stop
        let last = String(GoldenStreams.usage(4, 2).dropLast(2))  // not even its blank line
        try await withProvider([.read] + stream(said, last, "")) { (provider, _) async throws in
            let exchange = try await provider.open(call())
            let (bytes, _, error) = await readAll(exchange)
            #expect(error == nil && bytes == said + GoldenStreams.usage(4, 2))
            #expect(await exchange.result.usage?.counts == TokenUsage(input: 4, output: 2))
        }
    }

    @Test(
        "nonsense in a stream is interrupted and not passed on, what came before it is",
        arguments: ["data: {\"choices\":[\n\n", "data: 5\n\n", "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"])
    func garbage(event: String) async throws {
        let good = GoldenStreams.delta("a")
        try await withProvider([.read] + stream(good + event + GoldenStreams.done) + [.hang]) {
            (provider, peer) async throws in
            let exchange = try await provider.open(call())
            let (bytes, text, error) = await readAll(exchange)
            #expect(bytes == good && text == "a")
            #expect(error?.code == .interrupted)
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test(
        "a body that is not a completion is interrupted", arguments: ["", "[]", "{\"choices\":", "{\"error\":\"x\"}"])
    func garbageBody(body: String) async throws {
        try await withProvider([.read, answer(200, body)]) { (provider, _) async throws in
            let exchange = try await provider.open(call(isStream: false))
            #expect(await readAll(exchange).error?.code == .interrupted)
        }
    }

    @Test("row 8: a client that left: draining reads on to the usage, also in a cancelled task")
    func drain() async throws {
        let script: [ScriptedPeer.Step] =
            [.read] + stream(GoldenStreams.delta("a")) + [.gate]
            + stream(GoldenStreams.delta("b"), GoldenStreams.stop, GoldenStreams.usage(7, 2) + GoldenStreams.done, "")
            .dropFirst()
        try await withProvider(script) { (provider, peer) async throws in
            let exchange = try await provider.open(call())
            let reader = Task {
                _ = try await exchange.next()
                peer.open()
                withUnsafeCurrentTask { $0?.cancel() }
                await #expect(throws: ProviderError.self) { _ = try await exchange.next() }
                return await exchange.drain(seconds: 10)
            }
            let result = try await reader.value
            #expect(result.usage?.counts == TokenUsage(input: 7, output: 2))
            #expect(result.finishReason == "stop")
        }
    }

    @Test("draining is bounded, and closes the connection", arguments: [0.2, 0, -1, .nan])
    func boundedDrain(seconds: Double) async throws {
        try await withProvider([.read] + stream(GoldenStreams.usage(1, 1)) + [.hang]) { (provider, peer) async throws in
            let exchange = try await provider.open(call())
            let start = ContinuousClock.now
            let result = await exchange.drain(seconds: seconds)
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(result.usage == nil || result.usage?.counts == TokenUsage(input: 1, output: 1))
            #expect(await peer.wait { $0.openConnections == 0 })
        }
    }

    @Test("cancelling closes the connection at once")
    func cancel() async throws {
        try await withProvider([.read] + stream(GoldenStreams.delta("a")) + [.hang]) { (provider, peer) async throws in
            let exchange = try await provider.open(call())
            _ = try await exchange.next()
            await exchange.cancel()
            #expect(await peer.wait { $0.openConnections == 0 })
            #expect(await readAll(exchange).error?.code == .interrupted)
        }
    }

    @Test("cancelling while the head is awaited says that it may have been charged")
    func cancelOpen() async throws {
        try await withProvider([.read, .hang]) { (provider, peer) async throws in
            let task = Task { await refusal(provider) }
            #expect(await peer.wait { $0.requests.count == 1 })
            task.cancel()
            #expect(await task.value?.code == .interrupted)
        }
    }
}
