internal import Foundation
internal import GatewayCore
internal import Postgres

/// What a caller's reservations are tested against, as the database said at one moment.
///
/// It decides nothing: a reservation carries the plan's version and span of time, and the database refuses one whose
/// plan is no longer in force. Periods are cut by the database's clock and calendar alone.
struct CallerPlan: Sendable {
    /// One budget or rate limit that may apply, with its open period.
    struct Budget: Sendable {
        /// What it counts. `ceiling` is money of a single request, which has no period row.
        enum Unit: Sendable {
            case money, ceiling
            case limit(LimitUnit)
        }
        var unit: Unit
        var period: Int64
        var limit: Int64
        var model: String?
        var tag: String?
        var scope: String
        var label: String
        var resetsAt: Date?
        var isTenant: Bool
    }

    var isUsable: Bool
    /// The tenant's, at the time.
    var version: Int64
    var teamID: Int64?
    /// In force from `from` until before `until`, by the database's clock.
    var from: Date
    var until: Date
    var budgets: [Budget]

    static func statement(_ caller: Caller, now: Date?) -> PostgresStatement {
        "select * from gboost_caller_plan(\(caller.tenant.id), \(caller.keyID), \(optional: now))"
    }

    /// Nil: there is no such tenant.
    init?(_ rows: [PostgresRow]) throws(PostgresError) {
        guard let first = rows.first else { return nil }
        isUsable = try first.get("is_usable")
        version = try first.get("version")
        teamID = try first.getOptional("team_id")
        from = .beginning
        until = try first.getOptional("usable_until") ?? .distantFuture
        budgets = []
        for row in rows {
            guard let period = try row.getOptional("period_id", as: Int64.self) else { continue }
            let resetsAt = try row.getOptional("resets_at", as: Date.self)
            from = max(from, try row.getOptional("first_at", as: Date.self) ?? .beginning)
            until = min(until, resetsAt ?? .distantFuture)
            budgets.append(
                Budget(
                    unit: try Self.unit(row), period: period, limit: try row.get("limit_n"),
                    model: try row.getOptional("model_pattern"), tag: try row.getOptional("tag"),
                    scope: try row.get("scope"), label: try row.get("period"), resetsAt: resetsAt,
                    isTenant: try row.get("is_tenant")))
        }
    }

    private static func unit(_ row: PostgresRow) throws(PostgresError) -> Budget.Unit {
        let unit = try row.get("unit", as: String.self)
        if unit == "usd" { return try row.get("cycle", as: String.self) == "request" ? .ceiling : .money }
        guard let limit = LimitUnit(rawValue: unit) else { throw PostgresError(.decoding, "unit \(unit)") }
        return .limit(limit)
    }
}

extension CallerPlan.Budget {
    /// Whether it counts a call of `model` with `tags`.
    func counts(_ model: ModelReference, tags: [String]) -> Bool {
        (self.model.map { ModelPattern.matches($0, model) } ?? true) && (tag.map { tags.contains($0) } ?? true)
    }
}

/// When a price is in force, as the database said at one moment.
struct PriceWindow: Sendable {
    /// Of all prices, at the time.
    var version: Int64
    var model: ModelReference
    var from: Date
    var until: Date
    /// At the time, by the database's clock.
    var isInForce: Bool

    static func statement(_ price: Int64, now: Date?) -> PostgresStatement {
        "select * from gboost_price_window(\(price), \(optional: now))"
    }

    /// Nil: there is no such price.
    init?(_ rows: [PostgresRow]) throws(PostgresError) {
        guard let row = rows.first else { return nil }
        version = try row.get("version")
        model = ModelReference(provider: try row.get("provider"), model: try row.get("model"))
        from = try row.get("first_at")
        until = try row.getOptional("last_at", as: Date.self) ?? .distantFuture
        isInForce = try row.get("is_in_force")
    }
}

extension Date {
    /// Before everything, and still a year that PostgreSQL can be told: `distantPast` is not.
    static let beginning = Date(timeIntervalSince1970: -62_000_000_000)
}
