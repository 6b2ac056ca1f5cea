import Audit
import EmbeddedPostgres
import Foundation
import GatewayCore
import Postgres

@testable import Ledger

/// A sealed ledger: two tenants with escalations in several blocks, events, checkpoints that somebody has kept.
struct AuditFixture: Sendable {
    static let records: Int64 = 12
    static let key = try? NoteSigner(name: "gateway.test/1", seed: [UInt8](repeating: 1, count: 32))

    let ledger: LedgerFixture
    let store: AuditStore
    /// "acme", and a tenant beside it.
    let tenants: (Int64, Int64)
    /// What was published after the first and the last block.
    var published: [String] = []

    static func with(
        function: String = #function, _ body: (AuditFixture) async throws -> Void
    ) async throws {
        try await LedgerFixture.with(limit: nil, function: function) { f in
            let other = try await f.admin.createTenant(name: "other", timeZone: "UTC")
            var fixture = AuditFixture(
                ledger: f, store: AuditStore(pool: f.pool), tenants: (f.tenant.id, other.id))
            try await fixture.record(5)
            try await fixture.sealAndSign()
            try await fixture.record(4)
            _ = try await fixture.store.seal()
            try await fixture.record(3)
            try await fixture.sealAndSign()
            try await body(fixture)
        }
    }

    /// Calls of both tenants, as the ledger's own functions write them.
    func record(_ count: Int) async throws {
        for tenant in [tenants.0, tenants.1] {
            try await ledger.run(
                """
                select p.seq from generate_series(1, \(count)) n, lateral gboost_post(
                  jsonb_populate_record(null::holds, jsonb_build_object('request_id', gen_random_uuid(), 'step', 0,
                    'attempt', 0, 'state', 's', 'tenant_id', \(tenant), 'key_id', \(ledger.key.info.id), 'tags',
                    array['a', 'b'], 'price_id', \(ledger.priceID), 'route', 'math', 'amount', 1000, 'actual', n,
                    'periods', array[1, 2], 'gateway', gen_random_uuid(), 'taken_at', now())), 'charge', 'completed', n,
                  '{"kind": "step", "reason": "weak \\" \\u00e9 \\n", "rewardRaw": 0.1, "in": 3, "shadowPrice": 1.5,
                    "actions": [{"gain": 0.25, "action": "accept"}], "usage": {"b": 1, "a": 2.50}}',
                  gen_random_uuid()) p
                """)
        }
    }

    mutating func sealAndSign() async throws {
        _ = try await store.seal()
        guard let key = Self.key else { return }
        published += try await store.checkpoint(signers: [key], deployment: "gateway.test")?.map(\.note) ?? []
    }

    var keys: [NoteVerifier] { Self.key.map { [$0.verifier] } ?? [] }

    func verify(published: Bool = true) async throws -> AuditReport {
        let logs = try await store.logs()
        return try await store.verify(logs.map(\.log), keys: keys, published: published ? self.published : [])
    }

    func export() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        try await store.export(try await store.logs()) { bytes += $0 }
        return bytes
    }

    func verifyExport(_ export: [UInt8]) -> AuditReport {
        var verifier = ExportVerifier(keys: keys, published: published)
        verifier.add(ExportLine.lines(export))
        return verifier.end()
    }

    /// Runs statements as a superuser would who covers his traces: no trigger sees them.
    func tamper(_ sql: String) async throws {
        try await ledger.pool.script("set session_replication_role = replica; \(sql)")
    }

    /// What `ops/audit-verify` finds in an export: "escalations/1 12 changed".
    func python(_ export: [UInt8]) async throws -> [String] {
        let directory = URL(filePath: temporaryDirectory())
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let paths = ["export", "keys", "checkpoints", "out"].map { directory.appending(path: $0).path() }
        try Data(export).write(to: URL(filePath: paths[0]))
        try Data(keys.map { $0.text + "\n" }.joined().utf8).write(to: URL(filePath: paths[1]))
        try Data(published.joined().utf8).write(to: URL(filePath: paths[2]))
        let script = URL(filePath: LedgerFixture.migrations).deletingLastPathComponent()
            .appending(path: "ops/audit-verify").path()
        let arguments = ["python3", script, paths[0], "--public-key", paths[1], "--checkpoint", paths[2], "--json"]
        let (output, status) = try await Self.run(arguments)
        struct Output: Decodable { var findings: [Finding] }
        struct Finding: Decodable {
            var log: String
            var record: Int64?
            var kind: String
        }
        let found = try JSONDecoder().decode(Output.self, from: output).findings
        guard status == (found.isEmpty ? 0 : 1) else { return ["exit \(status)"] }
        return found.map { "\($0.log) \($0.record.map { String($0) } ?? "-") \($0.kind)" }
    }

    /// Runs a program off the pool of threads that tests share: with few processors two that are waited for there would
    /// hold up everybody's, those of ledgers with deadlines included.
    private static func run(_ arguments: [String]) async throws -> (output: Data, status: Int32) {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                let process = Process()
                process.executableURL = URL(filePath: "/usr/bin/env")
                process.arguments = arguments
                let pipe = Pipe()
                process.standardOutput = pipe
                continuation.resume(
                    with: Result {
                        try process.run()
                        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
                        process.waitUntilExit()
                        return (output, process.terminationStatus)
                    })
            }
        }
    }
}

extension AuditReport {
    /// "escalations/1 12 changed".
    var summary: [String] {
        findings.map { "\($0.log) \($0.record.map { String($0) } ?? "-") \($0.kind.rawValue)" }
    }
}
