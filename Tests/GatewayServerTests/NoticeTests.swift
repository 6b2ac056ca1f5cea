import Foundation
import GatewayCore
import Logging
import Outbox
import Synchronization
import Testing

@testable import GatewayServer

@Suite("What a gateway notices and has told")
struct NoticeTests {
    /// Keeps what it is told.
    private final class Ear: NoticeSink {
        private let heard = Mutex<[Notice]>([])
        func tell(_ notice: Notice) { heard.withLock { $0.append(notice) } }
        var notices: [Notice] { heard.withLock { $0 } }
    }

    @Test("a provider that goes is told of once, however often it is tried in vain, and once when it is back")
    func provider() async throws {
        let ear = Ear()
        var settings = CircuitBreaker.Settings()
        (settings.failureThreshold, settings.openDuration) = (3, .zero)
        let guards = ProviderGuards(breaker: settings, notices: ear, gateway: "g1")
        let failure = ProviderError(code: .status, status: 500, message: "down")
        for _ in 0..<9 {
            let permit = try #require(guards.admit("sim", tenantID: 1, isRetry: false))
            guards.finished("sim", permit, failure: failure)
        }
        #expect(ear.notices == [.provider("sim", isDown: true, gateway: "g1")])
        let permit = try #require(guards.admit("sim", tenantID: 1, isRetry: false))
        guards.answered("sim", permit)
        #expect(ear.notices.count == 2)
        guards.finished("sim", permit, failure: nil)
        for _ in 0..<3 {
            let permit = try #require(guards.admit("sim", tenantID: 1, isRetry: false))
            guards.finished("sim", permit, failure: nil)
        }
        #expect(
            ear.notices == [
                .provider("sim", isDown: true, gateway: "g1"), .provider("sim", isDown: false, gateway: "g1"),
            ])
    }

    @Test("what ends with the gateway is no news of a provider: its mark would hide the next outage")
    func stopped() throws {
        let ear = Ear()
        var settings = CircuitBreaker.Settings()
        settings.failureThreshold = 2
        let guards = ProviderGuards(breaker: settings, notices: ear, gateway: "g1")
        let permits = try (0..<5).map { _ in try #require(guards.admit("sim", tenantID: 1, isRetry: false)) }
        guards.stop()
        for permit in permits {
            guards.finished("sim", permit, failure: ProviderError(code: .unreachable, message: "shut down"))
            guards.probed("sim", succeeded: false)
        }
        #expect(ear.notices.isEmpty)
    }

    @Test("a budget that refuses a call is told of; one that a smaller call still fits is not")
    func budget() async throws {
        let ear = Ear()
        let hop = Self.hop(FakeLedger(limit: NanoUSD(20)), ear)
        var plan = Self.plan(Fixture.model)
        _ = try await hop.hold(plan)
        #expect(ear.notices.isEmpty)
        plan.id = HoldID(request: UUID(), step: 0, attempt: 0)
        await #expect(throws: PaidRefusal.self) { try await hop.hold(plan) }
        let notice = try #require(ear.notices.first)
        #expect(ear.notices.count == 1 && notice.kind == .escalationRefused)
        #expect(notice.tenantID == FakeCatalog.tenant.id && notice.data.contains("\"model\":\"\(Fixture.model)\""))
    }

    @Test(
        "what else refuses a call is told of by its reason, once a day: a limit, no price, no budget",
        arguments: [
            (
                ReservationOutcome.limited(
                    LimitState(unit: .requests, scope: "key:7", limit: 60, used: 60, resetsAt: nil)),
                "rate_limit", #""scope":"key:7","unit":"requests","limit":60,"used":60"#
            ),
            (.noBudget, "no_budget", #""model":"\#(Fixture.model)""#),
            (.priceUnknown, "price_unknown", #""model":"\#(Fixture.model)""#),
        ])
    func refused(outcome: ReservationOutcome, reason: String, says: String) async throws {
        let ear = Ear()
        let hop = Self.hop(FakeLedger(outcome: outcome), ear)
        for _ in 0..<2 {
            await #expect(throws: PaidRefusal.self) { try await hop.hold(Self.plan(Fixture.model)) }
        }
        let notice = try #require(ear.notices.first)
        #expect(notice.kind == .escalationRefused && notice.tenantID == FakeCatalog.tenant.id)
        #expect(notice.data.contains(#""reason":"\#(reason)""#) && notice.data.contains(says), "\(notice.data)")
        // Whoever writes them tells those of one name once.
        #expect(Set(ear.notices.map(\.repetition)).count == 1)
    }

    @Test("models that clients make up are told of once for all of them")
    func unknown() async throws {
        let ear = Ear()
        let hop = Self.hop(FakeLedger(limit: NanoUSD(20)), ear)
        for name in ["a", "b"] {
            let model = ModelReference(provider: "sim", model: name)
            await #expect(throws: PaidRefusal.self) { try await hop.hold(Self.plan(model)) }
        }
        #expect(ear.notices.count == 2 && Set(ear.notices.map(\.repetition)).count == 1)
    }

    // MARK: -

    private static func hop(_ ledger: FakeLedger, _ ear: Ear) -> PaidHop {
        let price = ModelPrice(id: 3, model: Fixture.model, rates: TokenRates(input: 1000, output: 1000))
        var catalog = FakeCatalog()
        catalog.prices[Fixture.model] = price
        return PaidHop(
            catalog: catalog, ledger: ledger, providers: ["sim": FakeProvider([])], guards: ProviderGuards(),
            metrics: Fixture().services.metrics, logger: Logger(label: "test"), notices: ear)
    }

    private static func plan(_ model: ModelReference) -> PaidPlan {
        PaidPlan(
            id: HoldID(request: UUID(), step: 0, attempt: 0),
            caller: Caller(tenant: FakeCatalog.tenant, teamID: nil, keyID: 7), model: model, kind: .direct,
            inputTokens: 10, maxOutputTokens: 100, leastOutputTokens: 1)
    }
}
