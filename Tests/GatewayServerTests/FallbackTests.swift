import Foundation
import GatewayCore
import HTTPTypes
import Synchronization
import Testing

@testable import GatewayServer

@Suite("A model with several deployments: the next one answers where the first cannot have charged")
struct FallbackTests {
    private static let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#

    /// `sim/large` with `other/big` behind it, at twice the price.
    private static func fixture(
        _ scripts: [FakeProvider.Script], other: [FakeProvider.Script], isPriced: Bool = true, trips: Int = 5
    ) -> (Fixture, FakeProvider) {
        var fixture = Fixture(scripts: scripts, scores: [0.1])
        var policy = RetryPolicy()
        policy.baseDelay = .zero
        var breaker = CircuitBreaker.Settings()
        breaker.failureThreshold = trips
        // Longer than any test, however busy the machine is.
        breaker.openDuration = .seconds(3600)
        fixture.services.guards = ProviderGuards(policy: policy, breaker: breaker)
        let provider = fixture.addOther(other, isPriced: isPriced, fallbacks: [Fixture.other])
        return (fixture, provider)
    }

    private static func failed(_ code: ProviderError.Code, _ status: Int? = nil) -> FakeProvider.Script {
        .init(openError: ProviderError(code: code, status: status, message: "down"))
    }

    @Test("The fallback has a hold of its own, at its own price, and is named in the ledger", arguments: [0, 401, 503])
    func fallsBack(status: Int) async throws {
        let first = status == 0 ? Self.failed(.unreachable) : Self.failed(.status, status)
        let (fixture, other) = Self.fixture([first], other: [completion("Hi")])
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .ok)
        let state = fixture.ledger.snapshot
        #expect(state.reservations.map(\.model) == [Fixture.model, Fixture.other])
        #expect(state.reservations.map(\.id.attempt) == [0, 1])
        #expect(state.settlements.map(\.outcome) == [.failed, .completed])
        #expect(state.settled == 2_600_000 && state.held.isEmpty)
        #expect(fixture.provider.calls.count == 1 && other.calls.map(\.model) == [Fixture.other])
        let metrics = fixture.services.metrics.registry.render()
        #expect(metrics.contains("gboost_provider_fallbacks_total{provider=\"sim\"} 1"))
    }

    @Test("Nobody else is asked where the call may have been charged, or where the request itself is at fault")
    func unsafe() async throws {
        for (first, held) in [(Self.failed(.interrupted), 1), (Self.failed(.status, 400), 0)] {
            let (fixture, other) = Self.fixture([first], other: [completion("Hi")])
            #expect(try await DirectAnswerTests.post(fixture, Self.body).status != .ok)
            #expect(other.calls.isEmpty && fixture.ledger.snapshot.reservations.count == 1)
            #expect(fixture.ledger.snapshot.settlements.count { $0.outcome == .estimated } == held)
        }
    }

    @Test("Once bytes were sent to the client no second call is paid for")
    func begun() async throws {
        var script = completion("Hi")
        script.streamError = ProviderError(code: .interrupted, message: "cut")
        let (fixture, other) = Self.fixture([script], other: [completion("Hi")])
        let streamed = Self.body.replacing("\"max_tokens\"", with: "\"stream\":true,\"max_tokens\"")
        #expect(try await DirectAnswerTests.post(fixture, streamed).status == .ok)
        #expect(other.calls.isEmpty && fixture.ledger.snapshot.reservations.count == 1)
    }

    @Test("A deployment that failed in a row is not asked: the fallback is, at once and with one hold")
    func breaker() async throws {
        let (fixture, other) = Self.fixture([Self.failed(.status, 500)], other: [completion("Hi")], trips: 1)
        for _ in 0..<3 { #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .ok) }
        #expect(fixture.provider.calls.count == 1 && other.calls.count == 3)
        #expect(fixture.ledger.snapshot.reservations.map(\.model.provider) == ["sim", "other", "other", "other"])
    }

    @Test("A fallback without a price is not called, and the client hears what the provider said")
    func unpriced() async throws {
        let (fixture, other) = Self.fixture([Self.failed(.status, 503)], other: [completion("Hi")], isPriced: false)
        let answer = try await DirectAnswerTests.post(fixture, Self.body)
        #expect(answer.status == .badGateway && DirectAnswerTests.text(answer).contains("503"))
        #expect(other.calls.isEmpty)
    }

    @Test("Where none could be asked the client hears what stands in the way of the model that it named")
    func unasked() async throws {
        var (fixture, other) = Self.fixture([completion("Hi")], other: [completion("Hi")], isPriced: false)
        var catalog = try #require(fixture.services.catalog as? FakeCatalog)
        catalog.prices[Fixture.model] = nil
        fixture.services.catalog = catalog
        let answer = try await DirectAnswerTests.post(fixture, Self.body)
        #expect(answer.status == .badRequest && DirectAnswerTests.text(answer).contains("\(Fixture.model)"))
        // One that was asked has more to say, wherever it stands.
        other = fixture.addOther([Self.failed(.status, 503)], fallbacks: [Fixture.other])
        let asked = try await DirectAnswerTests.post(fixture, Self.body)
        #expect(asked.status == .badGateway && DirectAnswerTests.text(asked).contains("503"))
        #expect(fixture.provider.calls.isEmpty && !other.calls.isEmpty)
    }

    @Test("A budget's refusal is no reason to ask somebody else")
    func budget() async throws {
        let (fixture, other) = Self.fixture([completion("Hi")], other: [completion("Hi")])
        fixture.ledger.state.withLock { $0.limit = 1 }
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .tooManyRequests)
        #expect(fixture.provider.calls.isEmpty && other.calls.isEmpty)
    }

    @Test(
        "A mark that the price has no rate for is no provider's refusal: the next one is asked",
        arguments: [true, false])
    func unpricedMark(hasRate: Bool) async throws {
        let mark = #""cache_control":{"type":"ephemeral","ttl":"1h"}"#
        let body = Self.body.replacing("\"x\"", with: #"[{"type":"text","text":"x",\#(mark)}]"#)
        let (made, other) = Self.fixture([completion("Hi")], other: [completion("Hi")])
        var fixture = made
        var traits = ProviderTraits()
        traits.passesCacheMarks = true
        fixture.services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        var catalog = try #require(fixture.services.catalog as? FakeCatalog)
        // One for the hour alone will do.
        if hasRate { catalog.prices[Fixture.model]?.rates.cacheWrite1h = 20_000_000 }
        fixture.services.catalog = catalog
        #expect(try await DirectAnswerTests.post(fixture, body).status == .ok)
        #expect(fixture.provider.calls.count == (hasRate ? 1 : 0) && other.calls.count == (hasRate ? 0 : 1))
        #expect(fixture.provider.calls.allSatisfy(\.hasHourMark) && !other.calls.contains(where: \.hasHourMark))
        let state = fixture.ledger.snapshot
        #expect(state.settlements.map(\.outcome) == (hasRate ? [.completed] : [.failed, .completed]))
        #expect(state.held.isEmpty && state.settled > 0)
        guard !hasRate else { return }
        // Without another the client hears what is at fault, in the gateway's name.
        fixture.services.deployments = Deployments()
        let alone = try await DirectAnswerTests.post(fixture, body)
        #expect(alone.status == .badRequest && fixture.provider.calls.isEmpty)
        let param = #""param":"messages[0].content[0].cache_control.ttl""#
        #expect(DirectAnswerTests.text(alone).contains(param), "\(DirectAnswerTests.text(alone))")
        // Nothing was sent: no provider is judged by it.
        let registry = fixture.services.metrics.registry
        #expect(registry.value("gboost_provider_errors_total", ["sim", "unreachable"]) == nil)
        #expect(registry.value("gboost_provider_calls_total", ["sim"]) == 0)
    }

    @Test("A fallback's missing rate does not hide that the model's own provider failed")
    func unpricedFallback() async throws {
        let mark = #""cache_control":{"type":"ephemeral","ttl":"1h"}"#
        let body = Self.body.replacing("\"x\"", with: #"[{"type":"text","text":"x",\#(mark)}]"#)
        let (made, other) = Self.fixture([Self.failed(.status, 503)], other: [completion("Hi")])
        var fixture = made
        var traits = ProviderTraits()
        traits.passesCacheMarks = true
        fixture.services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        fixture.services.providers["other"] = EndpointProvider(
            inner: other, endpoints: [.chatCompletions], traits: traits)
        var catalog = try #require(fixture.services.catalog as? FakeCatalog)
        catalog.prices[Fixture.model]?.rates.cacheWrite1h = 20_000_000
        fixture.services.catalog = catalog
        #expect(try await DirectAnswerTests.post(fixture, body).status == .badGateway)
        #expect(fixture.provider.calls.count == 1 && other.calls.isEmpty)
        #expect(fixture.ledger.snapshot.held.isEmpty)
    }

    @Test("Tokens are counted by the next deployment that counts, and estimated where none is up")
    func counts() async throws {
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}]}"#
        let count = #"{"input_tokens":7}"#
        let counted = FakeProvider.Script(chunks: [PaidChunk(bytes: Array(count.utf8), text: "")])
        for (second, expected) in [(counted, count), (Self.failed(.unreachable), #""gboost":{"estimated":true}}"#)] {
            let (made, other) = Self.fixture([Self.failed(.status, 529)], other: [second])
            var fixture = made
            fixture.services.providers["other"] = EndpointProvider(inner: other)
            let answer = try await MessagesEndpointTests.post(fixture, body, path: "/v1/messages/count_tokens")
            #expect(answer.status == .ok && MessagesEndpointTests.text(answer).hasSuffix(expected))
            #expect(fixture.provider.calls.count == 1 && other.calls.map(\.model) == [Fixture.other])
        }
    }

    @Test("An escalation falls back too")
    func escalation() async throws {
        let (fixture, other) = Self.fixture([Self.failed(.unreachable)], other: [completion("Answer: 3")])
        let body = #"{"model":"math","messages":[{"role":"user","content":"x"}]}"#
        #expect(try await DirectAnswerTests.post(fixture, body).status == .ok)
        #expect(!other.calls.isEmpty && fixture.ledger.snapshot.settled > 0)
    }
}
