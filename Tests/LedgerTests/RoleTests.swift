import Foundation
import GatewayCore
import Logging
import Postgres
import Testing

@testable import Ledger

/// What the database lets each role do, whatever the program asks of it.
@Suite("Roles: what gateways may not do, the database refuses")
struct RoleTests {
    /// What gateways and commands write. Anything else is refused, tables to come included.
    private static let rights: [String: Set<String>] = {
        var rights: [String: Set<String>] = [:]
        for table in [
            "tenants", "teams", "api_keys", "models", "routes", "budgets", "budget_overrides", "budget_periods",
            "local_limits", "catalog_version", "gateways", "holds", "escalation_counters", "outbox", "retention",
            "refusal_counters",
        ] { rights[table] = ["insert", "update"] }
        for table in ["models", "routes", "retention"] { rights[table]?.insert("delete") }
        for table in ["router_outcomes", "refusal_inbox"] { rights[table] = ["insert", "delete"] }
        for table in [
            "destinations", "deliveries", "usage_cursors", "outbox_marks", "router_states", "moved_periods",
        ] {
            rights[table] = ["insert", "update", "delete"]
        }
        for table in [
            "prices", "price_tiers", "events", "ledger_entries", "escalations", "requests", "audit_blocks",
            "audit_checkpoints", "audit_events", "statement_entries", "statements", "statement_corrections",
            "slm_charges", "refusals", "escalation_texts", "key_pepper",
        ] {
            rights[table] = ["insert"]
        }
        return rights
    }()

    private static func tables(_ f: LedgerFixture) async throws -> [(name: String, column: String, isPart: Bool)] {
        let rows = try await f.pool.query(
            """
            select c.relname::text as name, c.relispartition as is_part,
                   (select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                       and a.attidentity = '' and not a.attisdropped order by a.attnum limit 1) as col
              from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            """
        ).rows
        return try rows.map { (try $0.get("name"), try $0.get("col"), try $0.get("is_part")) }
    }

    @Test("every table and every verb that is not gboost_app's is refused with 42501, partitions by name too")
    func app() async throws {
        try await LedgerFixture.with { f in
            try await Self.withRole(DatabaseRole.app, f) { app in
                let tables = try await Self.tables(f)
                #expect(
                    tables.count >= 25 && Self.rights.keys.allSatisfy { name in tables.contains { $0.name == name } })
                for (table, column, _) in tables {
                    let verbs = [
                        "insert": "insert into \(table) select * from \(table) where false",
                        "update": "update \(table) set \(column) = \(column) where false",
                        "delete": "delete from \(table) where false", "truncate": "truncate \(table)",
                        "alter": "alter table \(table) disable trigger user", "drop": "drop table \(table)",
                    ]
                    for (verb, sql) in verbs where !(Self.rights[table]?.contains(verb) ?? false) {
                        #expect(await Self.state(app, sql) == "42501", "\(sql)")
                    }
                }
                #expect(await Self.state(app, "create table mine (x int)") == "42501")
                #expect(
                    await Self.state(
                        app,
                        "create or replace function gboost_append_only() returns trigger "
                            + "language plpgsql as $$ begin return new; end $$") == "42501")
            }
        }
    }

    @Test(
        "the second lock: a superuser meets the triggers",
        arguments: [
            "ledger_entries", "escalations", "escalations_default", "prices", "price_tiers", "events", "audit_blocks",
            "audit_checkpoints",
        ])
    func superuser(table: String) async throws {
        try await LedgerFixture.with { f in
            try await Self.fill(f)
            let columns = ["prices": "effective_at", "price_tiers": "input_pico", "audit_blocks": "sealed_at"]
            let column = columns[table] ?? "at"
            // Row triggers meet rows only; this partition has none.
            let verbs =
                table == "escalations_default"
                ? ["truncate \(table)"]
                : ["update \(table) set \(column) = \(column)", "delete from \(table)", "truncate \(table) cascade"]
            for sql in verbs { #expect(await Self.state(f.pool, sql) == "GB001", "\(sql)") }
        }
    }

    @Test("a month's partition that is named directly keeps its rows, too")
    func partition() async throws {
        try await LedgerFixture.with { f in
            try await Self.fill(f)
            let name = "escalations_" + Self.month(Date())
            for sql in ["update \(name) set at = at", "delete from \(name)", "truncate \(name)"] {
                #expect(await Self.state(f.pool, sql) == "GB001", "\(sql)")
            }
        }
    }

    @Test("a tenant's role sees the rows of its own tenant, and without a tenant none, in every table that has any")
    func tenant() async throws {
        try await LedgerFixture.with { f in
            try await Self.fill(f)
            try await Self.fillOther(f)
            let owned = try await Self.tables(f).map(\.name).filter { $0 != "schema_migrations" }
            try await Self.withRole(DatabaseRole.tenant, f) { reader in
                var seen: Set<String> = []
                for table in owned {
                    let condition = try await Self.ownership(table, f)
                    guard let condition else { continue }
                    // api_keys has a column that is nobody's.
                    let count = "select count(id) from \(table)"
                    let sql = table == "api_keys" ? count : "select count(*) from \(table)"
                    #expect(try await Self.count(reader, sql, tenant: nil) == 0, "\(table) without a tenant")
                    let mine = try await Self.count(reader, sql, tenant: f.tenant.id)
                    let all = try await f.number("select count(*) from \(table)") ?? 0
                    let own = try await f.number("select count(*) from \(table) where \(condition)") ?? 0
                    #expect(mine == own, "\(table)")
                    if own > 0, all > own { seen.insert(table) }
                }
                // Where both tenants have rows, so that a policy that lets all through would be noticed.
                let expected: Set<String> = [
                    "tenants", "teams", "api_keys", "budgets", "budget_periods", "holds", "ledger_entries",
                    "escalations", "escalation_counters", "outbox", "events", "requests", "refusal_inbox",
                ]
                #expect(seen.isSuperset(of: expected), "\(expected.subtracting(seen))")
                #expect(await Self.state(reader, "select hash from api_keys") == "42501")
                #expect(
                    await Self.state(reader, "insert into events (actor, action, subject) values ('', '', '')")
                        == "42501")
                #expect(await Self.state(reader, "select * from requests_\(Self.month(Date()))") == "42501")
                for function in ["gboost_expire()", "gboost_expire_holds()", "gboost_expire_texts()"] {
                    #expect(await Self.state(reader, "select \(function)") == "42501", "\(function)")
                }
            }
        }
    }

    @Test(
        "a login role that is a member works; one that is not is told what to grant, and a reset session keeps the role"
    )
    func membership() async throws {
        try await LedgerFixture.with { f in
            let login = "l" + UUID().uuidString.lowercased().filter { $0 != "-" }
            try await f.run("create role \(login) login")
            let url = f.url.replacing("://gboost@", with: "://\(login)@")
            #expect(url != f.url)
            do {
                let refused = try Self.pool(url, DatabaseRole.app)
                let error = await #expect(throws: PostgresError.self) { try await refused.checkHealth() }
                #expect(error?.code == .connection && error?.sqlState == "42501")
                #expect(error?.message.contains("grant gboost_app to") == true)
                await refused.close()
                try await f.run("grant gboost_app to \(login)")
                let member = try Self.pool(url, DatabaseRole.app)
                let ledger = try await f.ledger(pool: member)
                let call = f.reservation(10)
                #expect(try await ledger.reserve(call).isGranted)
                await ledger.settle(.of(call.id, 4))
                _ = try await member.withConnection { try await $0.query("select 1") }
                for _ in 0..<8 {
                    let row = try await member.query("select current_user::text as name").rows[0]
                    #expect(try row.get("name", as: String.self) == DatabaseRole.app)
                }
                await member.close()
                #expect(try await f.number("select amount from ledger_entries") == 4)
            } catch {
                try await f.run("drop role \(login)")
                throw error
            }
            try await f.run("drop role \(login)")
        }
    }

    // MARK: -

    static func pool(_ url: String, _ role: String) throws -> PostgresPool {
        var configuration = try PostgresConfiguration(url: url)
        configuration.role = role
        return PostgresPool(configuration: configuration, size: 2, maxWaiting: 100, logger: .quiet)
    }

    static func withRole(_ role: String, _ f: LedgerFixture, _ body: (PostgresPool) async throws -> Void) async throws {
        let pool = try pool(f.url, role)
        do { try await body(pool) } catch {
            await pool.close()
            throw error
        }
        await pool.close()
    }

    /// The SQLSTATE that a statement is refused with; nil: it is not.
    static func state(_ pool: PostgresPool, _ sql: String) async -> String? {
        do throws(PostgresError) {
            _ = try await pool.query(PostgresStatement(trusted: sql))
            return nil
        } catch { return error.sqlState ?? error.code.rawValue }
    }

    private static func count(_ pool: PostgresPool, _ sql: String, tenant: Int64?) async throws -> Int64 {
        try await pool.transaction { transaction in
            if let tenant {
                _ = try await transaction.query("select set_config('gboost.tenant', \(String(tenant)), true)")
            }
            let statement = PostgresStatement(trusted: "select (\(sql))::bigint as n")
            return try await transaction.query(statement).rows[0].get("n")
        }
    }

    /// Which rows of a table are the fixture's tenant's; nil: they are nobody's.
    private static func ownership(_ table: String, _ f: LedgerFixture) async throws -> String? {
        switch table {
        case "tenants": return "id = \(f.tenant.id)"
        case "budget_overrides": return "budget_id in (select id from budgets where tenant_id = \(f.tenant.id))"
        case "budget_periods":
            return "id / 100000000 in (select id from budgets where tenant_id = \(f.tenant.id))"
        default: break
        }
        let has = try await f.number(
            "select count(*) from pg_attribute where attrelid = '\(table)'::regclass and attname = 'tenant_id'")
        let isPart = try await f.number(
            "select count(*) from pg_class where oid = '\(table)'::regclass and relispartition")
        return has == 1 && isPart == 0 ? "tenant_id = \(f.tenant.id)" : nil
    }

    /// One call of everything for the fixture's tenant.
    private static func fill(_ f: LedgerFixture) async throws {
        let ledger = try await f.ledger()
        let call = f.reservation(10)
        #expect(try await ledger.reserve(call).isGranted)
        await ledger.settle(.of(call.id, 4))
        #expect(try await ledger.reserve(f.reservation(10)).isGranted)
        await ledger.record(request(f.tenant.id, f.key.info.id))
        var tiered = try PriceDraft(
            model: ModelReference(provider: "sim", model: "tiered"), inputUSDPerMtok: "1", outputUSDPerMtok: "1")
        tiered.price.tiers = [PriceTier(aboveInputTokens: 1, rates: tiered.price.rates)]
        _ = try await f.admin.setPrice(tiered)
    }

    /// The same for another tenant.
    private static func fillOther(_ f: LedgerFixture) async throws {
        let other = try await f.admin.createTenant(name: "other", timeZone: "UTC")
        _ = try await f.admin.createTeam(name: "theirs", tenant: "other")
        let key = try await f.admin.createKey(KeyDraft(tenant: "other", team: "theirs", name: "k"))
        _ = try await f.admin.setBudget(BudgetDraft(tenant: "other", limit: NanoUSD(1000)))
        let ledger = try await f.ledger()
        let tenant = Tenant(id: other.id, name: "other", timeZone: "UTC", isSuspended: false)
        let call = Reservation(
            id: .fresh(), caller: Caller(tenant: tenant, teamID: nil, keyID: key.info.id), route: nil,
            model: LedgerFixture.model, priceID: f.priceID, amount: NanoUSD(10))
        #expect(try await ledger.reserve(call).isGranted)
        await ledger.settle(.of(call.id, 4))
        await ledger.record(request(other.id, key.info.id))
    }

    private static func request(_ tenant: Int64, _ key: Int64) -> RequestRecord {
        var record = RequestRecord(
            id: UUID(), tenantID: tenant, teamID: nil, keyID: key, model: "m", route: nil, servedBy: .llm, status: 200,
            steps: 1, escalations: 0, degraded: nil, slmInputTokens: 0, slmOutputTokens: 0, costNanoUSD: 4,
            startedAt: Date(), milliseconds: 1)
        record.refused = [
            RefusedCall(
                step: 0, at: Date(), model: LedgerFixture.model, reason: .budget,
                escalation: EscalationRecord(kind: .direct, reason: "asked for"))
        ]
        return record
    }

    /// "202611": what a partition's name ends in.
    static func month(_ date: Date) -> String {
        let parts = Calendar.utc.dateComponents([.year, .month], from: date)
        let month = parts.month ?? 0
        return "\(parts.year ?? 0)\(month < 10 ? "0" : "")\(month)"
    }
}

extension Calendar {
    static let utc: Calendar = {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        return calendar
    }()
}
