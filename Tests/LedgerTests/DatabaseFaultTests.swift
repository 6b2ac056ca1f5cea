import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

/// Errors that the database itself raises in the middle of a reservation or a settlement, and clocks that jump.
@Suite("The database fails midway, the clock jumps: the money holds")
struct DatabaseFaultTests {
    /// Makes inserts into a table fail with a SQLSTATE, so many times; what is counted survives the rollback.
    private static func breakInserts(_ f: LedgerFixture, _ table: String, _ state: String, times: Int) async throws {
        try await f.run("create sequence failures")
        try await f.run(
            """
            create function fail() returns trigger language plpgsql as $$
            begin
              if nextval('failures') <= \(times) then raise exception 'on purpose' using errcode = '\(state)'; end if;
              return new;
            end $$
            """)
        try await f.run("create trigger fail before insert on \(table) for each row execute function fail()")
    }

    @Test(
        "a serialization failure or a deadlock is tried again, in the reservation and in the settlement",
        arguments: ["40001", "40P01"], ["holds", "ledger_entries"])
    func rolledBack(state: String, table: String) async throws {
        try await LedgerFixture.with { f in
            try await Self.breakInserts(f, table, state, times: 3)
            let ledger = try await f.ledger()
            let call = f.reservation(10)
            #expect(try await ledger.reserve(call).isGranted)
            await ledger.settle(.of(call.id, 7))
            #expect(try await f.number("select last_value from failures") == 4)
            #expect(ledger.journalDepth.records == 0)
            #expect(try await f.number("select settled from budget_periods") == 7)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("one that never ends counts as an unreachable ledger: no hold, and the settlement waits in the journal")
    func endless() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let before = f.reservation(10)
            #expect(try await ledger.reserve(before).isGranted)
            try await Self.breakInserts(f, "holds", "40P01", times: 1_000_000)
            await #expect(throws: LedgerUnavailable.self) { try await ledger.reserve(f.reservation(10)) }
            try await f.run("create trigger fail before insert on outbox for each row execute function fail()")
            await ledger.settle(.of(before.id, 7))
            #expect(ledger.journalDepth.records == 1)
            #expect(await !ledger.replay())
            try await f.run("drop function fail() cascade")
            #expect(await ledger.replay())
            #expect(try await f.number("select count(*) from holds") == 1)
            #expect(try await f.number("select settled from budget_periods") == 7)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("the database's disk is full: no hold is taken, settlements wait, and all goes on when there is room")
    func diskFull() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let calls = (0..<20).map { _ in f.reservation(10) }
            for call in calls { #expect(try await ledger.reserve(call).isGranted) }
            let disk = try await SmallDisk.make(f)
            do {
                try await disk.fill(f)
                await #expect(throws: LedgerUnavailable.self) {
                    for _ in 0..<500 { _ = try await ledger.reserve(f.reservation(0)) }
                }
                for call in calls { await ledger.settle(.of(call.id, 7)) }
                #expect(ledger.journalDepth.records > 0)
                #expect(try await f.number("select sum(settled) + sum(held) from budget_periods") ?? 0 <= 200)
                #expect(try await f.violations() == 0)
                try await disk.makeRoom(f)
                #expect(await ledger.replay())
                let next = f.reservation(10)
                #expect(try await ledger.reserve(next).isGranted)
                await ledger.settle(.of(next.id, 7))
                #expect(try await f.number("select settled from budget_periods") == 21 * 7)
                #expect(try await f.number("select count(*) from ledger_entries where kind = 'charge'") == 21)
                #expect(try await f.violations() == 0)
            } catch {
                try await disk.remove(f)
                throw error
            }
            try await disk.remove(f)
        }
    }

    @Test("a settlement that is replayed after days is posted to the period that its hold was taken in")
    func replayedLate() async throws {
        let directory = temporaryDirectory()
        try await LedgerFixture.with { f in
            let clock = SettableClock(moment("2026-01-31T23:00:00Z"))
            let ledger = try await f.ledger(
                journal: try SettlementJournal(directory: directory), now: { clock.now })
            let call = f.reservation(10)
            #expect(try await ledger.reserve(call).isGranted)
            try await Self.breakInserts(f, "outbox", "53100", times: 1_000_000)
            await ledger.settle(.of(call.id, 7))
            #expect(ledger.journalDepth.records == 1)
            await ledger.journal.close()
            try await f.run("drop function fail() cascade")

            clock.now = moment("2026-02-20T00:00:00Z")
            let successor = try await f.ledger(
                journal: try SettlementJournal(directory: directory), now: { clock.now })
            #expect(successor.journalDepth.records == 0 && successor.counters.replayed == 1)
            #expect(successor.counters.unreconciled == 0)
            #expect(try await successor.reserve(f.reservation(20)).isGranted)
            #expect(try await Self.period(f, "20260100") == [7, 0])
            #expect(try await Self.period(f, "20260200") == [0, 20])
            #expect(
                try await f.number(
                    "select count(*) from ledger_entries where taken_at = '2026-01-31 23:00+00' and amount = 7") == 1)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("a clock that jumps over period ends, forward and back: every hold stays in the period it was taken in")
    func clockJumps() async throws {
        try await LedgerFixture.with(limit: 100) { f in
            let clock = SettableClock(moment("2026-01-31T23:59:59Z"))
            let ledger = try await f.ledger(now: { clock.now })
            let moments = [
                "2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", "2026-01-31T23:59:58Z", "2027-06-15T12:00:00Z",
                "2026-02-28T23:59:59Z", "2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z",
            ]
            var calls: [HoldID] = []
            for text in moments {
                clock.now = moment(text)
                let call = f.reservation(30)
                #expect(try await ledger.reserve(call).isGranted, "\(text)")
                calls.append(call.id)
            }
            // January and February are used up to less than another 30; a jump back does not open them anew.
            for text in ["2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"] {
                clock.now = moment(text)
                #expect(try await ledger.reserve(f.reservation(30)).refusedBy != nil, "\(text)")
            }
            clock.now = moment("2030-01-01T00:00:00Z")
            for id in calls.reversed() { await ledger.settle(.of(id, 9)) }
            #expect(try await Self.period(f, "20260100") == [27, 0])
            #expect(try await Self.period(f, "20260200") == [27, 0])
            #expect(try await Self.period(f, "20260300") == [9, 0])
            #expect(try await Self.period(f, "20270600") == [9, 0])
            #expect(try await f.violations() == 0)
        }
    }

    /// Settled and held of the month's period.
    private static func period(_ f: LedgerFixture, _ suffix: String) async throws -> [Int64?] {
        let row = "from budget_periods where id % 100000000 = \(suffix)"
        return [try await f.number("select settled \(row)"), try await f.number("select held \(row)")]
    }
}

/// A file system of a few megabytes with the ledger's tables on it, where this process may mount one; else a trigger
/// raises what a full disk would.
private struct SmallDisk {
    private static let tables = ["holds", "ledger_entries", "outbox", "escalation_counters"]
    let place: String?
    let name = "small_" + UUID().uuidString.lowercased().filter { $0 != "-" }

    static func make(_ f: LedgerFixture) async throws -> SmallDisk {
        let place = FileManager.default.temporaryDirectory.appending(path: "gboost-disk-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        let data = try await f.pool.query("select current_setting('data_directory') as data").rows[0]
        let owner = try FileManager.default.attributesOfItem(atPath: try data.get("data"))[.ownerAccountName] as? String
        guard let owner, geteuid() == 0, run("/bin/mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", place)
        else {
            try FileManager.default.removeItem(atPath: place)
            return SmallDisk(place: nil)
        }
        _ = run("/bin/chown", owner, place)
        let disk = SmallDisk(place: place)
        do {
            try await f.run("create tablespace \(disk.name) location '\(place)'")
            for table in tables { try await f.run("alter table \(table) set tablespace \(disk.name)") }
        } catch {
            // The server may live where it does not see this mount.
            try await disk.remove(f)
            return SmallDisk(place: nil)
        }
        return disk
    }

    func fill(_ f: LedgerFixture) async throws {
        guard place != nil else {
            try await f.run(
                """
                create function full_disk() returns trigger language plpgsql as $$
                begin raise exception 'No space left on device' using errcode = '53100'; end $$
                """)
            for table in Self.tables.dropLast() {
                try await f.run(
                    "create trigger full_disk before insert on \(table) for each row execute function full_disk()")
            }
            return
        }
        try await f.run("create table ballast (x text) tablespace \(name)")
        var state: String?
        for _ in 0..<2000 where state == nil {
            state = await RoleTests.state(
                f.pool, "insert into ballast select repeat('x', 1000) from generate_series(1, 20)")
        }
        #expect(state == "53100")
    }

    func makeRoom(_ f: LedgerFixture) async throws {
        try await f.run(place == nil ? "drop function full_disk() cascade" : "drop table ballast")
        try await f.run("checkpoint")
    }

    func remove(_ f: LedgerFixture) async throws {
        guard let place else { return }
        for table in Self.tables { try? await f.run("alter table \(table) set tablespace pg_default") }
        try? await f.run("drop table if exists ballast")
        try? await f.run("checkpoint")
        try? await f.run("drop tablespace if exists \(name)")
        _ = Self.run("/bin/umount", place)
        try? FileManager.default.removeItem(atPath: place)
    }

    private static func run(_ program: String, _ arguments: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
