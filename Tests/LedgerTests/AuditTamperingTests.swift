import Audit
import Foundation
import GatewayCore
import Testing

@testable import Ledger

/// What the database's owner can do, and what an auditor then reads. T is the tenant's number.
@Suite("Tampering is detected by both verifiers, and the first bad record is named")
struct AuditTamperingTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var sql: String
        /// "RECORD KIND" of tenant T's log.
        var database: String
        /// Where the export's verifiers see something else: they have no counters.
        var export: String?
        var testDescription: String { name }
    }

    private static let isT = "tenant_id = T"
    /// Takes T's sealed chain away; the next round seals what is there now.
    private static let unseal = "delete from audit_blocks where \(isT);"

    static let cases: [Case] = [
        Case(
            name: "a field is changed", sql: "update escalations set amount = 1 where \(isT) and seq = 7",
            database: "7 changed"),
        Case(
            name: "a field of the ledger's entry is changed",
            sql: "update ledger_entries set usage = '{\"a\": 3}' where id = (select entry_id from escalations "
                + "where \(isT) and seq = 3)",
            database: "3 changed"),
        Case(
            name: "of two tags one is made that has a comma",
            sql: "update ledger_entries set tags = '{\"a,b\"}' where id = (select entry_id from escalations "
                + "where \(isT) and seq = 5)",
            database: "5 changed"),
        Case(
            name: "a value is nested deeper than canonical JSON can be",
            sql: "update escalations set actions = (repeat('[', 70) || repeat(']', 70))::jsonb "
                + "where \(isT) and seq = 7",
            database: "7 changed"),
        Case(
            name: "escalation and entry are changed alike",
            sql: "update escalations set amount = 1 where \(isT) and seq = 9; update ledger_entries set amount = 1 "
                + "where id = (select entry_id from escalations where \(isT) and seq = 9)",
            database: "9 changed"),
        Case(
            name: "the ledger's entry is removed",
            sql: "delete from ledger_entries where id = (select entry_id from escalations where \(isT) and seq = 2)",
            database: "2 changed"),
        Case(
            name: "the ledger's entry is moved to another month's bill",
            sql: "update ledger_entries set at = at - interval '40 days' where id = (select entry_id from escalations "
                + "where \(isT) and seq = 8)",
            database: "8 changed"),
        Case(
            name: "a row is inserted with a number below all others",
            sql: "insert into escalations select (jsonb_populate_record(e, jsonb_build_object('seq', -5))).* "
                + "from escalations e where \(isT) and seq = 4",
            database: "-5 inserted", export: "1 inserted"),
        Case(
            name: "a number inside the actions is changed",
            sql: "update escalations set actions = jsonb_set(actions, '{0,gain}', '0.26') where \(isT) and seq = 12",
            database: "12 changed"),
        Case(
            name: "a row is removed", sql: "delete from escalations where \(isT) and seq = 6", database: "6 missing"),
        Case(
            name: "the last rows are removed, with their block and the counter",
            sql: "delete from escalations where \(isT) and seq > 9; delete from audit_blocks where \(isT) and "
                + "number = 3; update escalation_counters set seq = 9 where \(isT); "
                + "delete from audit_checkpoints where \(isT) and size = 12",
            database: "10 truncated"),
        Case(
            name: "the last rows are removed, and nothing else",
            sql: "delete from escalations where \(isT) and seq > 9", database: "10 missing"),
        Case(
            name: "a row is inserted with a number that is taken",
            sql: "insert into escalations select (jsonb_populate_record(e, jsonb_build_object('at', e.at + "
                + "interval '1 second'))).* from escalations e where \(isT) and seq = 4",
            database: "4 inserted"),
        Case(
            name: "two rows are swapped",
            sql: "update escalations set seq = case seq when 4 then 8 else 4 end where \(isT) and seq in (4, 8)",
            database: "4 changed"),
        Case(
            name: "the rows of a block are reordered",
            sql: "update escalations set seq = seq + 1000 where \(isT) and seq between 6 and 9; "
                + "update escalations set seq = 1015 - seq where \(isT) and seq > 1000",
            database: "6 changed"),
        Case(
            name: "a gap in the numbers",
            sql: "update escalations set seq = seq + 1000 where \(isT) and seq >= 11; "
                + "update escalations set seq = seq - 999 where \(isT) and seq > 1000",
            database: "11 missing"),
        Case(
            name: "a row of another tenant",
            sql: "delete from escalations where \(isT) and seq = 5; insert into escalations select "
                + "(jsonb_populate_record(e, jsonb_build_object('tenant_id', T))).* from escalations e "
                + "where tenant_id = O and seq = 5",
            database: "5 changed"),
        Case(
            name: "a block of another tenant",
            sql: "\(unseal.replacing(";", with: "")) and number = 2; insert into audit_blocks select log, T, number, "
                + "first_seq, last_seq, previous, root, frontier, leaves, sealed_at from audit_blocks "
                + "where tenant_id = O and number = 2",
            database: "6 block"),
        Case(
            name: "a block is removed", sql: "delete from audit_blocks where \(isT) and number = 2",
            database: "6 block"),
        Case(
            name: "a changed field and its leaf",
            sql: "update escalations set amount = 1 where \(isT) and seq = 7; RESEAL", database: "6 rewritten"),
        Case(
            name: "the whole chain is rewritten, the database's own checkpoints gone",
            sql: "update escalations set reason = 'x' where \(isT); \(unseal) delete from audit_checkpoints; RESEAL",
            database: "1 rewritten"),
        Case(
            name: "a checkpoint is forged",
            sql: "update audit_checkpoints set note = replace(note, E'\\n12\\n', E'\\n13\\n') "
                + "where \(isT) and size = 12",
            database: "- forged"),
    ]

    @Test("by both verifiers, over the database and over an export", arguments: cases)
    func tampering(_ wrong: Case) async throws {
        try await AuditFixture.with { f in
            let tenant = f.tenants.0
            let log = AuditLog(.escalations, tenant: tenant)
            for statement in wrong.sql.split(separator: "; ") {
                if statement == "RESEAL" {
                    try await Self.reseal(f, log)
                } else {
                    try await f.tamper(Self.statement(String(statement), f))
                }
            }
            let expected = ["\(log) \(wrong.database)"]
            let database = try await f.verify()
            #expect(database.summary == expected, "\(database.findings)")
            let export = try await f.export()
            let exported = f.verifyExport(export)
            #expect(exported.summary == wrong.export.map { ["\(log) \($0)"] } ?? expected, "\(exported.findings)")
            #expect(try await f.python(export) == exported.summary)
        }
    }

    private static func statement(_ sql: String, _ f: AuditFixture) -> String {
        sql.replacing("= T", with: "= \(f.tenants.0)").replacing(", T", with: ", \(f.tenants.0)")
            .replacing("= O", with: "= \(f.tenants.1)")
    }

    /// Makes blocks anew over what is there now, as somebody would who has the program.
    private static func reseal(_ f: AuditFixture, _ log: AuditLog) async throws {
        try await f.tamper("delete from audit_blocks where tenant_id = \(log.tenant)")
        _ = try await f.store.seal()
    }

    @Test("nothing is found where nothing was done, and what is not sealed yet is counted")
    func clean() async throws {
        try await AuditFixture.with { f in
            let report = try await f.verify()
            #expect(report.summary.isEmpty && report.unsealed == 0, "\(report.findings)")
            let events = try #require(try await f.ledger.number("select count(*) from events"))
            #expect(report.records == 2 * AuditFixture.records + events && report.logs == 3)
            #expect(report.checkpoints >= 5)
            let export = try await f.export()
            let exported = f.verifyExport(export)
            #expect(exported.isClean && exported.records == report.records && exported.blocks == report.blocks)
            #expect(try await f.python(export).isEmpty)
            try await f.record(2)
            #expect(try await f.verify().unsealed == 4)
            #expect(try await f.export() == export)
        }
    }

    @Test("an event is changed, or one is removed")
    func events() async throws {
        try await AuditFixture.with { f in
            try await f.tamper("update events set actor = 'somebody' where id = (select min(id) from events)")
            #expect(try await f.verify().summary == ["events/0 1 changed"])
            try await f.tamper("delete from events where id = (select min(id) from events)")
            let database = try await f.verify()
            #expect(database.summary == ["events/0 1 missing"])
            let export = try await f.export()
            #expect(f.verifyExport(export).summary == database.summary)
            #expect(try await f.python(export) == database.summary)
        }
    }

    @Test("what is entered into statements, and a closed month, are what their events say")
    func statements() async throws {
        try await AuditFixture.with { f in
            let (admin, owner) = (f.ledger.admin, f.tenants.1)
            let known = try #require(try await f.ledger.number("select count(*) from events"))
            _ = try await admin.enter(.credit, NanoUSD(100), tenant: "other", reason: "an outage", month: "2026-03")
            _ = try await admin.enter(.adjustment, NanoUSD(7), tenant: "other", reason: "more", month: "2026-04")
            _ = try await admin.closeStatement(tenant: "other", month: "2026-03")
            #expect(try await f.verify().summary.isEmpty)
            _ = try await f.store.seal()
            #expect(try await f.verify().summary.isEmpty)
            // What is done, how it is undone, and what is found.
            let document = "encode(sha256(convert_to(DOCUMENT, 'UTF8')), 'hex')"
            let set = "update statements set document = DOCUMENT, sha256 = \(document)"
            let cases: [(String, String, String)] = [
                (
                    "update statement_entries set amount = -1 where kind = 'credit'",
                    "update statement_entries set amount = -100 where kind = 'credit'", "\(known + 1) changed"
                ),
                (
                    "update statement_entries set month = '2026-05' where kind = 'adjustment'",
                    "update statement_entries set month = '2026-04' where kind = 'adjustment'", "\(known + 2) changed"
                ),
                (
                    "insert into statement_entries (tenant_id, month, kind, amount, author, reason) "
                        + "values (\(owner), '2026-05', 'credit', -5, 'me', 'behind its back')",
                    "delete from statement_entries where author = 'me'", "- inserted"
                ),
                (
                    "update statements set spend = spend + 1, entered = entered - 1",
                    "update statements set spend = spend - 1, entered = entered + 1", "\(known + 3) changed"
                ),
                (
                    set.replacing("DOCUMENT", with: "document || ' '"),
                    set.replacing("DOCUMENT", with: "rtrim(document)"), "\(known + 3) changed"
                ),
                (
                    "insert into statement_corrections values (\(owner), '2026-03', '2026-03', 5)",
                    "delete from statement_corrections", "\(known + 3) changed"
                ),
                ("delete from statement_entries where kind = 'adjustment'", "select 1", "\(known + 2) missing"),
            ]
            for (done, undone, expected) in cases {
                try await f.tamper(done)
                #expect(try await f.verify().summary == ["events/0 \(expected)"], "\(done)")
                try await f.tamper(undone)
            }
            #expect(try await f.verify().summary.count == 1)
        }
    }

    @Test("what retention drops is told from what somebody removes; a month that is not sealed yet stays")
    func retention() async throws {
        try await AuditFixture.with { f in
            // The first block is of three months ago.
            try await f.ledger.run("select gboost_ensure_partitions(3, now() - interval '3 months')")
            try await f.tamper(
                "update escalations set at = at - interval '3 months' where seq <= 5; "
                    + "delete from audit_blocks where log = 'escalations'; delete from audit_checkpoints")
            _ = try await f.ledger.admin.setRetention("escalations", months: 1)
            try await f.ledger.run("select gboost_expire()")
            #expect(try await f.ledger.number("select count(*) from escalations") == 2 * AuditFixture.records)
            var sealed = f
            sealed.published = []
            _ = try await f.store.seal()
            try await f.ledger.run("select gboost_expire()")
            #expect(try await f.ledger.number("select count(*) from escalations") == 2 * (AuditFixture.records - 5))
            _ = try await f.store.seal()
            let report = try await sealed.verify()
            #expect(report.isClean && report.expired == 10, "\(report.findings)")
            let export = try await sealed.export()
            let exported = sealed.verifyExport(export)
            #expect(exported.isClean && exported.expired == 10 && exported.records == report.records)
            #expect(try await sealed.python(export).isEmpty)
            // One more than the event says.
            try await f.tamper("delete from escalations where tenant_id = \(f.tenants.1) and seq = 6")
            let expected = ["escalations/\(f.tenants.1) 6 missing"]
            #expect(try await sealed.verify().summary == expected)
            #expect(try await sealed.python(try await sealed.export()) == expected)
        }
    }
}
