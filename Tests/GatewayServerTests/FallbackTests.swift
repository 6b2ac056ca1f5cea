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

    @Test("A budget's refusal is no reason to ask somebody else")
    func budget() async throws {
        let (fixture, other) = Self.fixture([completion("Hi")], other: [completion("Hi")])
        fixture.ledger.state.withLock { $0.limit = 1 }
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .tooManyRequests)
        #expect(fixture.provider.calls.isEmpty && other.calls.isEmpty)
    }

    @Test("An escalation falls back too")
    func escalation() async throws {
        let (fixture, other) = Self.fixture([Self.failed(.unreachable)], other: [completion("Answer: 3")])
        let body = #"{"model":"math","messages":[{"role":"user","content":"x"}]}"#
        #expect(try await DirectAnswerTests.post(fixture, body).status == .ok)
        #expect(!other.calls.isEmpty && fixture.ledger.snapshot.settled > 0)
    }
}
