import Foundation
import GatewayCore
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import GatewayServer

@Suite("Failed paid calls are tried again where that is safe, each try with a hold of its own")
struct ResilienceTests {
    private static let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#

    private static func fixture(_ scripts: [FakeProvider.Script], failuresThatTrip: Int = 5) -> Fixture {
        var fixture = Fixture(scripts: scripts)
        var policy = RetryPolicy()
        policy.baseDelay = .zero
        var breaker = CircuitBreaker.Settings()
        breaker.failureThreshold = failuresThatTrip
        fixture.services.guards = ProviderGuards(policy: policy, breaker: breaker)
        return fixture
    }
    private static func refused(_ status: Int) -> FakeProvider.Script {
        .init(openError: ProviderError(code: .status, status: status, message: "down"))
    }

    @Test("A failure that passes costs nothing: the second try is held and charged by itself")
    func passes() async throws {
        let fixture = Self.fixture([Self.refused(503), completion("Hi")])
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .ok)
        let state = fixture.ledger.snapshot
        #expect(state.reservations.map(\.id.attempt) == [0, 1])
        #expect(state.settlements.map(\.outcome) == [.failed, .completed])
        #expect(state.settled == 1_300_000 && state.held.isEmpty)
        let metrics = fixture.services.metrics.registry.render()
        #expect(metrics.contains("gboost_provider_retries_total{provider=\"sim\"} 1"))
    }

    @Test(
        "row 20: Three tries at most, and one where the call may have been charged or cannot pass",
        arguments: [(503, 3), (429, 3), (400, 1), (401, 1), (0, 1)])
    func bounded(status: Int, tries: Int) async throws {
        let broken = FakeProvider.Script(openError: ProviderError(code: .interrupted, message: "cut"))
        let fixture = Self.fixture([status == 0 ? broken : Self.refused(status)])
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status != .ok)
        #expect(fixture.provider.calls.count == tries)
        #expect(fixture.ledger.snapshot.held.isEmpty)
    }

    @Test("A provider that fails in a row is left alone: no hold, no call, and the caller is told at once")
    func breaker() async throws {
        let fixture = Self.fixture([Self.refused(500)], failuresThatTrip: 3)
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .badGateway)
        #expect(fixture.provider.calls.count == 3 && fixture.services.guards.breakers["sim"] == .open)
        let refused = try await DirectAnswerTests.post(fixture, Self.body)
        #expect(refused.status == .badGateway && DirectAnswerTests.text(refused).contains("left alone"))
        // Open for ten seconds, of which a busy machine may have used some.
        let seconds = try #require(refused.headers[.retryAfter].flatMap { Int($0) })
        #expect((1...10).contains(seconds))
        #expect(fixture.provider.calls.count == 3 && fixture.ledger.snapshot.reservations.count == 3)
    }

    @Test("What a tenant's request has the provider fail at keeps that tenant away, and a second tenant's joins it")
    func poison() async throws {
        let fixture = Self.fixture([completion("Hi")], failuresThatTrip: 3)
        var other = DirectAnswerTests.headers
        other[.authorization] = "Bearer \(FakeCatalog.otherKey)"
        #expect(try await DirectAnswerTests.post(fixture, Self.body, headers: other).status == .ok)
        let guards = fixture.services.guards
        let down = ProviderError(code: .status, status: 500, message: "down")
        func fails(_ tenantID: Int64, _ error: ProviderError, hasAnswered: Bool = false) throws {
            let permit = try #require(guards.admit("sim", tenantID: tenantID, isRetry: false))
            if hasAnswered { guards.answered("sim", permit) }
            guards.finished("sim", permit, failure: error, hasAnswered: hasAnswered)
        }
        try fails(1, down)
        try fails(1, ProviderError(code: .interrupted, message: "cut"), hasAnswered: true)
        try fails(1, down)
        #expect(!guards.wouldAdmit("sim", tenantID: 1) && guards.wouldAdmit("sim", tenantID: 2))
        #expect(guards.breakers["sim"] == .closed)
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .badGateway)
        #expect(try await DirectAnswerTests.post(fixture, Self.body, headers: other).status == .ok)
        // No connection is nobody's fault.
        for _ in 0..<3 { try fails(3, ProviderError(code: .unreachable, message: "down")) }
        #expect(!guards.wouldAdmit("sim", tenantID: 2) && guards.breakers["sim"] == .open)
    }

    /// Holds and sends one call, whose answer is not read.
    private static func attempt(
        _ provider: FakeProvider, _ guards: ProviderGuards, kind: EscalationKind = .direct, output: Int64 = 100
    ) async throws {
        var catalog = FakeCatalog()
        catalog.prices[Fixture.model] = ModelPrice(
            id: 3, model: Fixture.model, inputPicoPerToken: 1000, outputPicoPerToken: 1000)
        let hop = PaidHop(
            catalog: catalog, ledger: FakeLedger(limit: NanoUSD(NanoUSD.perDollar)), providers: ["sim": provider],
            guards: guards, metrics: Fixture().services.metrics, logger: Logger(label: "test"))
        let plan = PaidPlan(
            id: HoldID(request: UUID(), step: 0, attempt: 0),
            caller: Caller(tenant: FakeCatalog.tenant, teamID: nil, keyID: 7), model: Fixture.model, kind: kind,
            inputTokens: 10, maxOutputTokens: output, leastOutputTokens: 1)
        _ = try await hop.attempt(plan, record: EscalationRecord(kind: kind, reason: "asked for")) {
            PaidCall(model: $0.plan.model, body: [], isStream: false, requestID: "1")
        }
    }

    @Test("A provider is back once the answer to its trial has begun: nobody waits for that answer's end")
    func back() async throws {
        var settings = CircuitBreaker.Settings()
        (settings.failureThreshold, settings.openDuration) = (1, .zero)
        let guards = ProviderGuards(breaker: settings)
        let provider = FakeProvider([Self.refused(500), completion("Hi")])
        await #expect(throws: PaidRefusal.self) { try await Self.attempt(provider, guards) }
        #expect(guards.breakers["sim"] == .open)
        for _ in 0..<2 {
            try await Self.attempt(provider, guards)
            #expect(guards.breakers["sim"] == .closed)
        }
        #expect(provider.calls.count == 3)
    }

    @Test("What a stop of the gateway's own cuts off counts against no provider, and gives a trial back")
    func stopped() throws {
        var settings = CircuitBreaker.Settings()
        (settings.failureThreshold, settings.openDuration) = (2, .zero)
        let cut = ProviderError(code: .interrupted, message: "cut")
        let guards = ProviderGuards(breaker: settings)
        let permits = try (0..<5).map { _ in try #require(guards.admit("sim", tenantID: 1, isRetry: false)) }
        let tried = ProviderGuards(breaker: settings)
        for _ in 0..<2 {
            let permit = try #require(tried.admit("sim", tenantID: 1, isRetry: false))
            tried.finished("sim", permit, failure: cut)
        }
        let trial = try #require(tried.admit("sim", tenantID: 1, isRetry: false))
        #expect(!tried.wouldAdmit("sim", tenantID: 1))

        for guards in [guards, tried] { guards.stop() }
        for (index, permit) in permits.enumerated() {
            guards.finished("sim", permit, failure: cut, hasAnswered: index % 2 == 0)
            guards.probed("sim", succeeded: false)
        }
        #expect(guards.breakers["sim"] == .closed && guards.wouldAdmit("sim", tenantID: 1))
        tried.finished("sim", trial, failure: cut)
        #expect(tried.wouldAdmit("sim", tenantID: 1))
    }

    @Test("A step or a usual rest is waited for no longer than a stream's head: the SLM goes on without it")
    func brief() async throws {
        let provider = FakeProvider([completion("Hi")])
        for output in [PaidHop.briefTokens, PaidHop.briefTokens + 1] {
            for kind in [EscalationKind.step, .rest, .direct] {
                try await Self.attempt(provider, ProviderGuards(), kind: kind, output: output)
            }
        }
        #expect(provider.calls.map(\.isBrief) == [true, true, false, false, false, false])
    }

    @Test("A refusal of the budget gives the breaker's trial back, and is a sign of nothing")
    func abandoned() async throws {
        let fixture = Self.fixture([completion("Hi")])
        fixture.ledger.state.withLock { $0.limit = 1 }
        for _ in 0..<6 { #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .tooManyRequests) }
        #expect(fixture.services.guards.breakers["sim"] == .closed)
        fixture.ledger.state.withLock { $0.limit = NanoUSD.perDollar }
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .ok)
    }

    @Test("An SLM that can go on is not kept waiting for a provider that wants to be left alone")
    func patience() async throws {
        let busy = ProviderError(code: .status, status: 429, retryAfterSeconds: 5, message: "busy")
        let fixture = Fixture(scripts: [.init(openError: busy)], scores: [0.1])
        let body = #"{"model":"math","messages":[{"role":"user","content":"x"}]}"#
        #expect(try await DirectAnswerTests.post(fixture, body).status == .ok)
        #expect(!fixture.provider.calls.isEmpty)
        #expect(fixture.ledger.snapshot.reservations.allSatisfy { $0.id.attempt == 0 })
    }

    @Test("Retries are a small share of the calls: then a failure is told at the first try")
    func budget() async throws {
        let fixture = Self.fixture([Self.refused(503)], failuresThatTrip: 1000)
        for _ in 0..<10 { _ = try await DirectAnswerTests.post(fixture, Self.body) }
        // Ten calls, the ten retries that a new budget has, and the one that they earned, at most.
        #expect((20...21).contains(fixture.provider.calls.count))
    }
}
