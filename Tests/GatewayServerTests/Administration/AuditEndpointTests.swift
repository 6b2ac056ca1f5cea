import Crypto
import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Postgres
import Synchronization
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: events and the audit")
struct AuditEndpointTests {
    /// A sealed audit: acme's five escalations, other's one, and the events of making them.
    private static func with(
        function: String = #function, _ body: (AdminFixture, AdminFixture.Payer) async throws -> Void
    ) async throws {
        try await AdminFixture.with(function: function) { fixture in
            let (acme, other) = try await fixture.payers()
            _ = try await acme.pay([1, 2, 3, 4, 5])
            _ = try await other.pay([11])
            _ = try await fixture.store.audit.seal()
            try await body(fixture, acme)
        }
    }

    private static func exported(_ fixture: AdminFixture, tenant: Int64? = nil) async throws -> String {
        var bytes: [UInt8] = []
        let logs = try await fixture.store.audit.logs(tenant: tenant)
        try await fixture.store.audit.export(logs) { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("events say who did what, to an auditor of all tenants and to one tenant's of its own")
    func events() async throws {
        try await Self.with { fixture, _ in
            _ = try await fixture.send(.patch, "/tenants/acme", #"{"capture_days": 3}"#)
            let all = try await fixture.send(.get, "/events?limit=2", by: .role(.auditor))
            #expect(all.each("events", "action").first == "tenant.capture", "\(all.text)")
            #expect(all.each("events", "actor") == ["admin-key", "test"])
            #expect(all.json("events", "0", "after")?.contains("3") == true)
            for role in [AdminRole.auditor, .tenantAdmin] {
                let own = try await fixture.send(.get, "/events", by: .role(role, tenant: "other"))
                #expect(own.each("events", "action").last == "tenant.create" && !own.text.contains("acme"))
                let named = try await fixture.send(.get, "/events?tenant=acme", by: .role(role, tenant: "other"))
                #expect(named.status == 403 && named.json("error", "code") == "tenant_not_allowed")
            }
            #expect(try await fixture.send(.get, "/events", by: .role(.tenantAdmin)).status == 403)
            for (query, field) in [("limit=0", "limit"), ("limit=1001", "limit"), ("after=1", "after")] {
                let answer = try await fixture.send(.get, "/events?\(query)")
                #expect(answer.status == 400 && answer.json("error", "param") == field)
            }
        }
    }

    @Test("the audit is verified: as it was sealed, and the first record that somebody changed")
    func verification() async throws {
        try await Self.with { fixture, acme in
            let id = acme.caller.tenant.id
            let clean = try await fixture.send(.post, "/audit/verification", by: .role(.auditor))
            #expect(clean.status == 200 && clean.json("findings") == "[]", "\(clean.text)")
            #expect(clean.json("unsealed") == "0")
            let own = AdminFixture.Asking.role(.auditor, tenant: "acme")
            let part = try await fixture.send(.post, "/audit/verification", by: own)
            #expect(part.json("records") == "5", "\(part.text)")
            try await fixture.pool.script(
                """
                set session_replication_role = replica;
                update escalations set reason = 'another' where tenant_id = \(id) and seq = 3
                """)
            let changed = try await fixture.send(.post, "/audit/verification", #"{"tenant": "acme"}"#)
            #expect(changed.json("findings", "0", "record") == "3", "\(changed.text)")
            #expect(changed.json("findings", "0", "kind") == "changed")
            #expect(changed.json("findings", "0", "log") == "escalations/\(id)")
            let other = try await fixture.send(.post, "/audit/verification", #"{"tenant": "other"}"#)
            #expect(other.json("findings") == "[]")
            #expect(try await fixture.send(.post, "/audit/verification", #"{"tenant": "nobody"}"#).status == 404)
            #expect(try await fixture.send(.post, "/audit/verification", #"{"deep": true}"#).status == 400)
        }
    }

    @Test("checkpoints are listed, and verified by the gateway's own keys")
    func checkpoints() async throws {
        try await Self.with { fixture, acme in
            let id = acme.caller.tenant.id
            #expect(try await fixture.send(.get, "/audit/checkpoint").text == #"{"checkpoints":[]}"#)
            try await fixture.run(
                """
                insert into audit_checkpoints (log, tenant_id, size, note)
                values ('escalations', \(id), 5, 'not signed'), ('events', 0, 1, 'nor this')
                """)
            let all = try await fixture.send(.get, "/audit/checkpoint", by: .role(.auditor))
            #expect(all.each("checkpoints", "log").sorted() == ["escalations/\(id)", "events/0"], "\(all.text)")
            let one = try await fixture.send(.get, "/audit/checkpoint?tenant=acme")
            #expect(one.each("checkpoints", "note") == ["not signed"] && one.each("checkpoints", "size") == ["5"])
            let other = AdminFixture.Asking.role(.auditor, tenant: "other")
            #expect(try await fixture.send(.get, "/audit/checkpoint", by: other).text == #"{"checkpoints":[]}"#)

            // "name+hash+key", as `gboost audit key` prints it.
            let public32 = [UInt8](Curve25519.Signing.PrivateKey().publicKey.rawRepresentation)
            let hash = SHA256.hash(data: Array("gw\n".utf8) + [1] + public32).prefix(4)
            let digits = hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let key = "gw+\(digits)+\(Data([1] + public32).base64EncodedString())"
            let knowing = fixture.having(AdminRecords(auditKeys: [key]))
            let report = try await knowing.send(.post, "/audit/verification", #"{"tenant": "acme"}"#)
            #expect(report.json("findings", "0", "kind") == "forged", "\(report.text)")
        }
    }

    @Test("a record is proved to be in its log by its number or its call, and only to who may see the log")
    func proof() async throws {
        try await AdminFixture.with { fixture in
            let (acme, other) = try await fixture.payers()
            let holds = try await acme.pay([1, 2, 3])
            _ = try await other.pay([11])
            let id = acme.caller.tenant.id
            #expect(try await fixture.send(.get, "/audit/proof?tenant=acme&record=2").status == 404)
            _ = try await fixture.store.audit.seal()
            let own = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            let proof = try await fixture.send(.get, "/audit/proof?hold=\(holds[1])&from=1", by: own)
            #expect(proof.status == 200 && proof.json("log") == "escalations/\(id)", "\(proof.text)")
            #expect(proof.json("record") == "2" && proof.json("size") == "3")
            #expect(proof.json("members", "amount") == "2" && proof.json("consistency_from") == "1")
            #expect(proof.json("inclusion", "1") != nil && proof.json("consistency", "0") != nil)
            let event = try await fixture.send(.get, "/audit/proof?record=1", by: .role(.auditor))
            #expect(event.json("log") == "events/0" && event.json("members", "action") == "tenant.create")
            #expect(try await fixture.send(.get, "/audit/proof?record=1", by: .role(.tenantAdmin)).status == 403)
            let foreign = AdminFixture.Asking.role(.tenantAdmin, tenant: "other")
            #expect(try await fixture.send(.get, "/audit/proof?hold=\(holds[1])", by: foreign).status == 404)
            for (query, status, field) in [
                ("tenant=acme&record=4", 404, "record"), ("tenant=acme&hold=\(UUID())/0/0", 404, "hold"),
                ("tenant=acme&record=x", 400, "record"), ("record=\(holds[1])", 400, "record"),
                ("tenant=acme", 400, "hold"), ("tenant=acme&record=1&hold=2", 400, "hold"),
                ("tenant=acme&record=1&from=0", 400, "from"), ("tenant=acme&record=1&from=9", 400, "from"),
                ("tenant=acme&record=1&refused=true", 404, "record"),
            ] {
                let answer = try await fixture.send(.get, "/audit/proof?\(query)")
                #expect(answer.status == status && answer.json("error", "param") == field, "\(query): \(answer.text)")
            }
            let claim = try #require(fixture.services.records.proofs.claim())
            #expect(try await fixture.send(.get, "/audit/proof?tenant=acme&record=1").status == 409)
            withExtendedLifetime(claim) {}
        }
    }

    @Test("an export is the command's; one reads the whole audit at a time, and who leaves makes room")
    func export() async throws {
        try await Self.with { fixture, acme in
            let all = try await fixture.send(.get, "/audit/export", by: .role(.auditor))
            #expect(all.status == 200 && all.headers[.contentType] == "application/jsonl")
            #expect(try await all.text == Self.exported(fixture) && all.text.contains("events"))
            let own = try await fixture.send(.get, "/audit/export", by: .role(.auditor, tenant: "acme"))
            #expect(try await own.text == Self.exported(fixture, tenant: acme.caller.tenant.id))
            #expect(own.text.count < all.text.count)
            #expect(try await fixture.send(.get, "/audit/export?tenant=nobody").status == 404)

            var claim = fixture.services.records.longWork.claim()
            #expect(claim != nil)
            for (method, path) in [(HTTPRequest.Method.get, "/audit/export"), (.post, "/audit/verification")] {
                let busy = try await fixture.send(method, path)
                #expect(busy.status == 409 && busy.json("error", "code") == "conflict")
            }
            withExtendedLifetime(claim) {}
            claim = nil
            let headers: HTTPFields = [.authorization: "Bearer \(AdminFixture.key)"]
            let client = RouterClient(fixture.services)
            #expect(try await client.sendAndLeave(.get, "/admin/v1/audit/export", headers: headers) == .ok)
            #expect(try await fixture.send(.post, "/audit/verification").status == 200)
        }
    }

    @Test("an export ends when its time is over, however slowly its client reads")
    func slowReader() async throws {
        // An empty piece would be the end of the body.
        let pieces: [[UInt8]] = [[1], [], [2]]
        let written = Mutex<[UInt8]>([])
        try await AuditEndpoints.send(
            within: .seconds(3600), to: { piece in written.withLock { $0 += piece } },
            { sink in for piece in pieces { try await sink(piece) } })
        let whole = written.withLock { $0 }
        #expect(whole == [1, 2])
        await #expect(throws: (any Error).self) {
            try await AuditEndpoints.send(
                within: .zero, to: { piece in written.withLock { $0 += piece } },
                { sink in for piece in pieces { try await sink(piece) } })
        }
        let after = written.withLock { $0 }
        #expect(after == whole)
    }

    @Test("a verification says that it is under way, and ends when its client has left")
    func leaving() async throws {
        let written = Mutex<[UInt8]>([])
        try await AuditEndpoints.answer(
            every: .milliseconds(1), to: { piece in written.withLock { $0 += piece } },
            {
                // Not before that was said.
                for _ in 0..<60_000 where written.withLock({ $0.isEmpty }) {
                    try await Task.sleep(for: .milliseconds(1))
                }
                return Array("{}".utf8)
            })
        let text = written.withLock { String(decoding: $0, as: UTF8.self) }
        #expect(text.hasPrefix("\n") && text.hasSuffix("{}"))
        struct Gone: Error {}
        let isCancelled = Mutex(false)
        await #expect(throws: Gone.self) {
            try await AuditEndpoints.answer(
                every: .milliseconds(1), to: { _ in throw Gone() },
                {
                    do { try await Task.sleep(for: .seconds(3600)) } catch { isCancelled.withLock { $0 = true } }
                    return []
                })
        }
        let wasCancelled = isCancelled.withLock { $0 }
        #expect(wasCancelled)
    }
}
