import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("Texts are kept where a tenant wants it, encrypted, bound to their call, for so many days")
struct TextTests {
    private static let first = String(repeating: "0a", count: 32)
    private static let second = Data((0..<32).map { UInt8($0) }).base64EncodedString()

    private static func text(_ f: LedgerFixture, _ call: HoldID) -> CapturedText {
        CapturedText(
            call: call, tenantID: f.tenant.id, prompt: Array("a question".utf8), answer: Array("an answer".utf8))
    }

    /// A settled call, whose escalation has the given number.
    private static func call(_ f: LedgerFixture, _ ledger: PostgresLedger) async throws -> HoldID {
        let reservation = f.reservation(10)
        #expect(try await ledger.reserve(reservation).isGranted)
        await ledger.settle(.of(reservation.id, 4))
        return reservation.id
    }

    @Test("off by default; on, kept and read by the key; off again, no more")
    func capture() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let keys = try TextKeyring(Self.first)
            let store = TextStore(pool: f.pool, keys: keys, logger: .quiet)
            let call = try await Self.call(f, ledger)
            store.keep(Self.text(f, call))
            await store.drain()
            #expect(try await f.admin.text(ofEscalation: 1, tenant: "acme") == nil)
            #expect(try await f.admin.setCapture(days: 30, tenant: "acme").captureDays == 30)
            store.keep(Self.text(f, call))
            await store.drain()
            let stored = try #require(try await f.admin.text(ofEscalation: 1, tenant: "acme"))
            let (prompt, answer) = try stored.opened(keys)
            #expect(prompt == Array("a question".utf8) && answer == Array("an answer".utf8) && !stored.isCut)
            #expect(abs(stored.expiresAt.timeIntervalSince(stored.at) - 30 * 86_400) < 1)
            let clear =
                "select count(*) from escalation_texts x where x::text like '%' || encode('answer', 'hex') || '%'"
            #expect(try await f.number(clear) == 0)
            _ = try await f.admin.setCapture(days: nil, tenant: "acme")
            store.keep(Self.text(f, try await Self.call(f, ledger)))
            await store.drain()
            #expect(try await f.number("select count(*) from escalation_texts") == 1)
            for days in [0, 3651] {
                await #expect(throws: LedgerError.self) { try await f.admin.setCapture(days: days, tenant: "acme") }
            }
        }
    }

    @Test("a row that is moved to another call or tenant, or changed, does not open; nor with another key")
    func bound() async throws {
        let (call, other) = (HoldID.fresh(), HoldID.fresh())
        let old = try TextKeyring(Self.first)
        let sealed = try old.seal(Array("text".utf8), .prompt, of: call, tenant: 1)
        func opens(
            _ keys: TextKeyring, _ bytes: [UInt8], _ part: TextKeyring.Part, _ call: HoldID, _ tenant: Int64
        ) -> Bool {
            (try? keys.open(bytes, key: old.id, part, of: call, tenant: tenant)) == Array("text".utf8)
        }
        #expect(opens(old, sealed, .prompt, call, 1))
        #expect(!opens(old, sealed, .answer, call, 1) && !opens(old, sealed, .prompt, other, 1))
        #expect(!opens(old, sealed, .prompt, call, 2))
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(!opens(old, changed, .prompt, call, 1))
        }
        // The key is replaced: what it sealed opens as long as it is the previous one.
        #expect(opens(try TextKeyring(Self.second, previous: Self.first), sealed, .prompt, call, 1))
        #expect(!opens(try TextKeyring(Self.second), sealed, .prompt, call, 1))
        #expect(try old.seal(Array("text".utf8), .prompt, of: call, tenant: 1) != sealed)
        for wrong in ["", "0a0a", String(repeating: "zz", count: 32), Data(count: 16).base64EncodedString()] {
            let error = #expect(throws: LedgerError.self) { try TextKeyring(wrong) }
            #expect(error?.field == "capture.key")
        }
        #expect("\(old)".contains(Self.first) == false)
    }

    @Test("more texts than one commit deletes are all gone at once, also while a month that is to go is being read")
    func many() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            try await f.run("select gboost_ensure_partitions(0, now() - interval '5 months')")
            _ = try await f.admin.setRetention("requests", months: 2)
            let months = "select count(*) from pg_inherits where inhparent = 'requests'::regclass"
            let before = try #require(try await f.number(months))
            let insert = """
                insert into escalation_texts (tenant_id, request_id, step, attempt, expires_at, key_id, prompt, answer,
                  is_cut)
                select \(f.tenant.id), gen_random_uuid(), 0, 0, now() - interval '1 second', 'k', '', '', false
                from generate_series(1, 20001)
                """
            try await f.run(insert)
            try await f.pool.transaction { reader in
                _ = try await reader.query("lock table requests in access share mode")
                await ledger.keepPartitions()
                #expect(try await f.number("select count(*) from escalation_texts") == 0)
                #expect(try await f.number(months) == before)
            }
            try await f.run(insert)
            await ledger.keepPartitions()
            #expect(try await f.number("select count(*) from escalation_texts") == 0)
            #expect(try await f.number(months) == before - 1)
        }
    }

    @Test("what is over is dropped, long texts are cut, and what the database cannot take is counted")
    func bounds() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let keys = try TextKeyring(Self.first)
            _ = try await f.admin.setCapture(days: 1, tenant: "acme")
            let store = TextStore(pool: f.pool, keys: keys, logger: .quiet)
            var long = Self.text(f, try await Self.call(f, ledger))
            long.answer = Array(repeating: 0x61, count: TextStore.maxTextBytes + 1)
            store.keep(long)
            await store.drain()
            let stored = try #require(try await f.admin.text(ofEscalation: 1, tenant: "acme"))
            #expect(try stored.isCut && stored.opened(keys).answer.count == TextStore.maxTextBytes)
            try await f.run("update escalation_texts set expires_at = now() - interval '1 second'")
            #expect(try await f.admin.text(ofEscalation: 1, tenant: "acme") == nil)
            await ledger.keepPartitions()
            #expect(try await f.number("select count(*) from escalation_texts") == 0)
            for _ in 0...TextStore.maxWaitingBytes / TextStore.maxTextBytes { store.keep(long) }
            #expect(store.statistics == (1, 2))
            let away = try LedgerFixture.pool("postgres://nobody@127.0.0.1:1/none", size: 1)
            let cut = TextStore(pool: away, keys: keys, logger: .quiet)
            cut.keep(Self.text(f, .fresh()))
            await cut.drain()
            #expect(cut.statistics == (0, 1))
            await away.close(within: .seconds(1))
        }
    }
}
