import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Postgres
import Testing

@testable import GatewayServer

@Suite("What the console's pages say of what is unusual")
struct ConsoleViewTests {
    private static let acme = "/console/tenants/acme"

    @Test("links lead over records that retention took away, and to months that were not shown by name before")
    func links() async throws {
        try await AdminFixture.with { fixture in
            let payers = try await fixture.payers()
            try await fixture.record(4, by: payers.acme)
            let tenant = payers.acme.caller.tenant.id
            try await fixture.pool.script(
                "set session_replication_role = replica; "
                    + "delete from escalations where tenant_id = \(tenant) and seq in (1, 3)")
            func beside(_ seq: Int) async throws -> (older: String?, newer: String?) {
                let text = try await fixture.sendAnywhere(.get, "\(Self.acme)/escalations/\(seq)").text
                let older = text.firstMatch(of: /href="([^"]+)">‹ before/).map { String($0.1) }
                let newer = text.firstMatch(of: /href="([^"]+)">after/).map { String($0.1) }
                return (older, newer)
            }
            let (first, last) = (try await beside(2), try await beside(4))
            #expect(first.older == nil && first.newer == "\(Self.acme)/escalations/4")
            #expect(last.older == "\(Self.acme)/escalations/2" && last.newer == nil)
            let now = ConsoleZone.utc.month(Date())
            let past = TenantPage.month(now, adding: -2)
            let page = try await fixture.sendAnywhere(.get, "\(Self.acme)?month=\(past)").text
            #expect(page.contains("<a href=\"?month=\(TenantPage.month(now, adding: -1))\">"))
            #expect(page.contains("The current month, \(now)<") && page.contains("Spend in \(past)"))
            #expect(page.contains("Nothing was spent.") && !page.contains("class=\"plot\""))
            let statement = try await fixture.sendAnywhere(.get, "\(Self.acme)/statements/\(now)").text
            #expect(statement.contains("<a href=\"\(Self.acme)\">‹ acme</a>"))
        }
    }

    @Test("an escalation without a decision says why there was none, whatever the reason")
    func direct() async throws {
        try await AdminFixture.with { fixture in
            let payers = try await fixture.payers()
            _ = try await payers.acme.pay([5])
            let tenant = try await fixture.store.tenant(named: "acme")
            var info = try #require(try await fixture.store.latestEscalations(tenant: "acme", limit: 1).first)
            for (route, reason, said) in [
                (nil, "direct call", "The request named the paid model itself"),
                (nil, "mirror of sim/a", "The call was sent for comparison, as a mirror of sim/a"),
                ("plain", "route is direct", "The route plain asks the paid model alone"),
                ("math", "the SLM cannot take n", "The route math asked the paid model, as the SLM cannot take n"),
            ] as [(String?, String, String)] {
                (info.route, info.reason) = (route, reason)
                let page = EscalationPage(info, tenant: tenant, price: nil, beside: EscalationPage.Beside())
                #expect(page.summary == "\(said): nothing was to be decided.")
            }
            info.kind = "unknown"
            let page = EscalationPage(info, tenant: tenant, price: nil, beside: EscalationPage.Beside())
            #expect(page.summary == nil)
        }
    }

    @Test("the overview names deleted tenants with what they spent, and budgets of nothing are no trouble")
    func overview() async throws {
        try await AdminFixture.with { fixture in
            let payers = try await fixture.payers()
            _ = try await payers.other.pay([900])
            let old = try await fixture.store.deleteTenant("other")
            _ = try await fixture.store.setBudget(BudgetDraft(tenant: "acme", limit: .zero))
            let page = try await fixture.sendAnywhere(.get, "/console").text
            #expect(page.contains("and 1 deleted, with ") && page.contains("title=\"0.000000900 USD\""))
            #expect(page.contains("<a href=\"/console/tenants/%23\(old.id)\">other"))
            #expect(page.contains("<span>Used up, or about to be</span><strong>0</strong>"))
            #expect(try await fixture.sendAnywhere(.get, "/console/tenants/%23\(old.id)").status == 200)
            // At the door nothing is said of amounts.
            let door = try await fixture.sendAnywhere(.get, "/console", by: .nobody).text
            #expect(page.contains("<footer>") && !door.contains("<footer>"))
        }
    }

    @Test("an event says from where it came; the request's number stands beside it")
    func origin() async throws {
        try await AdminFixture.with { fixture in
            var event = try #require(try await fixture.store.events(limit: 1).first)
            for (origin, shown) in [
                ("request 0f9a via 10.0.0.7", "10.0.0.7"), ("request 0f9a", "a request"),
                ("on vm via ::1", "on vm via ::1"),
            ] {
                event.origin = origin
                let row = EventsPage.Row(event, .utc)
                #expect(row.origin == shown && row.wholeOrigin == origin && row.hasDetails)
            }
            (event.before, event.after) = (nil, nil)
            #expect(!EventsPage.Row(event, .utc).hasDetails)
        }
    }

    @Test("a tenant's budgets, limits and keys are leafed through, each once, and none is beyond reach")
    func parts() async throws {
        try await AdminFixture.with { fixture in
            let count = TenantPage.pageSize + 1
            try await fixture.run(
                """
                insert into api_keys (tenant_id, name, prefix, hash)
                select id, 'k' || n, 'p' || n || '-', sha256(n::text::bytea)
                from tenants, generate_series(1, \(count)) n where name = 'acme'
                """)
            for (unit, cycle) in [("usd", "month"), ("requests", "minute")] {
                try await fixture.run(
                    """
                    insert into budgets (tenant_id, key_id, unit, cycle, limit_n)
                    select tenant_id, id, '\(unit)', '\(cycle)', 1 from api_keys order by id
                    """)
            }
            let first = try await fixture.sendAnywhere(.get, Self.acme).text
            let links = first.matches(of: /href="([^"]+)">next ›/).map { $0.1.replacing("&amp;", with: "&") }
            #expect(links.count == 3 && !first.contains("‹ first"), "\(links)")
            func prefixes(_ text: String) -> [String] { text.matches(of: /<code>(p\d+)-…/).map { String($0.1) } }
            func scopes(_ text: String) -> [String] { text.matches(of: /<td>(key:\d+)</).map { String($0.1) } }
            #expect(prefixes(first) == (2...count).reversed().map { "p\($0)" })
            #expect(scopes(first).count == 2 * TenantPage.pageSize)
            for (link, list) in zip(links, ["budgets", "limits", "keys"]) {
                let path = String(link.prefix { $0 != "#" })
                #expect(link.hasSuffix("#\(list)") && path.contains("month="), "\(link)")
                let next = try await fixture.sendAnywhere(.get, Self.acme + path)
                #expect(next.status == 200 && next.text.contains("#\(list)\">‹ first</a>"), "\(next.text)")
                #expect(next.text.matches(of: /next ›/).count == 2)
                if list == "keys" {
                    #expect(prefixes(next.text) == ["p1"])
                } else {
                    #expect(scopes(next.text).count == TenantPage.pageSize + 1, "\(list)")
                    let last = scopes(next.text).compactMap { Int($0.dropFirst(4)) }.max() ?? 0
                    #expect(last > 0 && !scopes(first).contains("key:\(last)"), "\(list)")
                }
            }
            for query in ["budgets_after=-1", "budgets_after=99999", "limits_after=x", "keys_before=0"] {
                #expect(try await fixture.sendAnywhere(.get, "\(Self.acme)?\(query)").status == 400, "\(query)")
            }
        }
    }

    @Test("more tenants than a page has are on the next one, and the sums say that they are of a page")
    func tenants() async throws {
        try await AdminFixture.with { fixture in
            let month = try #require(try await fixture.store.tenantMonths(limit: 1).first)
            let condition = GatewayCondition(missing: [], isDraining: false, running: 0, providers: [:], models: [])
            var months = (1...Int64(OverviewPage.maxTenants) + 1).map { number in
                var one = month
                one.tenant.id = number
                return one
            }
            let cut = OverviewPage(months, gateway: condition, now: Date())
            #expect(cut.rows.count == OverviewPage.maxTenants && cut.isPart && cut.first == nil)
            #expect(cut.next == "/console?after=\(OverviewPage.maxTenants)")
            months.removeLast()
            let whole = OverviewPage(months, gateway: condition, now: Date())
            #expect(whole.next == nil && !whole.isPart)
            let last = OverviewPage(months, isFirst: false, gateway: condition, now: Date())
            #expect(last.next == nil && last.first == "/console" && last.isPart)
            let page = try await fixture.sendAnywhere(.get, "/console?after=\(month.tenant.id)").text
            #expect(page.contains(">other</a>") && !page.contains(">acme</a>"))
            #expect(page.contains("of the tenants on this page") && page.contains("<a href=\"/console\">‹ first</a>"))
            #expect(try await fixture.sendAnywhere(.get, "/console?after=99999").status == 400)
        }
    }
}
