import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("Text that would be SQL")
struct HostileTextTests {
    private static let hostile = "x'); drop table holds; --"

    @Test("row 22: what comes from outside is a value: SQL in it is stored as it is, or refused by name")
    func values() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            var call = f.reservation(10, route: Self.hostile)
            call.tags = ["a", "b:1"]
            #expect(try await ledger.reserve(call).isGranted)
            var settlement = Settlement.of(call.id, 7)
            settlement.providerRequestID = Self.hostile
            settlement.escalation.reason = "\(Self.hostile)\u{0}\"\\ {\"a\": 1}"
            await ledger.settle(settlement)
            #expect(ledger.journalDepth.records == 0)
            let row = try await f.pool.query(
                """
                select e.route, e.provider_request_id, s.reason
                from ledger_entries e join escalations s on s.entry_id = e.id
                """
            ).rows[0]
            #expect(try row.get("route", as: String.self) == Self.hostile)
            #expect(try row.get("provider_request_id", as: String.self) == Self.hostile)
            #expect(try row.get("reason", as: String.self).hasPrefix(Self.hostile))
            #expect(try await f.number("select count(*) from holds") == 1)
            await #expect(throws: LedgerError.self) { try await f.admin.createTenant(name: Self.hostile) }
            await #expect(throws: LedgerError.self) { try await f.admin.spend(tenant: Self.hostile) }
            await #expect(throws: LedgerError.self) {
                try await f.admin.setBudget(BudgetDraft(tenant: "acme", tag: Self.hostile, limit: NanoUSD(1)))
            }
            #expect(try await f.violations() == 0)
        }
    }

    @Test(
        "what can be no name is refused by its field where it is given, and is not found where it is looked up",
        arguments: ["a\u{0}b", "a\nb", "a\u{7F}", "a\u{85}", String(repeating: "a", count: 256)])
    func impossible(text: String) async throws {
        try await LedgerFixture.with(limit: nil) { f in
            func problem(_ body: () async throws -> Void) async -> LedgerError? {
                await #expect(throws: LedgerError.self) { try await body() }
            }
            let admin = f.admin
            var settings = RouteSettings()
            settings.strategy = .direct
            let route = RouteDraft(
                tenant: "acme", name: text, slm: "", prm: nil, llm: LedgerFixture.model, settings: settings)
            let model = ModelDraft(tenant: "acme", name: text, kind: .slm, file: "/nowhere")
            let price = try PriceDraft(
                model: ModelReference(provider: "sim", model: text), inputUSDPerMtok: "1", outputUSDPerMtok: "1")
            let refused = [
                await problem { _ = try await admin.createTenant(name: text) },
                await problem { _ = try await admin.createTeam(name: text, tenant: "acme") },
                await problem { _ = try await admin.createKey(KeyDraft(tenant: "acme", name: text)) },
                await problem { _ = try await admin.addRoute(route) },
                await problem { _ = try await admin.addModel(model) },
                await problem { _ = try await admin.setPrice(price) },
            ]
            #expect(refused.allSatisfy { $0?.code == .invalid })
            #expect(refused.compactMap { $0?.field } == ["name", "name", "name", "name", "name", "model"])
            let unknown = [
                await problem { _ = try await admin.tenant(named: text) },
                await problem { _ = try await admin.createTeam(name: "t", tenant: text) },
                await problem { _ = try await admin.createKey(KeyDraft(tenant: "acme", team: text)) },
                await problem { _ = try await admin.key(named: text) },
                await problem { try await admin.removeRoute(text, tenant: "acme") },
                await problem { try await admin.removeModel(text, tenant: "acme") },
            ]
            #expect(unknown.allSatisfy { $0?.code == .notFound })
            #expect(unknown.compactMap { $0?.field } == ["tenant", "tenant", "team", "key", "route", "model"])
            #expect(try await admin.prices(model: price.price.model).isEmpty)
        }
    }
}
