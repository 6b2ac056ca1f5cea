import EmbeddedPostgres
import Foundation
import GatewayCore
import GatewayTesting
import Ledger
import Logging
import Postgres
import Synchronization
import Testing

@testable import SimulatedProvider
@testable import gboost

/// March 2026 of a tenant in Berlin: clocks go forward on the 29th, both models get dearer on the 15th, a gateway dies
/// with calls under way, and finance enters what it enters.
@Suite("A month's statement, the ledger and the provider's bill are the same to the nano-dollar")
struct MonthTests {
    @Test("by every grouping: with a clock change, a new price, credits, corrections, and charges that are not known")
    func month() async throws {
        try await World.with { w in
            try await w.calls()
            // Before the bill comes: what is unreconciled is in the statement in full, and is said.
            try await w.expectEqual()
            let february = try await w.admin.closeStatement(tenant: "acme", month: "2026-02")
            #expect(february.closingNanoUSD == w.truth(.model, of: "2026-02").values.reduce(0, +))
            // The bill knows four of the five that were lost; one of them is of the month that is closed.
            let found = try await w.reconciled().found
            #expect(found.count == 4)
            for call in found { #expect(try await w.admin.resolve(call, source: "bill.jsonl")) }
            let after = try await w.reconciled()
            #expect(after.found.isEmpty && after.differing.count == 0 && after.missingHere.count == 0)
            #expect(after.missingThere.count == 1)
            w.resolve(found.map(\.call.request))
            try await w.expectEqual()
            try await w.rollUp()
            try await w.expectEqual()

            _ = try await w.admin.enter(.credit, NanoUSD(777), tenant: "acme", reason: "an outage", month: "2026-03")
            _ = try await w.admin.enter(.adjustment, NanoUSD(50), tenant: "acme", reason: "support", month: "2026-03")
            _ = try await w.admin.enter(
                .payment, NanoUSD(february.closingNanoUSD), tenant: "acme", reason: "paid", month: "2026-03")
            let march = try await w.admin.closeStatement(tenant: "acme", month: "2026-03")
            let correction = w.truth(.model, of: "2026-02").values.reduce(0, +) - february.spendNanoUSD
            #expect(correction < 0 && march.corrections.map(\.nanoUSD) == [correction])
            let spend = w.truth(.model).values.reduce(0, +)
            #expect(march.spendNanoUSD == spend)
            #expect(march.openingNanoUSD == february.closingNanoUSD)
            #expect(march.closingNanoUSD == correction + spend - 777 + 50)
            // Nothing is owed that is not on the bill, but for the one call that no bill has.
            let billed = try w.bill().calls.reduce(Int64(0)) { $0 + $1.nanoUSD }
            let april = w.truth(.model, of: "2026-04").values.reduce(0, +)
            #expect(february.spendNanoUSD + correction + spend + april == billed + march.unreconciledNanoUSD)
        }
    }

    @Test("a finished day that says anything but what the ledger says keeps its month from being closed")
    func falsified() async throws {
        try await World.with { w in
            try await w.calls()
            try await w.rollUp()
            try await w.pool.script(
                """
                set session_replication_role = replica;
                update rolled_spend set amount = amount + 1 where ctid = (select max(ctid) from rolled_spend
                  where first between '2026-03-02' and '2026-03-29')
                """)
            _ = try await w.admin.closeStatement(tenant: "acme", month: "2026-02")
            let error = await #expect(throws: LedgerError.self) {
                try await w.admin.closeStatement(tenant: "acme", month: "2026-03")
            }
            #expect(error?.description.contains("finished days of 2026-03") == true)
        }
    }
}

/// The tenant, its provider, and what was called for whom.
private final class World: Sendable {
    /// A call as the test planned it: whose, when, and where its line is on the bill.
    struct Call: Sendable {
        var request: UUID
        var team: String
        var key: Int64
        var model: String
        var route: String?
        var at: Date
        /// Nil: the provider did not charge it.
        var line: Int?
        /// What the ledger has while the charge is not known.
        var held: Int64?
    }

    static let changes = Date(timeIntervalSince1970: 1_773_570_600)  // 2026-03-15 10:30 UTC
    private static let migrations = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "migrations").path()

    let pool: PostgresPool
    let admin: AdminStore
    private let tenant: Tenant
    private let callers: [(caller: Caller, team: String)]
    private let prices: [(price: ModelPrice, from: Date)]
    private let file: URL
    private let provider: SimulatedBill
    private let plan = Mutex<[Call]>([])
    private let clock = Mutex(Date())

    static func with(function: String = #function, _ body: (World) async throws -> Void) async throws {
        let database = try await ScratchDatabase.make(function: function)
        do {
            let world = try await World(database.url)
            do { try await body(world) } catch {
                await world.pool.close(within: .seconds(1))
                throw error
            }
            await world.pool.close(within: .seconds(1))
        } catch {
            try await database.drop()
            throw error
        }
        try await database.drop()
    }

    private init(_ url: String) async throws {
        pool = PostgresPool(
            configuration: try PostgresConfiguration(url: url), size: 4, maxWaiting: 100, logger: Self.quiet)
        try await Migrator(pool: pool, migrations: try Migration.load(directory: Self.migrations)).migrate()
        admin = AdminStore(pool: pool, hasher: try KeyHasher(pepper: Array("a pepper for tests".utf8)), actor: "test")
        let info = try await admin.createTenant(name: "acme", timeZone: "Europe/Berlin")
        tenant = Tenant(id: info.id, name: "acme", timeZone: info.timeZone, isSuspended: false)
        _ = try await admin.setBudget(BudgetDraft(tenant: "acme", limit: NanoUSD(1_000_000_000_000)))
        var callers: [(Caller, String)] = []
        for (team, name) in [("research", "a"), ("research", "b"), ("sales", "c"), (nil, "d")] {
            var id: Int64?
            if let team {
                id = try await admin.teams(tenant: "acme").first { $0.name == team }?.id
                if id == nil { id = try await admin.createTeam(name: team, tenant: "acme").id }
            }
            let key = try await admin.createKey(KeyDraft(tenant: "acme", team: team, name: name))
            callers.append((Caller(tenant: tenant, teamID: id, keyID: key.info.id), team ?? "(no team)"))
        }
        self.callers = callers
        var prices: [(ModelPrice, Date)] = []
        for (model, input, output) in [("large", "10", "30"), ("small", "0.15", "0.6")] {
            for (date, isNew) in [(Date(timeIntervalSince1970: 0), false), (Self.changes, true)] {
                let price = try await admin.setPrice(
                    PriceDraft(
                        model: ModelReference(provider: "sim", model: model),
                        inputUSDPerMtok: isNew ? "\(input)3" : input,
                        outputUSDPerMtok: isNew ? "\(output)7" : output, effectiveAt: date))
                prices.append((price.price, date))
            }
        }
        self.prices = prices
        file = FileManager.default.temporaryDirectory.appending(path: "gboost-bill-\(UUID()).jsonl")
        provider = try SimulatedBill(file: file)
    }

    deinit { try? FileManager.default.removeItem(at: file) }

    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func ledger() async throws -> PostgresLedger {
        var configuration = LedgerConfiguration(instance: "test")
        configuration.reserveTimeout = .seconds(20)
        configuration.settleTimeout = .seconds(20)
        configuration.now = { [self] in clock.withLock { $0 } }
        let journal = try SettlementJournal(directory: TestFiles.path("month"))
        return await PostgresLedger.start(
            pools: LedgerPools(pool), journal: journal, configuration: configuration, logger: Self.quiet)
    }

    // MARK: - What happens

    private static func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    /// Eighty calls over the month, and on each of its edges; five more while the gateway dies.
    func calls() async throws {
        let ledger = try await ledger()
        var random = SplitMix64(seed: 3)
        let first = try Self.date("2026-02-28T23:00:00Z")
        var moments = try [
            "2026-02-20T12:00:00Z", "2026-02-28T22:59:59Z", "2026-02-28T23:00:00Z", "2026-03-15T10:29:59Z",
            "2026-03-15T10:30:00Z", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-28T23:00:00Z",
            "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z", "2026-03-31T21:59:59Z", "2026-03-31T22:00:00Z",
        ].map { try Self.date($0) }
        for _ in 0..<68 { moments.append(first + Double.random(in: 0..<(30.9 * 86_400), using: &random)) }
        for (number, moment) in moments.enumerated() {
            try await call(ledger, at: moment, isCharged: number % 9 != 8, random: &random)
        }
        let doomed = try await self.ledger()
        let lost = ["2026-02-25T10:00:00Z", "2026-03-10T10:00:00Z", "2026-03-20T10:00:00Z", "2026-03-29T02:30:00Z"]
        for moment in lost { try await call(doomed, at: try Self.date(moment), isLost: true, random: &random) }
        try await call(
            doomed, at: try Self.date("2026-03-21T10:00:00Z"), isCharged: false, isLost: true, random: &random)
        try await pool.script(
            "update gateways set heartbeat_at = now() - interval '2 min' where incarnation = '\(doomed.incarnation)'")
        #expect(await ledger.recover()?.unreconciled.count == 5)
    }

    private func call(
        _ ledger: PostgresLedger, at moment: Date, isCharged: Bool = true, isLost: Bool = false,
        random: inout SplitMix64
    ) async throws {
        clock.withLock { $0 = moment }
        let (caller, team) = callers[Int.random(in: 0..<callers.count, using: &random)]
        let model = Bool.random(using: &random) ? "large" : "small"
        let route = [nil, "math", "code"][Int.random(in: 0..<3, using: &random)]
        let usage = TokenUsage(
            input: Int64.random(in: 1...5000, using: &random), output: Int64.random(in: 1...2000, using: &random))
        let price = try #require(prices.last { $0.price.model.model == model && $0.from <= moment }).price
        let held = try #require(price.upperBound(inputTokens: 5000, maxOutputTokens: 2000))
        let id = HoldID(request: RequestID.make(milliseconds: 1_773_000_000_000, using: &random), step: 0, attempt: 0)
        let reservation = Reservation(
            id: id, caller: caller, route: route, model: price.model, priceID: price.id, amount: held)
        guard case .granted = try await ledger.reserve(reservation) else { throw CommandFailure("a call was refused") }
        let line = isCharged ? try await charge(id, model, usage, at: moment) : nil
        if !isLost {
            await ledger.settle(
                Settlement(
                    id: id, outcome: isCharged ? .completed : .failed,
                    amount: isCharged ? try #require(price.charge(usage)) : .zero, usage: isCharged ? usage : nil,
                    providerRequestID: line.map { "sim-\($0)" },
                    escalation: EscalationRecord(kind: route == nil ? .direct : .step, reason: "a test")))
        }
        plan.withLock {
            $0.append(
                Call(
                    request: id.request, team: team, key: caller.keyID, model: "sim/\(model)", route: route,
                    at: moment, line: line, held: isLost ? held.rawValue : nil))
        }
    }

    /// The provider's side: by its own list of prices and its own arithmetic.
    private func charge(_ id: HoldID, _ model: String, _ usage: TokenUsage, at moment: Date) async throws -> Int {
        let isNew = moment >= Self.changes
        let rates: (Int64, Int64) =
            model == "large"
            ? (isNew ? (103_000_000, 307_000_000) : (10_000_000, 30_000_000))
            : (isNew ? (153_000, 670_000) : (150_000, 600_000))
        let sold = SimulatedModel(
            name: model, inputPicoPerToken: rates.0, outputPicoPerToken: rates.1, accuracy: 1)
        let amount = try #require(sold.nanoUSD(inputTokens: Int(usage.input), outputTokens: Int(usage.output)))
        let number = provider.nextCall()
        try await provider.charge(
            SimulatedBill.Line(
                requestID: id.request.uuidString.lowercased(), call: number, model: model,
                inputTokens: Int(usage.input), outputTokens: Int(usage.output), nanoUSD: amount, finished: true))
        return number
    }

    /// As if the month's calls had been posted when they were made; gateways then roll its days up.
    func rollUp() async throws {
        try await pool.script(
            """
            set session_replication_role = replica;
            update ledger_entries set at = taken_at + interval '1 second' where kind <> 'adjustment' and amount % 3 > 0
            """)
        while try await admin.rollDays(atMost: 50) > 0 {}
        let rows = try await pool.query("select count(*) as n from rolled_spend").rows
        #expect(try rows[0].get("n", as: Int64.self) > 20)
    }

    // MARK: - What is compared

    func bill() throws -> ProviderBill { try ProviderBill(try Data(contentsOf: file)) }

    func reconciled() async throws -> Reconciliation {
        let span = try Self.date("2026-02-01T00:00:00Z")..<(try Self.date("2026-05-01T00:00:00Z"))
        return Reconciliation.of(bill: try bill().calls, ledger: try await admin.calls(ofProvider: "sim", in: span))
    }

    /// The charges of these calls are known now.
    func resolve(_ requests: [UUID]) {
        plan.withLock { plan in
            for index in plan.indices where requests.contains(plan[index].request) { plan[index].held = nil }
        }
    }

    /// A month by a grouping, out of the plan and the bill alone; days by Foundation's calendar.
    func truth(_ grouping: SpendGrouping, of month: String = "2026-03") -> [String: Int64] {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(identifier: "Europe/Berlin") ?? .gmt
        let lines = (try? bill().calls) ?? []
        let amounts = Dictionary(uniqueKeysWithValues: lines.map { ($0.providerRequest, $0.nanoUSD) })
        var sums: [String: Int64] = [:]
        for call in plan.withLock({ $0 }) {
            let parts = calendar.dateComponents([.year, .month, .day], from: call.at)
            let day = String(format: "%04d-%02d-%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
            guard day.hasPrefix(month) else { continue }
            let name =
                switch grouping {
                case .team: call.team
                case .key: "key:\(call.key)"
                case .model: call.model
                case .route: call.route ?? "(direct)"
                case .day: day
                }
            sums[name, default: 0] += call.held ?? call.line.flatMap { amounts["sim-\($0)"] } ?? 0
        }
        return sums
    }

    /// Statement, report and FOCUS of March by every grouping, and the ledger as a whole.
    func expectEqual(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let statement = try await admin.statement(tenant: "acme", month: "2026-03")
        let unknown = plan.withLock { $0 }.filter { $0.held != nil && $0.at >= Self.changes - 86_400 * 14 }
        #expect(
            statement.unreconciledNanoUSD == unknown.reduce(0) { $0 + ($1.held ?? 0) }, sourceLocation: sourceLocation)
        for grouping in SpendGrouping.allCases {
            let truth = truth(grouping)
            let lines = (statement.breakdown[grouping.rawValue] ?? []).map { ($0.name, $0.nanoUSD) }
            #expect(Dictionary(uniqueKeysWithValues: lines) == truth, "\(grouping)", sourceLocation: sourceLocation)
            let report = try await admin.spend(tenant: "acme", month: "2026-03", by: grouping)
            #expect(
                Dictionary(uniqueKeysWithValues: report.rows.map { ($0.name, $0.nanoUSD) }) == truth, "\(grouping)",
                sourceLocation: sourceLocation)
        }
        let calls = plan.withLock { $0 }.count { truth(.day).keys.contains(Self.day($0.at)) }
        #expect(
            (statement.breakdown["model"] ?? []).reduce(0) { $0 + $1.calls } == calls, sourceLocation: sourceLocation)
        let focus = try await admin.focus(tenant: "acme", month: "2026-03")
        // What was found of a closed month is on this one's bill, as the statement's corrections.
        let own = focus.filter { $0.charge.lowerBound >= $0.billing.lowerBound }
        let byTeam = Dictionary(own.map { ($0.team ?? "(no team)", $0.nanoUSD) }, uniquingKeysWith: +)
        #expect(byTeam == truth(.team), sourceLocation: sourceLocation)
        #expect(
            focus.reduce(0) { $0 + $1.nanoUSD } - own.reduce(0) { $0 + $1.nanoUSD }
                == statement.corrections.reduce(0) { $0 + $1.nanoUSD }, sourceLocation: sourceLocation)
        let rows = try await pool.query(
            """
            select sum(amount)::bigint as n from ledger_entries where tenant_id = \(tenant.id)
              and taken_at >= '2026-02-28 23:00Z' and taken_at < '2026-03-31 22:00Z'
            """
        ).rows
        #expect(try rows[0].get("n", as: Int64.self) == statement.spendNanoUSD, sourceLocation: sourceLocation)
    }

    private static func day(_ date: Date) -> String {
        var style = Date.ISO8601FormatStyle().year().month().day()
        style.timeZone = TimeZone(identifier: "Europe/Berlin") ?? .gmt
        return date.formatted(style)
    }
}
