import EmbeddedPostgres
import Foundation
import GatewayCore
import GatewayTesting
import Logging
import Postgres
import Synchronization

@testable import Ledger

/// A migrated database with one tenant, one team, one key in it, and a price.
struct LedgerFixture: Sendable {
    static let model = ModelReference(provider: "sim", model: "general")
    static let migrations = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("migrations").path

    let url: String
    let pool: PostgresPool
    let admin: AdminStore
    let tenant: TenantInfo
    let key: NewKey
    let caller: Caller
    let priceID: Int64

    /// What every fixture is a copy of: two dozen migrations take longer than most tests. It goes with its server.
    private static let migrated = Task { () throws -> ScratchDatabase in
        let database = try await ScratchDatabase.make(function: "migrated")
        let pool = try Self.pool(database.url, size: 1)
        try await Migrator(pool: pool, migrations: try Migration.load(directory: Self.migrations)).migrate()
        await pool.close()
        return database
    }

    /// Runs `body` against a fresh database, which is gone afterwards.
    static func with(
        limit: Int64? = 1000, timeZone: String = "UTC", poolSize: Int = 4, function: String = #function,
        _ body: (LedgerFixture) async throws -> Void
    ) async throws {
        let database = try await ScratchDatabase.make(function: function, template: try await migrated.value)
        do {
            let fixture = try await LedgerFixture(
                url: database.url, limit: limit, timeZone: timeZone, poolSize: poolSize)
            do {
                try await body(fixture)
            } catch {
                await fixture.pool.close(within: .seconds(1))
                throw error
            }
            await fixture.pool.close(within: .seconds(1))
        } catch {
            try await database.drop()
            throw error
        }
        try await database.drop()
    }

    init(url: String, limit: Int64?, timeZone: String = "UTC", poolSize: Int = 4) async throws {
        self.url = url
        pool = try Self.pool(url, size: poolSize)
        try await Migrator(pool: pool, migrations: try Migration.load(directory: Self.migrations)).migrate()
        let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
        admin = AdminStore(pool: pool, hasher: hasher, actor: "test")
        tenant = try await admin.createTenant(name: "acme", timeZone: timeZone)
        _ = try await admin.createTeam(name: "research", tenant: "acme")
        key = try await admin.createKey(KeyDraft(tenant: "acme", team: "research", name: "first"))
        if let limit {
            _ = try await admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(limit)))
        }
        let price = try await admin.setPrice(
            PriceDraft(
                model: Self.model, inputUSDPerMtok: "1", outputUSDPerMtok: "2",
                effectiveAt: Date(timeIntervalSince1970: 0)))
        priceID = price.price.id
        caller = Caller(
            tenant: Tenant(id: tenant.id, name: "acme", timeZone: timeZone, isSuspended: false), teamID: nil,
            keyID: key.info.id)
    }

    /// A partition is some files, and files are slow to make where a hundred tests make databases.
    static let patience = Duration.seconds(60)

    static func pool(_ url: String, size: Int = 4) throws -> PostgresPool {
        var configuration = try PostgresConfiguration(url: url)
        configuration.statementTimeout = Self.patience
        return PostgresPool(configuration: configuration, size: size, maxWaiting: 1000, logger: .quiet)
    }

    /// A gateway's ledger. Patient, as tests share a busy machine.
    func ledger(
        pool: PostgresPool? = nil, upkeep: PostgresPool? = nil, journal: SettlementJournal? = nil,
        now: (@Sendable () -> Date)? = nil,
        configure: (inout LedgerConfiguration) -> Void = { _ in }
    ) async throws -> PostgresLedger {
        var configuration = LedgerConfiguration(instance: "test")
        configuration.reserveTimeout = .seconds(20)
        configuration.settleTimeout = .seconds(20)
        configuration.now = now
        configure(&configuration)
        return await PostgresLedger.start(
            pools: LedgerPools(pool ?? self.pool, upkeep: upkeep),
            journal: try journal ?? SettlementJournal(directory: temporaryDirectory()),
            configuration: configuration, logger: .quiet)
    }

    func reservation(_ amount: Int64, id: HoldID = .fresh(), route: String? = nil) -> Reservation {
        Reservation(
            id: id, caller: caller, route: route, model: Self.model, priceID: priceID, amount: NanoUSD(amount))
    }

    /// One number out of the database.
    func number(_ sql: String) async throws -> Int64? {
        let statement = PostgresStatement(trusted: "select (\(sql))::bigint as n")
        // A server just started again: the pool finds out in its own time.
        for _ in 0..<1200 where await !isReachable { try await Task.sleep(for: .milliseconds(50)) }
        return try await pool.query(statement).rows.first?.getOptional("n")
    }

    private var isReachable: Bool {
        get async { (try? await pool.checkHealth()) != nil }
    }

    func run(_ sql: String) async throws { _ = try await pool.query(PostgresStatement(trusted: sql)) }

    /// What must hold whenever the database is at rest.
    func violations() async throws -> Int64? {
        try await number(
            """
            select (select count(*) from budget_periods where settled + held > lim)
              + (select count(*) from budget_periods p join budgets b on b.id = p.id / 100000000
                  where held <> case b.unit when 'usd' then
                    (select coalesce(sum(amount), 0) from holds h
                      where h.state in ('r', 'd') and p.id = any (h.periods))
                  else (select coalesce(sum(case b.unit when 'tokens' then h.tokens else 1 end), 0) from holds h
                    where h.state in ('r', 'd') and p.id = any (case b.unit when 'requests' then h.request_limits
                      when 'tokens' then h.token_limits else h.parallel_limits end)) end)
              + (select count(*) from budget_periods p join budgets b on b.id = p.id / 100000000
                  where b.unit = 'usd' and settled <> (select coalesce(sum(amount), 0)
                  from ledger_entries e where p.id = any (e.periods)))
              + (select count(*) from (select max(seq) - count(*) as gap from escalations group by tenant_id) x
                  where gap <> 0)
              + abs((select count(*) from escalations) - (select count(*) from ledger_entries))
              + abs((select count(*) from outbox where entry_id is not null)
                - (select count(*) from ledger_entries))
            """)
    }
}

extension HoldID {
    static func fresh(step: Int16 = 0) -> HoldID { HoldID(request: UUID(), step: step, attempt: 0) }
}

extension Logger {
    static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

extension Settlement {
    static func of(_ id: HoldID, _ amount: Int64) -> Settlement { of(id, .completed, amount) }

    static func of(_ id: HoldID, _ outcome: CallOutcome, _ amount: Int64) -> Settlement {
        Settlement(
            id: id, outcome: outcome, amount: NanoUSD(amount), usage: TokenUsage(input: 3, output: 2),
            providerRequestID: "req-1", escalation: EscalationRecord(kind: .direct, reason: "asked for"))
    }
}

extension ReservationOutcome {
    var isGranted: Bool { if case .granted = self { true } else { false } }
    var refusedBy: BudgetState? { if case .refused(let state) = self { state } else { nil } }
}

/// A path of its own; what is put there goes with the process.
func temporaryDirectory() -> String { TestFiles.path("ledger") }

/// A clock that a test sets.
final class SettableClock: Sendable {
    private let time: Mutex<Date>
    init(_ time: Date) { self.time = Mutex(time) }
    var now: Date {
        get { time.withLock { $0 } }
        set { time.withLock { $0 = newValue } }
    }
}

/// A moment written as ISO 8601.
func moment(_ text: String) -> Date { (try? Date(text, strategy: .iso8601)) ?? .distantPast }
