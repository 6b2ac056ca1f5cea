internal import Foundation
internal import GatewayCore
internal import Ledger

/// What a tenant's page is made of, as it was read.
struct TenantRecords: Sendable {
    var tenant: TenantInfo
    /// The current month against its budget; nil: the tenant is deleted.
    var current: TenantMonth?
    var spend: SpendBreakdown
    /// One more than are shown where there are more of them; so it is with limits and keys.
    var budgets: [BudgetInfo]
    var limits: [LimitInfo]
    /// The latest first.
    var keys: [KeyInfo]
    /// Of the keys that the spend is shown of, by number.
    var keyNames: [Int64: String]
    var routes: [RouteRecord]
    /// What their routers have learned, as it is stored, by the route's name.
    var routerStates: [String: String]
    var models: [(record: ModelRecord, place: ModelPlace)]
    var statements: [StatementSummary]
}

/// Where in a tenant's lists a page begins.
struct TenantPlace: Sendable, Hashable {
    /// The number of the last budget before; 0: none is.
    var budgetsAfter: Int64 = 0
    /// How many limits are before.
    var limitsSkipped: Int64 = 0
    /// The number of the last key before; nil: none is.
    var keysBefore: Int64?

    init() {}

    init(_ fields: inout AdminFields) throws {
        budgetsAfter = try fields.count("budgets_after") ?? 0
        limitsSkipped = try fields.count("limits_after") ?? 0
        keysBefore = try fields.count("keys_before", from: 1)
    }
}

/// One tenant: what it may spend and has spent, and what it has.
struct TenantPage: Sendable {
    /// Budgets, limits and keys of one page, each.
    static let pageSize = 200

    /// From a part of a list to others.
    struct Paging: Sendable {
        /// Nil: this is the first part.
        let first: String?
        /// Nil: this is the last part.
        let next: String?

        /// - Parameters:
        ///   - next: what the query has to say; nil: there is no more.
        ///   - month: whose spend is shown, and shown further on.
        ///   - list: the name of its place in the page.
        init(isFirst: Bool, next: String?, month: String, list: String) {
            first = isFirst ? nil : "?month=\(month)#\(list)"
            self.next = next.map { "?month=\(month)&\($0)#\(list)" }
        }
    }

    /// The current month against its budget.
    struct Month: Sendable {
        /// "2026-11": whatever month's spend is shown below.
        let current: String
        let bar: ConsoleBar
        let limit: ConsoleAmount
        let settled: ConsoleAmount
        let held: ConsoleAmount
        let left: ConsoleAmount
        let pace: String
        let level: String
        let shares: String
        let forecast: ConsoleAmount
        let runsOut: ConsoleInstant?
    }

    struct Statement: Sendable {
        let month: String
        let href: String
        let closedAt: ConsoleInstant
        let closedBy: String
        let closing: ConsoleAmount
        let sha256: String
        let shortSHA256: String
    }

    let name: String
    let href: String
    let zone: String
    let created: ConsoleInstant
    let suspended: ConsoleInstant?
    let deleted: ConsoleInstant?
    let capture: String
    let cache: String
    let showsEvents: Bool
    let eventsHref: String
    let month: Month?
    let spend: SpendSection
    let previousMonth: String
    /// Nil: the month shown is the current one.
    let nextMonth: String?
    let budgets: [BudgetRow]
    let budgetPaging: Paging
    let limits: [LimitRow]
    let limitPaging: Paging
    let keys: [KeyRow]
    let keyPaging: Paging
    let routes: [RouteRow]
    let models: [ModelRow]
    let statements: [Statement]
    /// The statement of the month shown, as it stands or was closed.
    let statementHref: String

    init(_ records: TenantRecords, place: TenantPlace = TenantPlace(), showsEvents: Bool, now: Date) {
        let tenant = records.tenant
        let zone = ConsoleZone(tenant.timeZone)
        name = tenant.name
        href = ConsoleLink.tenant(tenant.reference)
        self.zone = tenant.timeZone
        created = ConsoleInstant(tenant.createdAt, zone)
        suspended = tenant.suspendedAt.map { ConsoleInstant($0, zone) }
        deleted = tenant.deletedAt.map { ConsoleInstant($0, zone) }
        capture = tenant.captureDays.map { "\($0) days, encrypted" } ?? "not kept"
        cache = tenant.cacheSeconds.map { "\($0) seconds" } ?? "off"
        self.showsEvents = showsEvents
        eventsHref = "\(ConsoleLink.root)/events?tenant=\(ConsoleLink.segment(tenant.reference))"
        month = records.current.flatMap { Month($0, zone, now: now) }
        let keyNames = records.keyNames.map { ("key:\($0.key)", "key:\($0.key) · \($0.value)") }
        spend = SpendSection(records.spend, keyNames: Dictionary(keyNames) { first, _ in first })
        let shown = records.spend.month
        previousMonth = Self.month(shown, adding: -1)
        nextMonth = shown < zone.month(now) ? Self.month(shown, adding: 1) : nil
        budgets = records.budgets.prefix(Self.pageSize).map { BudgetRow($0, zone) }
        budgetPaging = Paging(
            isFirst: place.budgetsAfter == 0,
            next: Self.last(records.budgets).map { "budgets_after=\($0.id)" }, month: shown, list: "budgets")
        limits = records.limits.prefix(Self.pageSize).map { LimitRow($0, zone) }
        limitPaging = Paging(
            isFirst: place.limitsSkipped == 0,
            next: Self.last(records.limits).map { _ in "limits_after=\(place.limitsSkipped &+ Int64(Self.pageSize))" },
            month: shown, list: "limits")
        // The latest are what somebody looks for where there are very many.
        keys = records.keys.prefix(Self.pageSize).map { KeyRow($0, zone, now: now) }
        keyPaging = Paging(
            isFirst: place.keysBefore == nil, next: Self.last(records.keys).map { "keys_before=\($0.id)" },
            month: shown, list: "keys")
        routes = records.routes.map { RouteRow($0, state: records.routerStates[$0.name]) }
        models = records.models.map { ModelRow($0.record, $0.place) }
        statements = records.statements.map { Statement($0, tenant: tenant.reference, zone) }
        statementHref = ConsoleLink.tenant(tenant.reference, "/statements/\(shown)")
    }

    /// The last one that is shown, where there are more.
    private static func last<Element>(_ all: [Element]) -> Element? {
        all.count > pageSize ? all[pageSize - 1] : nil
    }

    /// "2026-12" and one is "2027-01".
    static func month(_ month: String, adding months: Int) -> String {
        let parts = month.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 2 else { return month }
        let count = parts[0] * 12 + parts[1] - 1 + months
        let number = count % 12 + 1
        return "\(count / 12)-\(number < 10 ? "0" : "")\(number)"
    }
}

extension TenantPage.Month {
    /// Nil where there is no monthly budget.
    init?(_ month: TenantMonth, _ zone: ConsoleZone, now: Date) {
        guard let limit = month.limit else { return nil }
        let pace = MonthPace(
            settled: month.settled, limit: limit, from: month.from, until: month.until, now: now)
        // A budget of another zone begins beside the tenant's midnight.
        current = zone.month(month.from + month.until.timeIntervalSince(month.from) / 2)
        bar = ConsoleBar(settled: month.settled, held: month.held, limit: limit, elapsed: pace.elapsed)
        self.limit = ConsoleAmount(limit)
        settled = ConsoleAmount(month.settled)
        held = ConsoleAmount(month.held)
        left = ConsoleAmount(month.left)
        self.pace = pace.text.words
        level = pace.text.level
        shares = pace.shares
        forecast = ConsoleAmount(pace.forecast)
        runsOut = pace.runsOutAt.map { ConsoleInstant($0, zone) }
    }
}

extension TenantPage.Statement {
    init(_ summary: StatementSummary, tenant: String, _ zone: ConsoleZone) {
        month = summary.month
        href = ConsoleLink.tenant(tenant, "/statements/\(summary.month)")
        closedAt = ConsoleInstant(summary.closedAt, zone)
        closedBy = summary.closedBy
        closing = ConsoleAmount(nanoUSD: summary.closingNanoUSD)
        sha256 = summary.sha256
        shortSHA256 = ConsoleText.short(summary.sha256)
    }
}
