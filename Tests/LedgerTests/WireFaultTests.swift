import Foundation
import GatewayCore
import GatewayTesting
import Postgres
import Testing

@testable import Ledger

/// Rows 12 and 13 of the list of failures: the connection breaks at every single message of a paid call's bookkeeping.
@Suite("A connection that breaks at any message loses nothing and doubles nothing", .serialized)
struct WireFaultTests {
    /// More messages than a reservation and a settlement have in either direction.
    private static let most = 200

    @Test(
        "row 13: the wire breaks once: the same hold is taken by the retry, and settled once",
        arguments: FaultyWire.Direction.allCases)
    func breaksOnce(direction: FaultyWire.Direction) async throws {
        try await Self.with { f, wire, pool in
            var number = 0
            while number < Self.most {
                let ledger = try await f.ledger(pool: pool)
                let call = f.reservation(10)
                wire.arm(direction, at: number)
                let outcome = try await ledger.reserve(call)
                #expect(outcome.isGranted, "message \(number)")
                await ledger.settle(.of(call.id, 7))
                wire.restore()
                try await Self.replayed(ledger, pool)
                try await Self.expect(f, call.id, "s", posted: 7, "message \(number)")
                // The end: nothing was left to break.
                if !wire.hasCut { break }
                number += 1
            }
            #expect(number > 15 && number < Self.most, "\(number) messages")
            #expect(try await f.number("select count(*) from ledger_entries") == Int64(number + 1))
            #expect(try await f.violations() == 0)
        }
    }

    @Test(
        "the wire breaks and stays down: no call without a hold, and what was taken or settled comes out once",
        arguments: FaultyWire.Direction.allCases)
    func staysDown(direction: FaultyWire.Direction) async throws {
        try await Self.with { f, wire, pool in
            var (number, granted, given) = (0, 0, 0)
            while number < Self.most {
                let ledger = try await f.ledger(pool: pool, configure: { $0.reserveTimeout = .seconds(2) })
                let call = f.reservation(10)
                wire.arm(direction, at: number, staysDown: true)
                let outcome = try? await ledger.reserve(call)
                if outcome?.isGranted == true { await ledger.settle(.of(call.id, 7)) }
                let hasCut = wire.hasCut
                wire.restore()
                try await Self.replayed(ledger, pool)
                if outcome?.isGranted == true {
                    granted += 1
                    try await Self.expect(f, call.id, "s", posted: 7, "message \(number)")
                } else {
                    #expect(outcome == nil && hasCut, "message \(number)")
                    given += 1
                    try await Self.expectNothing(f, call.id, "message \(number)")
                }
                if !hasCut { break }
                number += 1
            }
            #expect(granted > 1 && given > 5 && number < Self.most, "\(granted) granted, \(given) given up")
            #expect(try await f.violations() == 0)
        }
    }

    @Test("many callers at once while the wire breaks again and again: each hold once, each settlement once")
    func storm() async throws {
        try await Self.with(limit: 1_000_000) { f, wire, pool in
            let ledger = try await f.ledger(pool: pool)
            let storm = Task {
                var random = SystemRandomNumberGenerator()
                while !Task.isCancelled {
                    let direction = FaultyWire.Direction.allCases.randomElement(using: &random) ?? .toClient
                    wire.arm(direction, at: Int.random(in: 0..<60, using: &random))
                    try? await Task.sleep(for: .milliseconds(15))
                }
            }
            let granted = await withTaskGroup(of: HoldID?.self) { group in
                for index in 0..<300 {
                    group.addTask {
                        let call = f.reservation(10)
                        guard (try? await ledger.reserve(call))?.isGranted == true else { return nil }
                        await ledger.settle(.of(call.id, Int64(index % 10)))
                        return call.id
                    }
                }
                return await group.reduce(into: [HoldID]()) { if let id = $1 { $0.append(id) } }
            }
            storm.cancel()
            await storm.value
            wire.restore()
            try await Self.replayed(ledger, pool)
            #expect(granted.count > 100, "\(granted.count)")
            #expect(try await f.number("select count(*) from holds where state in ('r', 'd')") == 0)
            #expect(
                try await f.number("select count(*) from ledger_entries where kind = 'charge'")
                    == Int64(granted.count))
            #expect(try await f.violations() == 0)
        }
    }

    // MARK: -

    /// A database, and a pool of one connection that reaches it over a wire that breaks.
    private static func with(
        limit: Int64 = 100_000, function: String = #function,
        _ body: (LedgerFixture, FaultyWire, PostgresPool) async throws -> Void
    ) async throws {
        try await LedgerFixture.with(limit: limit, function: function) { f in
            let row = try await f.pool.query(
                """
                select split_part(current_setting('unix_socket_directories'), ',', 1) || '/.s.PGSQL.'
                  || current_setting('port') as path, current_database()::text as db, session_user::text as login
                """
            ).rows[0]
            let wire = try FaultyWire(server: try row.get("path"))
            let (login, database) = (try row.get("login", as: String.self), try row.get("db", as: String.self))
            let url = "postgresql://\(login)@127.0.0.1:\(wire.port)/\(database)?sslmode=disable"
            let pool = try LedgerFixture.pool(url, size: 1)
            do { try await body(f, wire, pool) } catch {
                wire.stop()
                await pool.close(within: .seconds(1))
                throw error
            }
            await pool.close(within: .seconds(1))
            wire.stop()
        }
    }

    /// Waits until the pool has found the server again and the journal is empty.
    private static func replayed(_ ledger: PostgresLedger, _ pool: PostgresPool) async throws {
        for _ in 0..<6000 {
            if (try? await pool.checkHealth()) != nil, await ledger.replay() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the journal is never replayed")
    }

    private static func expect(
        _ f: LedgerFixture, _ id: HoldID, _ state: String, posted: Int64, _ comment: Comment
    ) async throws {
        let holds = "select count(*) from holds where request_id = '\(id.request)' and state = '\(state)' and actual = "
        #expect(try await f.number("\(holds) \(posted)") == 1, comment)
        let entries = "from ledger_entries where request_id = '\(id.request)'"
        #expect(try await f.number("select count(*) \(entries)") == 1, comment)
        #expect(try await f.number("select sum(amount) \(entries)") == posted, comment)
    }

    private static func expectNothing(_ f: LedgerFixture, _ id: HoldID, _ comment: Comment) async throws {
        let open = "select count(*) from holds where request_id = '\(id.request)' and state in ('r', 'd')"
        #expect(try await f.number(open) == 0, comment)
        let posted = "select coalesce(sum(amount), 0) from ledger_entries where request_id = '\(id.request)'"
        #expect(try await f.number(posted) == 0, comment)
    }
}
