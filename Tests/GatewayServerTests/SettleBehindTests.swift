import Foundation
import GatewayCore
import HTTPTypes
import Synchronization
import Testing

@testable import GatewayServer

@Suite("An answer does not wait for its settlement's commit")
struct SettleBehindTests {
    /// A ledger whose settlements are queued at once and committed when it is told to.
    private final class SlowLedger: SpendLedger {
        let ledger = FakeLedger(limit: NanoUSD(NanoUSD.perDollar))
        private let queued = Mutex(0)
        private let (gate, opener) = AsyncStream.makeStream(of: Void.self)

        var waiting: Int { queued.withLock { $0 } }
        func open() { opener.finish() }

        func reserve(_ reservation: Reservation) async throws(LedgerUnavailable) -> ReservationOutcome {
            try await ledger.reserve(reservation)
        }
        func settle(_ settlement: Settlement) async {
            queued.withLock { $0 += 1 }
            for await _ in gate {}
            await ledger.settle(settlement)
        }
        func record(_ request: RequestRecord) async { await ledger.record(request) }
        func remaining(_ caller: Caller) async throws(LedgerUnavailable) -> BudgetState? {
            try await ledger.remaining(caller)
        }
    }

    private final class Flag: Sendable {
        let isSet = Mutex(false)
    }

    @Test("The client has its answer while the settlement is queued, and a shutdown waits", arguments: [false, true])
    func answers(isStream: Bool) async throws {
        var fixture = Fixture(scripts: [completion("Hi")])
        let slow = SlowLedger()
        fixture.services.ledger = slow
        let stream = isStream ? #","stream":true"# : ""
        let response = try await RouterClient(fixture.services).send(
            .post, "/v1/chat/completions", headers: DirectAnswerTests.headers,
            body: #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50\#(stream)}"#)
        let text = DirectAnswerTests.text(response)
        #expect(response.status == .ok && text.contains(isStream ? "[DONE]" : #""cost_usd":"0.001300000""#))
        // Queued before the answer went out, so that nothing of this client's can come before it.
        #expect(slow.waiting == 1 && slow.ledger.snapshot.settlements.isEmpty && slow.ledger.snapshot.held.count == 1)
        let (activity, idle) = (fixture.services.activity, Flag())
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await activity.waitUntilIdle()
                idle.isSet.withLock { $0 = true }
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(20))
                #expect(!idle.isSet.withLock { $0 }, "the shutdown did not wait")
                slow.open()
            }
        }
        #expect(slow.ledger.snapshot.settled == 1_300_000 && slow.ledger.snapshot.held.isEmpty)
    }
}
