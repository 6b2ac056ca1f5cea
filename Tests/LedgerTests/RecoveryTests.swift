import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("After a crash")
struct RecoveryTests {
    /// A successor of the same process: it has its journal, as only one process at a time can.
    private func restart(_ f: LedgerFixture, _ journal: SettlementJournal) async throws -> PostgresLedger {
        try await f.ledger(journal: journal)
    }

    @Test("each state of a hold ends as it must: reserved is voided, dispatched is posted in full, settled stays")
    func states() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            let (reserved, dispatched, settled) = (f.reservation(100), f.reservation(200), f.reservation(300))
            for call in [reserved, dispatched, settled] { #expect(try await first.reserve(call).isGranted) }
            await first.settle(.of(settled.id, 30))
            try await f.run("update holds set state = 'r' where request_id = '\(reserved.id.request)'")
            let second = try await restart(f, journal)
            #expect(second.counters.voided == 1 && second.counters.unreconciled == 1)
            #expect(try await f.number("select settled from budget_periods") == 230)
            #expect(try await f.number("select held from budget_periods") == 0)
            let named = try await f.admin.holds(.unreconciled, tenant: "acme")
            #expect(named.map(\.name) == [dispatched.id.description] && named.first?.actual == NanoUSD(200))
            #expect(try await f.admin.holds(.open).isEmpty)
            let record = try await f.admin.escalations(tenant: "acme").last
            #expect(record?.entryKind == "unreconciled" && record?.reason.hasPrefix("recovered: ") == true)
            #expect(try await f.admin.spend(tenant: "acme").rows.first?.unreconciledNanoUSD == 200)
            let third = try await restart(f, journal)
            #expect(third.counters.voided == 0 && third.counters.unreconciled == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test(
        "a settlement that comes after recovery posts the difference, once",
        arguments: [
            (CallOutcome.completed, 60, 60), (.completed, 250, 250), (.failed, 0, 0),
        ])
    func late(outcome: CallOutcome, amount: Int64, total: Int64) async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            let call = f.reservation(200)
            #expect(try await first.reserve(call).isGranted)
            let second = try await restart(f, journal)
            #expect(try await f.number("select settled from budget_periods") == 200)
            await first.settle(.of(call.id, outcome, amount))
            await second.settle(.of(call.id, outcome, amount))
            #expect(try await f.number("select settled from budget_periods") == total)
            #expect(try await f.number("select sum(amount) from ledger_entries") == total)
            #expect(try await f.number("select count(*) from ledger_entries") == 2)
            #expect(try await f.admin.holds(.unreconciled).isEmpty)
            #expect(try await f.violations() == 0)
        }
    }

    @Test(
        "an estimate that comes after recovery says nothing new: the hold stays unreconciled until its charge is known",
        arguments: [(.completed, 60), (.completed, 200), (.failed, 0)] as [(CallOutcome, Int64)])
    func lateEstimate(outcome: CallOutcome, amount: Int64) async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            let call = f.reservation(200)
            #expect(try await first.reserve(call).isGranted)
            let second = try await restart(f, journal)
            // By the lane that took the hold, alone, and from a journal.
            await first.settle(.of(call.id, .estimated, 200))
            await first.settle(.of(call.id, .estimated, 200))
            try await second.apply(.settlement(.of(call.id, .estimated, 200)))
            #expect(first.counters.settled == 0 && second.counters.settled == 0)
            #expect(try await f.number("select settled from budget_periods") == 200)
            #expect(try await f.number("select held from budget_periods") == 0)
            #expect(try await f.number("select count(*) from ledger_entries") == 1)
            let named = try await f.admin.holds(.unreconciled)
            #expect(named.map(\.name) == [call.id.description] && named.first?.actual == NanoUSD(200))
            #expect(try await f.violations() == 0)
            await first.settle(.of(call.id, outcome, amount))
            await first.settle(.of(call.id, .estimated, 200))
            #expect(try await f.number("select settled from budget_periods") == amount)
            #expect(try await f.number("select count(*) from ledger_entries") == 2)
            #expect(try await f.admin.holds(.unreconciled).isEmpty)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a heartbeat says since when the oldest hold is open, and recovery looks back to that moment")
    func oldestHold() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            let since = "select count(*) from gateways g where abs(extract(epoch from g.open_since - "
            #expect(await first.beat())
            #expect(try await f.number(since + "g.heartbeat_at)) < 0.001") == 1)
            let calls = [f.reservation(1), f.reservation(2)]
            for call in calls { #expect(try await first.reserve(call).isGranted) }
            try await Task.sleep(for: .milliseconds(20))
            #expect(await first.beat())
            let oldest = "(select min(taken_at) from holds where state = 'd')"
            #expect(try await f.number(since + "\(oldest))) < 0.001") == 1)
            await first.settle(.of(calls[0].id, 1))
            #expect(await first.beat())
            #expect(try await f.number(since + "\(oldest))) < 0.001") == 1)
            // Long ago, as its gateway's last heartbeat knew.
            try await f.run("update holds set created_at = now() - interval '9 hours' where state = 'd'")
            try await f.run("update gateways set open_since = now() - interval '9 hours'")
            let second = try await restart(f, journal)
            #expect(second.counters.unreconciled == 1)
        }
    }

    @Test("a gateway is not done with while a hold of it is open")
    func notYetRecovered() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            #expect(try await first.reserve(f.reservation(1)).isGranted)
            let mark = "select 1 from gboost_mark_recovered(gen_random_uuid(), '\(journal.identity)', '60 s', '1 hour')"
            _ = try await f.number(mark)
            #expect(try await f.number("select count(*) from gateways where recovered_at is not null") == 0)
            try await f.run("update holds set state = 's', actual = 1, settled_at = now()")
            // Dead for certain, but not for long: a statement of its may still be waiting at the server.
            _ = try await f.number(mark)
            #expect(try await f.number("select count(*) from gateways where recovered_at is not null") == 0)
            try await f.run("update gateways set heartbeat_at = now() - interval '61 s'")
            _ = try await f.number(mark)
            #expect(try await f.number("select count(*) from gateways where recovered_at is not null") == 1)
        }
    }

    @Test("a settlement after a voided hold changes nothing")
    func afterVoid() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            let call = f.reservation(200)
            #expect(try await first.reserve(call).isGranted)
            try await f.run("update holds set state = 'r'")
            let second = try await restart(f, journal)
            await second.settle(.of(call.id, 60))
            #expect(try await f.number("select settled + held from budget_periods") == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a living gateway's holds are left alone; those of a silent one are posted")
    func silence() async throws {
        try await LedgerFixture.with { f in
            let first = try await f.ledger()
            let second = try await f.ledger()
            #expect(try await first.reserve(f.reservation(100)).isGranted)
            #expect(await second.recover() == RecoverySummary())
            try await f.run(
                """
                update gateways set heartbeat_at = now() - interval '2 min' where incarnation = '\(first.incarnation)'
                """)
            #expect(await first.recover() == RecoverySummary())
            #expect(await second.recover()?.unreconciled.count == 1)
            #expect(try await f.number("select settled from budget_periods") == 100)
            // The silent one was only slow: it goes on, and settles what it had.
            #expect(try await first.reserve(f.reservation(100)).isGranted)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a gateway taken for dead registers again before it takes another hold")
    func fenced() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            try await f.run("update gateways set recovered_at = now()")
            #expect(try await ledger.reserve(f.reservation(100)).isGranted)
            #expect(try await f.number("select count(*) from gateways where recovered_at is null") == 1)
            try await f.run("delete from gateways")
            #expect(try await ledger.reserve(f.reservation(100)).isGranted)
        }
    }

    @Test("a gateway that was drained leaves nothing to recover")
    func drained() async throws {
        try await LedgerFixture.with { f in
            let directory = temporaryDirectory()
            let ledger = try await f.ledger(journal: try SettlementJournal(directory: directory))
            let call = f.reservation(100)
            #expect(try await ledger.reserve(call).isGranted)
            let settling = Task { await ledger.settle(.of(call.id, 10)) }
            await settling.value
            await ledger.drain()
            #expect(try await f.number("select count(*) from gateways where stopped_at is not null") == 1)
            let next = try await f.ledger(journal: try SettlementJournal(directory: directory))
            #expect(next.counters.unreconciled == 0)
            #expect(try await f.number("select settled from budget_periods") == 10)
        }
    }

    @Test("many holds end together, each as it must; one that the database refuses keeps no other waiting")
    func many() async throws {
        try await LedgerFixture.with(limit: 10_000) { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            let calls = (0..<150).map { f.reservation(10 + $0 % 7) }
            for call in calls { #expect(try await first.reserve(call).isGranted) }
            func requests(_ part: Range<Int>) -> String {
                part.map { "'\(calls[$0].id.request)'" }.joined(separator: ", ")
            }
            try await f.run("update holds set state = 'r' where request_id in (\(requests(0..<20)))")
            // Released, it would leave less than nothing held.
            try await f.run("update holds set amount = 1000000 where request_id in (\(requests(77..<78)))")
            let second = try await restart(f, journal)
            #expect(second.counters.voided == 20 && second.counters.unreconciled == 129)
            let open = try await f.admin.holds(.open)
            #expect(open.map(\.name) == [calls[77].id.description])
            let held = calls[77].amount.rawValue
            #expect(try await f.number("select held from budget_periods") == held)
            #expect(try await f.number("select count(*) from gateways where recovered_at is not null") == 0)
            try await f.run("update holds set amount = \(held) where request_id in (\(requests(77..<78)))")
            #expect(await second.recover()?.unreconciled == [calls[77].id.description])
            let posted = calls[20...].reduce(0) { $0 + $1.amount.rawValue }
            #expect(try await f.number("select settled from budget_periods") == posted)
            #expect(try await f.number("select held from budget_periods") == 0)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a start does not wait for holds without end, and what is left ends while it serves")
    func patience() async throws {
        try await LedgerFixture.with { f in
            let journal = try SettlementJournal(directory: temporaryDirectory())
            let first = try await f.ledger(journal: journal)
            for _ in 0..<3 { #expect(try await first.reserve(f.reservation(100)).isGranted) }
            let second = try await f.ledger(
                journal: journal,
                configure: {
                    $0.recoveryPatience = .zero
                    $0.replayInterval = .milliseconds(10)
                })
            #expect(second.counters.unreconciled == 0)
            // What is not recovered yet is still held.
            let over = f.reservation(800)
            #expect(try await !second.reserve(over).isGranted)
            #expect(try await second.reserve(f.reservation(100)).isGranted)
            let running = Task { await second.run() }
            defer { running.cancel() }
            for _ in 0..<6000 where second.counters.unreconciled < 3 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(try await f.number("select settled from budget_periods") == 300)
            #expect(try await f.number("select held from budget_periods") == 100)
            #expect(try await f.violations() == 0)
        }
    }
}
