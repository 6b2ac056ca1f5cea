internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Logging
internal import Postgres

/// A migrated database with tenants whose calls count on three budgets each: the tenant's, a team's and a key's.
struct BenchWorld: Sendable {
    static let tenants = 100
    static let model = ModelReference(provider: "sim", model: "general")
    private static let limit = NanoUSD(1_000_000_000_000_000)

    let admin: AdminStore
    let pool: PostgresPool
    let callers: [Caller]
    /// A tenant with one budget, for everybody at once.
    let hot: Caller
    let priceID: Int64
    private let url: String

    init(_ options: DatabaseOptions) async throws {
        url = options.url
        // Millions of rows are loaded by one statement.
        pool = try Self.pool(url, size: 4, patience: .seconds(3600))
        try await Migrator(pool: pool, migrations: try Migration.load(directory: options.migrations)).migrate()
        admin = AdminStore(
            pool: pool, hasher: try KeyHasher(pepper: Array("a pepper for benchmarks".utf8)), actor: "bench")
        let known = try await admin.tenants()
        if known.isEmpty { try await Self.fill(admin) }
        var callers: [Caller] = []
        for tenant in try await admin.tenants() {
            guard let key = try await admin.keys(tenant: tenant.name).first else { continue }
            callers.append(
                Caller(
                    tenant: Tenant(id: tenant.id, name: tenant.name, timeZone: "UTC", isSuspended: false), teamID: nil,
                    keyID: key.id))
        }
        guard let hot = callers.first(where: { $0.tenant.name == "hot" }),
            let price = try await admin.prices(model: Self.model).first
        else { throw BenchError(description: "the database is not one of this program's") }
        self.hot = hot
        self.callers = callers.filter { $0.tenant.name != "hot" }
        priceID = price.price.id
    }

    private static func fill(_ admin: AdminStore) async throws {
        _ = try await admin.setPrice(
            PriceDraft(
                model: model, inputUSDPerMtok: "1", outputUSDPerMtok: "2", effectiveAt: Date(timeIntervalSince1970: 0)))
        _ = try await admin.createTenant(name: "hot", timeZone: "UTC")
        _ = try await admin.createKey(KeyDraft(tenant: "hot"))
        _ = try await admin.setBudget(BudgetDraft(tenant: "hot", limit: limit))
        for number in 0..<tenants {
            let name = "tenant-\(number)"
            _ = try await admin.createTenant(name: name, timeZone: "UTC")
            _ = try await admin.createTeam(name: "team", tenant: name)
            let key = try await admin.createKey(KeyDraft(tenant: name, team: "team"))
            _ = try await admin.setBudget(BudgetDraft(tenant: name, limit: limit))
            _ = try await admin.setBudget(BudgetDraft(tenant: name, scope: .team("team"), limit: limit))
            _ = try await admin.setBudget(
                BudgetDraft(tenant: name, scope: .key(key.info.id), window: .day, limit: limit))
        }
    }

    static func pool(_ url: String, size: Int, patience: Duration = .seconds(10)) throws -> PostgresPool {
        var configuration = try PostgresConfiguration(url: url)
        configuration.statementTimeout = patience
        return PostgresPool(configuration: configuration, size: size, maxWaiting: 4096, logger: .silent)
    }

    /// A gateway's ledger with connections of its own, as `gboost serve` makes it.
    /// - Parameter directory: its journal's; nil: one that nobody else has.
    func ledger(lanes: Int, journal directory: String? = nil) async throws -> PostgresLedger {
        var configuration = LedgerConfiguration(instance: "bench")
        configuration.lanes = lanes
        configuration.reserveTimeout = .seconds(10)
        let own = FileManager.default.temporaryDirectory.appendingPathComponent("ledger-bench-\(UUID())").path
        return await PostgresLedger.start(
            pools: LedgerPools(pool, lanes: try Self.pool(url, size: lanes)),
            journal: try SettlementJournal(directory: directory ?? own), configuration: configuration, logger: .silent)
    }

    /// The audit over a connection of its own, as `gboost serve` makes it.
    func sealingStore() throws -> AuditStore { AuditStore(pool: try Self.pool(url, size: 1)) }

    func reservation(_ caller: Caller, amount: Int64) -> Reservation {
        var random = SystemRandomNumberGenerator()
        let request = RequestID.make(milliseconds: UInt64(Date().timeIntervalSince1970 * 1000), using: &random)
        return Reservation(
            id: HoldID(request: request, step: 0, attempt: 0), caller: caller, route: "route", model: Self.model,
            priceID: priceID, amount: NanoUSD(amount), tokens: 700)
    }

    static func settlement(_ call: Reservation) -> Settlement {
        Settlement(
            id: call.id, outcome: .completed, amount: NanoUSD(call.amount.rawValue / 2),
            usage: TokenUsage(input: 500, output: 200), providerRequestID: "req_0123456789",
            escalation: EscalationRecord(
                kind: .step, rewardRaw: 0.31, rewardCalibrated: 0.28, shadowPrice: 1.25, reason: "the step is weak"))
    }
}

/// What ends a benchmark early.
struct BenchError: Error, CustomStringConvertible { var description: String }

extension Logger {
    static var silent: Logger { Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() } }
}
