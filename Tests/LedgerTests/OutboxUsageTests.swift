import Foundation
import GatewayCore
import Outbox
import Postgres
import Testing

@testable import Ledger

@Suite("The outbox: settlements as usage events, what is watched, what is dropped")
struct OutboxUsageTests {
    private func meter(_ f: LedgerFixture, tenant: String? = "acme") async throws {
        _ = try await f.admin.addDestination(
            DestinationDraft(tenant: tenant, name: "meter", kind: .cloudevents, target: "http://127.0.0.1:1/events"))
    }

    private func spend(
        _ f: LedgerFixture, _ ledger: PostgresLedger, _ amount: Int64, by caller: Caller? = nil
    ) async throws {
        var call = f.reservation(amount)
        if let caller { call.caller = caller }
        #expect(try await ledger.reserve(call).isGranted)
        await ledger.settle(.of(call.id, amount))
    }

    /// A caller of another tenant, which comes after the fixture's.
    private func stranger(_ f: LedgerFixture) async throws -> Caller {
        let other = try await f.admin.createTenant(name: "other", timeZone: "UTC")
        let key = try await f.admin.createKey(KeyDraft(tenant: "other", name: "k"))
        _ = try await f.admin.setBudget(BudgetDraft(tenant: "other", limit: NanoUSD(1000)))
        return Caller(
            tenant: Tenant(id: other.id, name: "other", timeZone: "UTC", isSuspended: false), teamID: nil,
            keyID: key.info.id)
    }

    private func delivery(_ store: OutboxStore, _ receiver: ScriptedReceiver) -> OutboxDelivery {
        OutboxDelivery(store: store, sender: receiver, settings: DeliverySettings(), logger: .quiet)
    }

    private func usage(_ receiver: ScriptedReceiver) -> [UsageEvent] {
        receiver.got.flatMap { got -> [UsageEvent] in
            guard case .usage(let batch) = got.content else { return [] }
            return batch.events
        }
    }

    @Test("sums of usage events are the ledger's, batches are bounded, a repeated batch is the same batch")
    func sums() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let ledger = try await f.ledger()
            for _ in 0..<3 { try await spend(f, ledger, 5) }
            try await meter(f)
            let clock = SettableClock(Date())
            let store = OutboxStore(pool: f.pool, now: { clock.now })
            let receiver = ScriptedReceiver()
            // What was before it is not its business.
            #expect(try await delivery(store, receiver).round() == 0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<230 { group.addTask { try await spend(f, ledger, Int64(index)) } }
                try await group.waitForAll()
            }
            let failed = f.reservation(10)
            #expect(try await ledger.reserve(failed).isGranted)
            await ledger.settle(.of(failed.id, .failed, 0))
            receiver.answer { got in got.number == 1 ? .failed("no answer", retryAfter: nil) : .delivered }
            for _ in 0..<8 {
                _ = try await delivery(store, receiver).round()
                clock.now += 20
            }
            let batches = receiver.got.map(\.content.id)
            let id = f.tenant.id
            // The last record is the release of what failed: no event.
            let expected = ["usage-\(id)-4-103", "usage-\(id)-104-203", "usage-\(id)-204-234"]
            // Each twice, as its first answer was lost.
            #expect(receiver.ids == expected.flatMap { [$0, $0] } && Set(batches).count == 3, "\(batches)")
            let events = usage(receiver)
            let once = Dictionary(
                events.map { ($0.id, $0) },
                uniquingKeysWith: { first, second in
                    #expect(first == second)
                    return first
                })
            #expect(once.count == 230 && once.values.map(\.number).sorted() == Array(4...233))
            let sum = try await f.number("select sum(amount) from ledger_entries")
            #expect(once.values.reduce(15) { $0 + $1.nanoUSD } == sum)
            #expect(once.values.allSatisfy { $0.inputTokens == 3 && $0.outputTokens == 2 && $0.model == "sim/general" })
        }
    }

    @Test("a recovered call is told of, and its correction makes the sums right again")
    func corrections() async throws {
        try await LedgerFixture.with { f in
            try await meter(f)
            _ = try await f.admin.addDestination(
                DestinationDraft(
                    tenant: nil, name: "ops", kind: .email, target: "smtp://127.0.0.1:1",
                    kinds: [.holdsUnreconciled],
                    settings: {
                        var settings = DestinationSettings()
                        (settings.from, settings.to) = ("a@example.com", ["b@example.com"])
                        return settings
                    }()))
            let dead = try await f.ledger()
            let calls = (0..<3).map { _ in f.reservation(100) }
            for call in calls { #expect(try await dead.reserve(call).isGranted) }
            try await f.run("update gateways set stopped_at = now()")
            let ledger = try await f.ledger()
            _ = await ledger.recover()
            await ledger.settle(.of(calls[0].id, 40))
            let receiver = ScriptedReceiver()
            #expect(try await delivery(OutboxStore(pool: f.pool), receiver).round() == 2)
            let events = usage(receiver)
            #expect(events.map(\.entryKind) == ["unreconciled", "unreconciled", "unreconciled", "adjustment"])
            #expect(events.map(\.nanoUSD).reduce(0, +) == 240)
            // One mail a tenant and minute, not one a call.
            let mails = receiver.got.filter { $0.destination == "ops" }
            #expect((1...2).contains(mails.count) && mails.allSatisfy { $0.content.kind == .holdsUnreconciled })
            #expect(try await f.violations() == 0)
        }
    }

    @Test("the operator's meter gets every tenant's settlements, also of tenants that come later")
    func everybody() async throws {
        try await LedgerFixture.with { f in
            try await meter(f, tenant: nil)
            let ledger = try await f.ledger()
            try await spend(f, ledger, 7)
            try await spend(f, ledger, 4, by: stranger(f))
            let receiver = ScriptedReceiver()
            _ = try await delivery(OutboxStore(pool: f.pool), receiver).round()
            let pairs = usage(receiver).map { "\($0.tenant) \($0.nanoUSD)" }
            #expect(pairs == ["acme 7", "other 4"])
            let info = try await f.admin.destination(named: "meter", tenant: nil)
            #expect(info.usageBehind == 0 && info.pending == 0 && info.delivered == 2)
        }
    }

    @Test("a destination that comes to want usage hears of what is settled from then on, and Lago gets nothing else")
    func wantedLater() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let clock = SettableClock(Date())
            let store = OutboxStore(pool: f.pool, now: { clock.now })
            let receiver = ScriptedReceiver()
            func draft(_ kind: DestinationKind, _ kinds: [EventKind]) -> DestinationDraft {
                DestinationDraft(
                    tenant: "acme", name: "hook", kind: kind, target: "https://example.com/", secrets: ["env:A"],
                    kinds: kinds)
            }
            try await spend(f, ledger, 5)
            _ = try await f.admin.addDestination(draft(.webhook, [.escalationRefused]))
            // The second time there are cursors, of when it wanted usage before.
            for amount in [Int64(10), 20] {
                try await spend(f, ledger, amount)
                let info = try await f.admin.changeDestination(draft(.webhook, [.escalationRefused, .usage]))
                #expect(info.usageBehind == 0)
                try await spend(f, ledger, amount + 1)
                clock.now += 20
                _ = try await delivery(store, receiver).round()
                _ = try await f.admin.changeDestination(draft(.webhook, [.escalationRefused]))
            }
            #expect(usage(receiver).map(\.nanoUSD) == [11, 21])
            for _ in 0..<2 { try await f.run("select gboost_tell(\(f.tenant.id), 'escalation.refused', '{}')") }
            try await f.run("update deliveries set dead_at = now() where outbox_id = (select max(id) from outbox)")
            #expect(try await f.number("select count(*) from deliveries") == 2)
            _ = try await f.admin.changeDestination(draft(.lago, [.usage]))
            #expect(try await f.number("select count(*) from deliveries") == 0)
        }
    }

    @Test("where not every tenant gets a turn, who is furthest behind does: none waits for ever")
    func turns() async throws {
        try await LedgerFixture.with { f in
            try await meter(f, tenant: nil)
            let ledger = try await f.ledger()
            let other = try await stranger(f)
            let (store, owner) = (OutboxStore(pool: f.pool), UUID())
            for _ in 0..<2 { try await spend(f, ledger, 1, by: other) }
            try await spend(f, ledger, 1)
            let claimed = try await store.claim(owner: owner, lease: .seconds(60), limit: 8)
            let destination = try #require(claimed.first)
            for _ in 0..<2 {
                let queued = "select gboost_queue_usage(\(destination.id), '\(owner)', 100, 1, interval '10 s')"
                #expect(try await f.number(queued) == 1)
                // The first tenant has something new each time.
                try await spend(f, ledger, 1)
            }
            let first = "select of_tenant from deliveries order by id limit 1"
            let second = "select of_tenant from deliveries order by id desc limit 1"
            #expect(try await f.number(first) == other.tenant.id)
            #expect(try await f.number(second) == f.tenant.id)
        }
    }

    @Test("without destinations settlements queue nothing, and nothing is due")
    func idle() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            _ = try await f.admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(1000), alertAt: [50]))
            for _ in 0..<10 { try await spend(f, ledger, 60) }
            #expect(try await f.number("select count(*) from outbox where kind = 'budget.threshold'") == 1)
            #expect(try await f.number("select count(*) from deliveries") == 0)
            #expect(try await f.number("select count(*) from usage_cursors") == 0)
            let store = OutboxStore(pool: f.pool)
            #expect(try await store.nextDue(every: .seconds(10)) == nil)
            #expect(try await store.claim(owner: UUID(), lease: .seconds(60), limit: 8).isEmpty)
        }
    }

    @Test("sealing that lags is told of once, and once more when it has caught up")
    func auditLag() async throws {
        try await LedgerFixture.with { f in
            let clock = SettableClock(Date())
            let store = OutboxStore(pool: f.pool, now: { clock.now })
            let ledger = try await f.ledger()
            try await spend(f, ledger, 5)
            clock.now += 300
            // Nobody wants to know: not looked for.
            try await store.watchAudit(limit: .seconds(60))
            #expect(try await f.number("select count(*) from outbox_marks") == 0)
            _ = try await f.admin.addDestination(
                DestinationDraft(
                    tenant: nil, name: "ops", kind: .webhook, target: "http://127.0.0.1:1", secrets: ["env:A"]))
            for _ in 0..<3 { try await store.watchAudit(limit: .seconds(60)) }
            try await store.watchAudit(limit: .seconds(3600))
            for _ in 0..<3 { try await store.watchAudit(limit: .seconds(60)) }
            clock.now += 61
            try await store.watchAudit(limit: .seconds(60))
            _ = try await AuditStore(pool: f.pool).seal()
            for _ in 0..<3 { try await store.watchAudit(limit: .seconds(60)) }
            let receiver = ScriptedReceiver()
            _ = try await delivery(store, receiver).round()
            #expect(receiver.got.map(\.content.kind) == [.auditLag, .auditSealed, .auditLag, .auditSealed])
        }
    }

    @Test("what is old is dropped by a gateway that delivers nothing, too")
    func housekeeping() async throws {
        try await LedgerFixture.with { f in
            try await meter(f)
            let ledger = try await f.ledger()
            for _ in 0..<3 { try await spend(f, ledger, 5) }
            try await f.run("update outbox set at = now() - interval '40 days'")
            let receiver = ScriptedReceiver()
            let gateway = delivery(OutboxStore(pool: f.pool), receiver)
            let keeping = Task { await gateway.keepHouse() }
            for _ in 0..<6000 {
                if try await f.number("select count(*) from outbox") == 0 { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            keeping.cancel()
            await keeping.value
            #expect(try await f.number("select count(*) from outbox") == 0)
            #expect(receiver.got.isEmpty)
        }
    }

    @Test("retention drops what is old and told, never what still waits; gateways cannot drop what is young")
    func sweep() async throws {
        try await LedgerFixture.with { f in
            _ = try await f.admin.addDestination(
                DestinationDraft(
                    tenant: "acme", name: "hook", kind: .webhook, target: "http://127.0.0.1:1", secrets: ["env:A"]))
            let ledger = try await f.ledger()
            for _ in 0..<4 { try await spend(f, ledger, 5) }
            try await f.run("update outbox set at = now() - interval '40 days'")
            for age in ["40 days", "39 days", "1 hour"] {
                if age == "1 hour" { try await spend(f, ledger, 5) }
                try await f.run(
                    "select gboost_tell(\(f.tenant.id), 'escalation.refused', '{}', null, now() - interval '\(age)')")
            }
            try await f.run("update deliveries set dead_at = now() - interval '35 days' where id = 1")
            let store = OutboxStore(pool: f.pool)
            // Two at a time: there is more.
            #expect(try await store.sweep(olderThan: .seconds(30 * 86_400), limit: 2))
            while try await store.sweep(olderThan: .seconds(30 * 86_400), limit: 2) {}
            #expect(try await f.number("select count(*) from outbox where entry_id is not null") == 1)
            #expect(try await f.number("select count(*) from outbox where entry_id is null") == 2)
            #expect(try await f.number("select count(*) from deliveries") == 2)
            _ = try await store.sweep(olderThan: .zero)
            #expect(try await f.number("select count(*) from outbox where entry_id is not null") == 1)
        }
    }
}
