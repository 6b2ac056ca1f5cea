import Foundation
import GatewayCore
import Outbox
import Synchronization
import Testing

@testable import Ledger

@Suite("Ids of events: the same whenever one is delivered again, and no other's, also after a restore")
struct EventIDTests {
    private func hook(_ f: LedgerFixture) async throws {
        _ = try await f.admin.addDestination(
            DestinationDraft(
                tenant: "acme", name: "hook", kind: .webhook, target: "https://example.com/", secrets: ["env:A"],
                kinds: [.escalationRefused, .usage]))
    }

    private func spend(
        _ f: LedgerFixture, _ ledger: PostgresLedger, _ amount: Int64, id: HoldID = .fresh()
    ) async throws {
        let call = f.reservation(amount, id: id)
        #expect(try await ledger.reserve(call).isGranted)
        await ledger.settle(.of(call.id, amount))
    }

    private func usage(_ receiver: ScriptedReceiver) -> [UsageEvent] {
        receiver.got.flatMap { got -> [UsageEvent] in
            guard case .usage(let batch) = got.content else { return [] }
            return batch.events
        }
    }

    /// What a receiver was told by one of two databases that have the same numbers.
    private struct Told {
        /// Of the event, and of the batch.
        var ids: [String]
        var shortIDs: [String]
        var usage: [String]
    }

    @Test("of two databases that went on from the same number each call and event has an id of its own")
    func restored() async throws {
        // One call is settled in both, as by a journal that is replayed.
        let shared = HoldID.fresh()
        let told = Mutex<[Told]>([])
        for _ in 0..<2 {
            try await LedgerFixture.with { f in
                try await hook(f)
                try await f.run("select gboost_tell(\(f.tenant.id), 'escalation.refused', '{}')")
                let ledger = try await f.ledger()
                try await spend(f, ledger, 5, id: shared)
                try await spend(f, ledger, 7)
                let receiver = ScriptedReceiver()
                _ = try await OutboxDelivery(
                    store: OutboxStore(pool: f.pool), sender: receiver, settings: DeliverySettings(), logger: .quiet
                ).round()
                let one = Told(
                    ids: receiver.got.map(\.content.id), shortIDs: receiver.ids, usage: usage(receiver).map(\.id))
                told.withLock { $0.append(one) }
            }
        }
        let (first, second) = told.withLock { ($0[0], $0[1]) }
        #expect(first.shortIDs.count == 2 && first.shortIDs == second.shortIDs)
        for (one, other) in zip(first.ids, second.ids) { #expect(one != other) }
        try #require(first.usage.count == 2 && second.usage.count == 2)
        #expect(first.usage[0] == second.usage[0] && first.usage[1] != second.usage[1])
        let number = { (id: String) in id.split(separator: "-").prefix(3) }
        #expect(number(first.usage[1]) == number(second.usage[1]))
    }

    @Test("what was queued when ids were numbers keeps them; what is queued since is listed by the id that is sent")
    func upgraded() async throws {
        try await LedgerFixture.with { f in
            try await hook(f)
            try await f.run("select gboost_tell(\(f.tenant.id), 'escalation.refused', '{}')")
            try await spend(f, f.ledger(), 5)
            let clock = SettableClock(Date())
            let receiver = ScriptedReceiver()
            // The answer to each first try is lost.
            receiver.answer { got in got.number == 1 ? .failed("no answer", retryAfter: nil) : .delivered }
            let gateway = OutboxDelivery(
                store: OutboxStore(pool: f.pool, now: { clock.now }), sender: receiver, settings: DeliverySettings(),
                logger: .quiet)
            for _ in 0..<3 {
                _ = try await gateway.round()
                clock.now += 20
                let waiting = try await f.admin.deliveries(dead: false)
                if let first = waiting.first { #expect(first.event == receiver.got.last?.content.id) }
                // As it was before there were ids.
                try await f.run("update deliveries set event_id = null")
            }
            let (ids, tenant) = (receiver.got.map(\.content.id), f.tenant.id)
            try #require(ids.count == 4, "\(ids)")
            #expect(ids[0].hasPrefix("event-1-") && ids[1] == "event-1")
            #expect(ids[2].hasPrefix("usage-\(tenant)-1-1-") && ids[3] == "usage-\(tenant)-1-1")
            let events = usage(receiver).map(\.id)
            #expect(events.first?.hasPrefix("usage-\(tenant)-1-") == true && events.last == "usage-\(tenant)-1")
            #expect(try await f.admin.deliveries(dead: false) == [])
        }
    }
}
