import Audit
import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("Paid calls that were refused are records: with their request or not at all, numbered and sealed")
struct RefusalTests {
    /// A request that wanted `count` paid calls and got none.
    private static func request(_ tenant: Int64, key: Int64, count: Int = 1) -> RequestRecord {
        var record = RequestRecord(
            id: UUID(), tenantID: tenant, teamID: nil, keyID: key, model: "math", route: "math", servedBy: .slm,
            status: 200, steps: 3, escalations: 0, degraded: .budgetExhausted, slmInputTokens: 0, slmOutputTokens: 0,
            costNanoUSD: 0, startedAt: Date(), milliseconds: 5)
        record.refused = (0..<count).map { step in
            let weighed = ActionEstimate(
                action: .llmStep, gain: 0.25, costUSD: 0.001, latencySeconds: 1, utility: -.infinity)
            var escalation = EscalationRecord(
                kind: .step, rewardRaw: 0.1, rewardCalibrated: .nan, shadowPrice: 1.5, actions: [weighed],
                reason: "best_utility", slmSHA256: "aa", prmSHA256: "bb", promptHash: "cc")
            escalation.adapterSHA256 = "dd"
            escalation.headSHA256 = "ee"
            escalation.remaining = NanoUSD(7)
            escalation.excluded = ["resample": "no_tries_left"]
            var call = RefusedCall(
                step: Int16(step), at: Date(), model: LedgerFixture.model, reason: .budget, escalation: escalation)
            call.wanted = NanoUSD(900)
            call.refusedBy = "tenant:acme total"
            call.more = step == 2 ? 4 : 0
            return call
        }
        return record
    }

    @Test("once for each request, in order, with everything that the decision knew")
    func recorded() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let first = Self.request(f.tenant.id, key: f.key.info.id, count: 3)
            await ledger.record(first)
            // A replay from the journal.
            await ledger.record(first)
            #expect(try await f.admin.refusals(tenant: "acme").map(\.seq) == [nil, nil, nil])
            _ = try await f.admin.audit.seal()
            await ledger.record(Self.request(f.tenant.id, key: f.key.info.id))
            _ = try await f.admin.audit.seal()
            let all = try await f.admin.refusals(tenant: "acme")
            #expect(all.map(\.seq) == [1, 2, 3, 4] && all.map(\.more) == [nil, nil, 4, nil])
            #expect(all[1].call == "\(first.id.uuidString.lowercased())/1/0" && all[1].refusal == .budget)
            #expect(all.allSatisfy { $0.refusedBy == "tenant:acme total" })
            #expect(all[1].wanted == NanoUSD(900) && all[1].model == "sim/general")
            let (found, wanted) = (all[1].escalation, try #require(first.refused?[1]).escalation)
            #expect(found.actions == wanted.actions && found.excluded == wanted.excluded)
            #expect(found.remaining == NanoUSD(7) && found.adapterSHA256 == "dd" && found.headSHA256 == "ee")
            #expect(found.rewardCalibrated?.isNaN == true && found.promptHash == "cc")
            #expect(try await f.admin.refusals(tenant: "acme", after: 3).map(\.seq) == [4])
            #expect(try await f.violations() == 0)
        }
    }

    @Test("both verifiers name the first that was changed, removed or inserted")
    func tampering() async throws {
        try await AuditFixture.with { f in
            let ledger = try await f.ledger.ledger()
            for tenant in [f.tenants.0, f.tenants.1] {
                await ledger.record(Self.request(tenant, key: f.ledger.key.info.id, count: 6))
            }
            _ = try await f.store.seal()
            let key = try #require(AuditFixture.key)
            _ = try await f.store.checkpoint(signers: [key], deployment: "gateway.test")
            #expect(try await f.verify().isClean)
            let (mine, other) = (f.tenants.0, f.tenants.1)
            let cases = [
                ("update refusals set wanted = 1 where tenant_id = \(mine) and seq = 3", "\(mine) 3 changed"),
                (
                    "update refusals set actions = jsonb_set(actions, '{remaining}', '8') where tenant_id = \(mine) "
                        + "and seq = 2", "\(mine) 2 changed"
                ),
                ("delete from refusals where tenant_id = \(mine) and seq = 1", "\(mine) 1 missing"),
                ("delete from refusals where tenant_id = \(other) and seq > 4", "\(other) 5 missing"),
            ]
            var expected: [String] = []
            for (sql, finding) in cases {
                try await f.tamper(sql)
                expected = expected.filter {
                    $0.split(separator: " ")[0] != "refusals/\(finding.split(separator: " ")[0])"
                }
                expected = (expected + ["refusals/\(finding)"]).sorted()
                #expect(try await f.verify().summary == expected)
                let export = try await f.export()
                #expect(f.verifyExport(export).summary == expected)
                #expect(try await f.python(export) == expected)
            }
        }
    }

    @Test("a request of an outage leaves its refusals in the journal, and they are written when the database is back")
    func outage() async throws {
        try await LedgerFixture.with { f in
            let directory = temporaryDirectory()
            let away = try LedgerFixture.pool("postgres://nobody@127.0.0.1:1/none", size: 1)
            let journal = try SettlementJournal(directory: directory)
            let cut = try await f.ledger(
                pool: away, journal: journal, configure: { $0.settleTimeout = .milliseconds(300) })
            await cut.record(Self.request(f.tenant.id, key: f.key.info.id, count: 2))
            #expect(cut.journalDepth.records == 1)
            await journal.close()
            await away.close(within: .seconds(1))
            _ = try await f.ledger(journal: try SettlementJournal(directory: directory))
            _ = try await f.admin.audit.seal()
            #expect(try await f.admin.refusals(tenant: "acme").map(\.seq) == [1, 2])
        }
    }

    @Test("retention drops them with the escalations, and the audit tells that from a removal")
    func retention() async throws {
        try await AuditFixture.with { f in
            let ledger = try await f.ledger.ledger()
            await ledger.record(Self.request(f.tenants.0, key: f.ledger.key.info.id, count: 5))
            _ = try await f.store.seal()
            await ledger.record(Self.request(f.tenants.0, key: f.ledger.key.info.id, count: 2))
            try await f.ledger.run("select gboost_ensure_partitions(3, now() - interval '3 months')")
            try await f.tamper(
                "update refusals set at = at - interval '3 months'; delete from audit_blocks where log = 'refusals'")
            _ = try await f.ledger.admin.setRetention("escalations", months: 1)
            // One partition a call, the escalations' first.
            for _ in 0..<6 { try await f.ledger.run("select gboost_expire()") }
            #expect(try await f.ledger.number("select count(*) from refusals") == 5)
            _ = try await f.store.seal()
            try await f.ledger.run("select gboost_expire()")
            #expect(try await f.ledger.number("select count(*) from refusals") == 2)
            _ = try await f.store.seal()
            let report = try await f.verify()
            #expect(report.isClean && report.expired == 5, "\(report.findings)")
            let export = try await f.export()
            #expect(f.verifyExport(export).isClean)
            #expect(try await f.python(export).isEmpty)
        }
    }
}
