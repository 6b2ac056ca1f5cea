import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import Testing

@testable import GatewayServer

@Suite("A direct call is held, sent, settled and passed through")
struct DirectAnswerTests {
    static let headers: HTTPFields = [.authorization: "Bearer \(FakeCatalog.key)", .contentType: "application/json"]

    static func post(
        _ fixture: Fixture, _ body: String, headers: HTTPFields = headers
    ) async throws -> TestResponse {
        let response = try await RouterClient(fixture.services).send(
            .post, "/v1/chat/completions", headers: headers, body: body)
        await fixture.services.activity.waitUntilIdle()
        return response
    }
    static func text(_ response: TestResponse) -> String { String(buffer: response.body) }

    @Test("row 3: The body goes out with the held max_tokens, all else byte for byte, and comes back with its cost")
    func passesThrough() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50,"odd":1e400}"#
        let response = try await Self.post(fixture, body)
        #expect(response.status == .ok)
        let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(sent == body.replacingOccurrences(of: "sim/large", with: "large"))
        // 100 × 10 + 10 × 30 micro-dollars
        #expect(response.headers[.costUSD] == "0.001300000")
        #expect(response.headers[.servedBy] == "llm")
        #expect(Self.text(response).contains(#""odd":1e400"#))
        let state = fixture.ledger.snapshot
        #expect(state.settled == 1_300_000 && state.held.isEmpty)
        #expect(state.settlements.first?.outcome == .completed)
        #expect(state.requests.first?.costNanoUSD == 1_300_000)
    }

    @Test(
        "row 3: The held bound goes out in a word that the provider takes, whichever the client wrote",
        arguments: [
            ("max_tokens", false, "max_tokens"), ("max_completion_tokens", false, "max_tokens"),
            ("max_tokens", true, "max_tokens"), ("max_completion_tokens", true, "max_completion_tokens"),
        ])
    func boundWord(given: String, isNewer: Bool, word: String) async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        var traits = ProviderTraits()
        traits.takesMaxCompletionTokens = isNewer
        var services = fixture.services
        services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"\#(given)":50}"#
        let response = try await RouterClient(services).send(
            .post, "/v1/chat/completions", headers: Self.headers, body: body)
        await services.activity.waitUntilIdle()
        #expect(response.status == .ok)
        let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(sent.hasSuffix(#""content":"x"}],"\#(word)":50}"#), "\(sent)")
    }

    @Test("row 7: Without a price, a key, a known model or room in the budget nothing is sent")
    func refusals() async throws {
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        let unpriced = Fixture(priced: false)
        let noPrice = try await Self.post(unpriced, body)
        #expect(noPrice.status == .badRequest && Self.text(noPrice).contains("price_unknown"))
        let poor = Fixture(limit: NanoUSD(1000))
        let noMoney = try await Self.post(poor, body)
        #expect(noMoney.status == .tooManyRequests)
        #expect(noMoney.headers[.shouldRetry] == "false")
        #expect(Self.text(noMoney).contains(#""scope":"tenant:acme""#))
        #expect(Self.text(noMoney).contains(#""limit_usd":"0.000001000""#))
        let rich = Fixture()
        let noKey = try await Self.post(rich, body, headers: [:])
        #expect(noKey.status == .unauthorized && Self.text(noKey).contains("invalid_api_key"))
        let unknown = try await Self.post(rich, body.replacingOccurrences(of: "sim/large", with: "gpt-9"))
        #expect(unknown.status == .notFound && Self.text(unknown).contains("model_not_found"))
        rich.ledger.state.withLock { $0.isAway = true }
        let away = try await Self.post(rich, body)
        #expect(away.status == .serviceUnavailable && Self.text(away).contains("ledger_unavailable"))
        let calls = unpriced.provider.calls + poor.provider.calls + rich.provider.calls
        #expect(calls.isEmpty)
    }

    @Test("The scheme of a key is taken in any case, with more than one space behind it, as HTTP has it")
    func oddScheme() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        let key = FakeCatalog.key
        for (value, status) in [("BEARER  \(key)", 200), ("Bearer", 401), ("Basic \(key)", 401)] {
            let response = try await Self.post(fixture, body, headers: [.authorization: value])
            #expect(response.status.code == status, "\(value.prefix(8))")
        }
    }

    @Test("A call without max_tokens shrinks to what the budget still allows, and is held for exactly that")
    func shrinks() async throws {
        let fixture = Fixture(limit: NanoUSD(30_000_000), scripts: [completion("Hi")])
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}]}"#
        let response = try await Self.post(fixture, body)
        #expect(response.status == .ok)
        let hold = try #require(fixture.ledger.snapshot.reservations.first)
        #expect(hold.amount.rawValue <= 30_000_000)
        let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        let tokens = try #require(Int64(sent.split(separator: "\"max_tokens\":")[1].prefix { $0.isNumber }))
        // The prompt's bound: bytes of the body, 16 a message and 512.
        let bound = Int64(body.utf8.count) + 16 + 512
        #expect(hold.amount.rawValue == bound * 10_000 + tokens * 30_000)
        #expect(bound * 10_000 + (tokens + 1) * 30_000 > 30_000_000)
    }

    @Test("row 9: An error status posts nothing; a broken answer without usage posts the whole hold")
    func failures() async throws {
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        let refused = Fixture(scripts: [
            .init(openError: ProviderError(code: .status, status: 500, providerRequestID: "r", message: "down"))
        ])
        let first = try await Self.post(refused, body)
        #expect(first.status == .badGateway && Self.text(first).contains(#""provider_status":"500""#))
        #expect(refused.ledger.snapshot.settled == 0 && refused.ledger.snapshot.held.isEmpty)
        #expect(first.headers[.costUSD] == nil && first.headers[.shouldRetry] == nil)
        let broken = Fixture(scripts: [.init(streamError: ProviderError(code: .interrupted, message: "cut"))])
        let second = try await Self.post(broken, body)
        #expect(second.status == .badGateway)
        let state = broken.ledger.snapshot
        #expect(state.settled == state.reservations.first?.amount.rawValue && state.held.isEmpty)
        #expect(state.settlements.first?.outcome == .estimated)
        // The client's library would send it again, and pay again.
        let cost = NanoUSD(state.settled).usdString
        #expect(second.headers[.costUSD] == cost && second.headers[.shouldRetry] == "false")
        #expect(second.headers[.retryAfter] == nil && Self.text(second).contains(#""cost_usd":"\#(cost)""#))
    }

    @Test("A stream that breaks off says in its error what it cost, in both envelopes", arguments: [true, false])
    func brokenStream(isAnthropic: Bool) async throws {
        let event = #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}"# + "\n\n"
        let fixture = Fixture(scripts: [
            .init(
                chunks: [PaidChunk(bytes: Array(event.utf8), text: "Hi")],
                streamError: ProviderError(code: .interrupted, message: "cut"))
        ])
        let body = """
            {"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50,"stream":true}
            """
        let response = try await RouterClient(fixture.services).send(
            .post, isAnthropic ? "/v1/messages" : "/v1/chat/completions", headers: Self.headers, body: body)
        await fixture.services.activity.waitUntilIdle()
        let settled = fixture.ledger.snapshot.settled
        #expect(response.status == .ok && settled > 0)
        #expect(Self.text(response).contains(#""cost_usd":"\#(NanoUSD(settled).usdString)""#))
    }

    @Test(
        "What a provider says of the request keeps its code and its field, as far as they are such",
        arguments: [
            (400, "context_length_exceeded", "messages", true), (413, "too_big", "messages[0].content", true),
            (400, "400", "None", false), (422, "a\u{7}b", "", false),
            (400, String(repeating: "x", count: 129), nil, false),
            (500, "server_error", "messages", false), (429, "insufficient_quota", nil, false),
        ] as [(Int, String, String?, Bool)])
    func providersWords(status: Int, code: String, field: String?, isKept: Bool) async throws {
        var error = ProviderError(code: .status, status: status, message: "no")
        (error.reason, error.parameter) = (code, field)
        let fixture = Fixture(scripts: [.init(openError: error)])
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        let text = Self.text(try await Self.post(fixture, body))
        let told = #""param":"\#(field ?? "")","code":"\#(code)""#
        #expect(text.contains(isKept ? told : #""param":null,"code":"upstream_error""#), "\(text)")
        #expect(text.contains("provider_code") == isKept && text.contains("provider_param") == isKept, "\(text)")
        var headers = Self.headers
        headers[.anthropicVersion] = "2023-06-01"
        let other = Self.text(try await Self.post(fixture, body, headers: headers))
        #expect(other.contains(#""type":"request_too_large""#) == (status == 413), "\(other)")
        #expect(other.contains(#""provider_code":"\#(code)""#) == isKept, "\(other)")
    }

    @Test("A stream passes through, and its cost is in the last chunk", arguments: [true, false])
    func streams(wantsUsage: Bool) async throws {
        let events = [
            #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}"#,
            #"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            #"data: {"id":"c","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10}}"#, "data: [DONE]",
        ].map { $0 + "\n\n" }
        var script = completion("Hi")
        script.chunks = events.map { PaidChunk(bytes: Array($0.utf8), text: "") }
        let fixture = Fixture(scripts: [script])
        let options = wantsUsage ? #","stream_options":{"include_usage":true}"# : ""
        let body = """
            {"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50,"stream":true\(options)}
            """
        let response = try await Self.post(fixture, body)
        let text = Self.text(response)
        #expect(text.hasPrefix(events[0]))
        #expect(text.hasSuffix("data: [DONE]\n\n"))
        #expect(text.contains(#""prompt_tokens":100"#) == wantsUsage)
        #expect(text.contains(#""cost_usd":"0.001300000""#))
        let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(sent.contains(#""include_usage":true"#))
        #expect(fixture.ledger.snapshot.settled == 1_300_000)
    }

    @Test(
        "A client that leaves before the head of a stream has left: the answer ends, and is settled, cached or not",
        arguments: [false, true])
    func leavesBeforeHead(isCached: Bool) async throws {
        // More in all than waits for a client that does not read.
        let word = String(repeating: "x", count: 64 * 1024)
        let text = #"{"id":"c","choices":[{"index":0,"delta":{"content":"\#(word)"},"finish_reason":null}]}"#
        let stop = #"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
        let usage = #"{"id":"c","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10}}"#
        var script = completion("Hi")
        script.chunks = (Array(repeating: text, count: 10) + [stop, usage, "[DONE]"]).map {
            PaidChunk(bytes: Array("data: \($0)\n\n".utf8), text: "")
        }
        var fixture = Fixture(scripts: [script])
        let body = """
            {"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50,"stream":true}
            """
        if isCached {
            var catalog = try #require(fixture.services.catalog as? FakeCatalog)
            catalog.cacheSeconds = 60
            fixture.services.catalog = catalog
            fixture.services.cache = CachedAnswers(totalBytes: 1 << 22, tenantBytes: 1 << 22)
            #expect(try await Self.post(fixture, body).headers[.cache] == "miss")
        }
        let status = try await RouterClient(fixture.services).sendAndLeave(
            .post, "/v1/chat/completions", headers: Self.headers, body: body)
        #expect(status == .ok)
        let activity = fixture.services.activity
        for _ in 0..<6000 where activity.running > 0 { try await Task.sleep(for: .milliseconds(10)) }
        // Else nothing below would come to an end.
        try #require(activity.running == 0)
        await activity.waitUntilIdle()
        let state = fixture.ledger.snapshot
        #expect(state.held.isEmpty && state.settlements.count == 1 && state.settled == 1_300_000)
        #expect(fixture.provider.calls.count == 1 && fixture.provider.drains == (isCached ? 0 : 1))
    }

    @Test("The ceiling of a request's own header is kept, and must be an amount")
    func ceiling() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        var headers = Self.headers
        headers[.maxCostUSD] = "0.000001"
        let refused = try await Self.post(fixture, body, headers: headers)
        #expect(refused.status == .tooManyRequests && Self.text(refused).contains(#""scope":"request""#))
        headers[.maxCostUSD] = "cheap"
        let wrong = try await Self.post(fixture, body, headers: headers)
        #expect(wrong.status == .badRequest && Self.text(wrong).contains(#""param":"x-gboost-max-cost-usd""#))
        #expect(fixture.provider.calls.isEmpty)
    }
}
