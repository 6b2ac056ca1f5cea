import Audit
import Foundation
import Postgres
import Testing

@testable import Ledger

/// What once escaped the audit, or stopped it.
@Suite("The audit has no gaps: nothing stays out of its logs, and nothing is explained by what is in none")
struct AuditGapTests {
    private static let deep = "(repeat('[', 70) || repeat(']', 70))::jsonb"

    /// What all three find, which must be the same.
    private static func found(_ f: AuditFixture) async throws -> [String] {
        let database = try await f.verify().summary
        let export = try await f.export()
        #expect(f.verifyExport(export).summary == database)
        #expect(try await f.python(export) == database)
        return database
    }

    @Test("an event that is committed after two thousand later ones were sealed is counted, and sealed")
    func lateEvent() async throws {
        try await AuditFixture.with { f in
            let ledger = f.ledger
            try await ledger.run(
                "select nextval(pg_get_serial_sequence('events', 'id')) from generate_series(1, 2000)")
            try await ledger.run("insert into events (actor, action, subject) values ('later', 'a', 'b')")
            _ = try await f.store.seal()
            let last = try #require(try await ledger.number("select max(id) from events"))
            try await ledger.run(
                "insert into events (id, actor, action, subject) overriding system value "
                    + "values (\(last - 1500), 'late', 'a', 'b')")
            #expect(try await f.verify().unsealed == 1)
            #expect(try await f.store.seal().records == 1)
            let report = try await f.verify()
            #expect(report.isClean && report.unsealed == 0, "\(report.findings)")
            #expect(try await ledger.number("select count(*) from events") == report.records - 2 * AuditFixture.records)
        }
    }

    @Test("a log that is gone as a whole is missed by who keeps a checkpoint of it")
    func vanished() async throws {
        try await AuditFixture.with { f in
            let (gone, other) = (f.tenants.0, f.tenants.1)
            let tables = ["escalations", "escalation_counters", "ledger_entries", "audit_blocks", "audit_checkpoints"]
            try await f.tamper(tables.map { "delete from \($0) where tenant_id = \(gone);" }.joined())
            let expected = ["escalations/\(gone) 1 truncated"]
            #expect(try await Self.found(f) == expected)
            for (tenant, findings) in [(gone, expected), (other, [])] {
                let logs = try await f.store.logs(tenant: tenant)
                let report = try await f.store.verify(
                    logs.map(\.log), keys: f.keys, published: f.published, tenant: tenant)
                #expect(report.summary == findings)
            }
        }
    }

    @Test("an event that is in no log explains no record that is missing")
    func inventedDrop() async throws {
        try await AuditFixture.with { f in
            let tenant = f.tenants.0
            try await f.tamper(
                "insert into events (actor, action, subject, after) values ('retention', 'partition.drop', 'x', "
                    + "'{\"last\": {\"\(tenant)\": 3}}'); "
                    + "delete from escalations where tenant_id = \(tenant) and seq <= 3")
            #expect(try await Self.found(f) == ["escalations/\(tenant) 1 missing"])
        }
    }

    @Test("an entry that no record has is found, of a tenant with a log and of one without")
    func entries() async throws {
        try await AuditFixture.with { f in
            let third = try await f.ledger.admin.createTenant(name: "third", timeZone: "UTC").id
            for tenant in [f.tenants.0, third] {
                try await f.tamper(
                    "insert into ledger_entries overriding system value select (jsonb_populate_record(l, "
                        + "jsonb_build_object('id', l.id + 1000 * \(tenant), 'tenant_id', \(tenant), 'amount', 77))).* "
                        + "from ledger_entries l where tenant_id = \(f.tenants.0) order by id limit 1")
            }
            let report = try await f.verify()
            let expected = [f.tenants.0, third].map { "escalations/\($0) - count" }
            #expect(report.summary == expected.sorted(), "\(report.findings)")
            #expect(report.findings.first?.message.contains("what is billed is not what is recorded") == true)
        }
    }

    @Test("tags that a gateway writes are sealed with commas between, and no other array has the same text")
    func tags() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            let sql = try #require(AuditColumns.escalations.members.first { $0.name == "tags" }).sql
            let texts: [(String, String?)] = [
                ("null", nil), ("'{}'", nil), ("'{a}'", "a"), ("'{a,b}'", "a,b"), (#"'{"a,b"}'"#, #"{"a,b"}"#),
                ("'{a,null,b}'", "{a,NULL,b}"), ("'{null}'", "{NULL}"), (#"'{""}'"#, #"{""}"#),
                ("'{{a,b}}'", "{{a,b}}"),
            ]
            for (array, text) in texts {
                let select = "select \(sql) as text from (select \(array)::text[]) l(tags)"
                let row = try #require(try await f.pool.query(PostgresStatement(trusted: select)).rows.first)
                #expect(try row.getOptional("text", as: String.self) == text, "\(array)")
            }
        }
    }

    @Test("a record that cannot be sealed keeps no other log from being sealed, and is named until it is mended")
    func tooDeep() async throws {
        try await AuditFixture.with { f in
            let tenant = f.tenants.0
            let events = try #require(try await f.ledger.number("select count(*) from events"))
            try await f.record(2)
            try await f.ledger.run(
                "insert into events (actor, action, subject, after) values ('a', 'b', 'c', \(Self.deep))")
            try await f.tamper(
                "update escalations set actions = \(Self.deep) where tenant_id = \(tenant) and seq = 14")
            let round = try await f.store.seal()
            #expect(round.damaged == [AuditLog(.escalations, tenant: tenant), AuditLog(.events)])
            // Both of the other tenant's, and of this one's what comes before.
            #expect(round.records == 3)
            let report = try await f.verify()
            #expect(
                report.summary == ["escalations/\(tenant) 14 changed", "events/0 \(events + 1) changed"],
                "\(report.findings)")
            #expect(report.unsealed == 2 && report.logs == 3)
            #expect(f.verifyExport(try await f.export()).isClean)
            try await f.tamper(
                "update escalations set actions = '[]' where tenant_id = \(tenant) and seq = 14; "
                    + "update events set after = null where actor = 'a'")
            let mended = try await f.store.seal()
            #expect(mended.damaged.isEmpty && mended.records == 2)
            #expect(try await Self.found(f).isEmpty)
        }
    }

    @Test("a record of the next month that stands before the last dropped one is no alarm, and is still checked")
    func monthsEnd() async throws {
        try await AuditFixture.with { f in
            let tenant = f.tenants.0
            try await f.ledger.run("select gboost_ensure_partitions(3, now() - interval '3 months')")
            try await f.tamper(
                "update escalations set at = at - interval '3 months' where seq in (1, 2, 3, 5); "
                    + "delete from audit_blocks where log = 'escalations'; delete from audit_checkpoints")
            _ = try await f.ledger.admin.setRetention("escalations", months: 1)
            var sealed = f
            sealed.published = []
            _ = try await f.store.seal()
            try await f.ledger.run("select gboost_expire()")
            _ = try await f.store.seal()
            #expect(try await f.ledger.number("select count(*) from escalations where seq <= 5") == 2)
            let report = try await sealed.verify()
            #expect(report.expired == 8 && report.isClean, "\(report.findings)")
            #expect(try await Self.found(sealed).isEmpty)
            try await f.tamper("update escalations set amount = 1 where tenant_id = \(tenant) and seq = 4")
            #expect(try await Self.found(sealed) == ["escalations/\(tenant) 4 changed"])
        }
    }

    @Test("after a restore the first lost record is named, before and after sealing, and when others have its number")
    func restored() async throws {
        try await AuditFixture.with { fixture in
            var f = fixture
            func each(_ finding: String) -> [String] {
                [f.tenants.0, f.tenants.1].map { "escalations/\($0) \(finding)" }.sorted()
            }
            for count in [3, 2] {
                try await f.record(count)
                try await f.sealAndSign()
            }
            // To a moment at which 15 had been recorded, and 12 sealed.
            try await f.tamper(
                "delete from ledger_entries where id in (select entry_id from escalations where seq > 15); "
                    + "delete from escalations where seq > 15; update escalation_counters set seq = 15; "
                    + "delete from audit_blocks where log = 'escalations' and last_seq > 12; "
                    + "delete from audit_checkpoints where log = 'escalations' and size > 12")
            let report = try await f.verify()
            #expect(report.summary == each("16 truncated") && report.unsealed == 6, "\(report.findings)")
            let message = "a signed checkpoint knows 17 records, but there are 15; 3 of them are not sealed yet"
            #expect(report.findings.allSatisfy { $0.message == message }, "\(report.findings)")
            // An export has what is sealed.
            let export = try await f.export()
            #expect(f.verifyExport(export).summary == each("13 truncated"))
            #expect(try await f.python(export) == each("13 truncated"))
            _ = try await f.store.seal()
            #expect(try await Self.found(f) == each("16 truncated"))
            // New calls have the lost numbers: below the largest checkpoint, and past it.
            try await f.record(1)
            try await f.sealAndSign()
            #expect(try await Self.found(f) == each("16 truncated"))
            try await f.record(2)
            try await f.sealAndSign()
            #expect(try await Self.found(f) == each("16 rewritten"))
            let findings = try await f.verify().findings
            #expect(findings.allSatisfy { $0.message.contains("two histories") }, "\(findings)")
            #expect(findings.allSatisfy { $0.message.hasSuffix("after 15 and at most 17") }, "\(findings)")
        }
    }

    @Test("a record that waits to be sealed is not the one that was signed")
    func unsealedChanged() async throws {
        try await AuditFixture.with { f in
            try await f.tamper(
                "delete from audit_blocks where tenant_id = \(f.tenants.0) and number = 3; "
                    + "delete from audit_checkpoints where tenant_id = \(f.tenants.0) and size = 12")
            let report = try await f.verify()
            #expect(report.isClean && report.unsealed == 3, "\(report.findings)")
            try await f.tamper("update escalations set amount = 1 where tenant_id = \(f.tenants.0) and seq = 11")
            let changed = try await f.verify()
            #expect(changed.summary == ["escalations/\(f.tenants.0) 6 rewritten"], "\(changed.findings)")
        }
    }

    @Test("a file of public keys that has none is wrong usage to the verifier in Python: it would look at no signature")
    func noKey() throws {
        let directory = URL(filePath: temporaryDirectory())
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let empty = directory.appending(path: "keys")
        try Data().write(to: empty)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = URL(filePath: LedgerFixture.migrations).deletingLastPathComponent()
            .appending(path: "ops/audit-verify").path()
        process.arguments = ["python3", script, empty.path(), "--public-key", empty.path()]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
    }

    @Test("both verifiers find the same in an export that is none")
    func exports() async throws {
        try await AuditFixture.with { f in
            let log = "escalations/\(f.tenants.0)"
            let lines = String(decoding: try await f.export(), as: UTF8.self).split(separator: "\n").map(String.init)
            let block = try #require(lines.firstIndex { $0.hasPrefix(#"{"block""#) })
            let second = block + 2
            let expired = #"{"expired":{"last":"1"}}"#
            #expect(lines[2].hasPrefix(#"{"checkpoint""#) && lines[second].contains(#""seq":"2""#))
            func with(_ line: String, at place: Int) -> [String] {
                Array(lines[..<place]) + [line] + Array(lines[place...])
            }
            func numbered(_ seq: String) -> [String] {
                var changed = lines
                changed[second].replace(#""seq":"2","#, with: seq)
                return changed
            }
            let none = [" - malformed"]
            let returned = lines.map { $0 + "\r" }
            let logs = ["events/0"] + [f.tenants.0, f.tenants.1].map { "escalations/\($0)" }
            let absent = logs.map { "\($0) 1 truncated" }.sorted()
            let cases: [([String], [String])] = [
                (lines, []), (numbered(#""seq":"2","seq":"2","#), none + ["\(log) 2 missing"]),
                (numbered(#""seq":"two","#), ["\(log) 2 changed"]), (numbered(""), ["\(log) 2 changed"]),
                (with(expired, at: 2), []), (with(expired, at: 3), none), (with(expired, at: second), none),
                (with(lines[2], at: second), none), (with(lines[1], at: 0), none),
                (with(lines[1], at: lines.count), none), (with("{}", at: second), none),
                // Copied as a text of another system: no line is one, so no log is there.
                (returned, none + absent),
            ]
            for (number, (lines, expected)) in cases.enumerated() {
                let export = Array((lines.joined(separator: "\n") + "\n").utf8)
                #expect(f.verifyExport(export).summary == expected, "case \(number)")
                #expect(try await f.python(export) == expected, "case \(number)")
            }
        }
    }
}
