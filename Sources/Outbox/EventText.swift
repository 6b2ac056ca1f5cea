internal import Foundation
internal import GatewayCore

/// What an event says to a person, in a line: for Slack and mails.
enum EventText {
    /// What may stand in an event's data.
    private struct Facts: Decodable {
        var reason: String?
        var unit: String?
        var percent: Int64?
        var limit: Int64?
        var settled: Int64?
        var cycle: String?
        var team_id: Int64?
        var key_id: Int64?
        var model: String?
        var tag: String?
        var scope: String?
        var period: String?
        var provider: String?
        var gateway: String?
        var hold: String?
        var amount: Int64?
        var lag_seconds: Double?
        var limit_seconds: Double?

        enum CodingKeys: String, CodingKey {
            case reason, unit, percent, limit, settled, cycle, team_id, key_id, model, tag, scope, provider, gateway
            case hold, amount
            case lag_seconds, limit_seconds
        }
    }

    static func line(_ event: OutboxEvent) -> String {
        let who = event.tenant ?? "gateway"
        guard let facts = try? JSONDecoder().decode(Facts.self, from: Data(event.data.utf8)) else {
            return "\(who): \(event.kind.rawValue)"
        }
        return "\(who): \(text(event.kind, facts))"
    }

    private static func text(_ kind: EventKind, _ facts: Facts) -> String {
        switch kind {
        case .budgetThreshold:
            "\(facts.percent ?? 0) % of the \(facts.cycle ?? "")'s budget is spent (\(scope(facts))): "
                + "\(usd(facts.settled)) of \(usd(facts.limit)) USD"
        case .escalationRefused: "a paid call was refused: \(refusal(facts))"
        case .holdsUnreconciled:
            "a gateway was gone before it settled the call \(facts.hold ?? ""): \(usd(facts.amount)) USD are posted in "
                + "full until reconciled; there may be more (gboost holds list --unreconciled)"
        case .providerDown:
            "the provider \(facts.provider ?? "") fails and is left alone (seen by \(facts.gateway ?? ""))"
        case .providerUp: "the provider \(facts.provider ?? "") answers again (seen by \(facts.gateway ?? ""))"
        case .auditLag:
            "records wait \(Int64(facts.lag_seconds ?? 0)) s to be sealed, "
                + "more than \(Int64(facts.limit_seconds ?? 0)) s"
        case .auditSealed: "records are sealed again"
        case .usage: "usage"
        case .test: "a test: this destination can be reached"
        }
    }

    private static func refusal(_ facts: Facts) -> String {
        switch facts.reason {
        case "rate_limit":
            "\(facts.scope ?? "") may have \(facts.limit ?? 0) \(limited(facts.unit)) "
                + "(further refusals of today are not told)"
        case "price_unknown":
            "\(facts.model ?? "") has no price in force, or no provider (further ones of today are not told)"
        case "no_budget": "no budget covers \(facts.model ?? "") (further refusals of today are not told)"
        default:
            "the budget of \(facts.scope ?? "") is used up, \(usd(facts.settled)) of \(usd(facts.limit)) USD "
                + "(further refusals of this period are not told)"
        }
    }

    private static func limited(_ unit: String?) -> String {
        switch unit {
        case "parallel": "calls at once"
        case let unit: "\(unit ?? "calls") a minute"
        }
    }

    private static func scope(_ facts: Facts) -> String {
        (facts.key_id.map { "key \($0)" } ?? facts.team_id.map { "team \($0)" } ?? "the tenant")
            + (facts.model.map { ", model \($0)" } ?? "") + (facts.tag.map { ", tag \($0)" } ?? "")
    }

    private static func usd(_ amount: Int64?) -> String { NanoUSD(amount ?? 0).usdString }
}
