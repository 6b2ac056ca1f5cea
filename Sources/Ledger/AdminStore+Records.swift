package import Foundation
package import GatewayCore
internal import Postgres

/// One escalation as it was recorded: the decision, its hold and what it cost.
package struct EscalationInfo: Sendable, Codable, Hashable {
    /// Counts a tenant's escalations without gaps, in the order of their commits.
    package var seq: Int64
    package var at: Date
    /// "request/step/attempt".
    package var hold: String
    /// charge · release · estimate · unreconciled · adjustment
    package var entryKind: String
    package var outcome: CallOutcome?
    /// step · rest · direct · unknown (recovered without its decision)
    package var kind: String
    package var keyID: Int64
    package var team: String?
    package var route: String?
    package var model: ModelReference
    package var priceID: Int64
    package var held: NanoUSD
    package var amount: NanoUSD
    package var rewardRaw: Double?
    package var rewardCalibrated: Double?
    package var shadowPrice: Double?
    package var actions: [ActionEstimate]
    /// What could not be chosen, by action, and why.
    package var excluded: [String: String]?
    /// What was left at the decision.
    package var remaining: NanoUSD?
    package var reason: String
    package var slmSHA256: String?
    package var adapterSHA256: String?
    package var prmSHA256: String?
    package var headSHA256: String?
    package var promptHash: String?
    package var answerHash: String?
}

/// A hold that is open, or that recovery posted without knowing the charge.
package struct HoldInfo: Sendable, Codable, Hashable {
    /// "request/step/attempt".
    package var name: String
    package var tenant: String
    package var keyID: Int64
    package var route: String?
    package var model: ModelReference
    /// reserved · dispatched · settled · voided
    package var state: String
    package var isUnreconciled: Bool
    package var amount: NanoUSD
    package var actual: NanoUSD?
    package var takenAt: Date
    /// The gateway that took it.
    package var gateway: String?
}

/// Which holds to list.
package enum HoldFilter: String, Sendable, CaseIterable { case open, unreconciled }

extension AdminStore {
    /// A tenant's escalations in order, a page at a time.
    /// - Parameters:
    ///   - month: "2026-11" in the tenant's time zone; nil is all.
    ///   - after: the last number already seen.
    package func escalations(
        tenant name: String, month: String? = nil, after: Int64 = 0, limit: Int = 1000
    ) async throws(LedgerError) -> [EscalationInfo] {
        if let month { try Self.checkMonth(month) }
        return try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let span =
                if let month { try await Optional(monthSpan(month, tenant, transaction)) } else {
                    (name: String, start: Date, end: Date)?.none
                }
            return try await transaction.query(
                """
                select e.*, p.provider, p.model, m.name as team from escalations e join prices p on p.id = e.price_id
                left join teams m on m.id = e.team_id
                where e.tenant_id = \(tenant.id) and e.seq > \(after)
                  and (\(optional: span?.start) is null
                    or e.at >= \(optional: span?.start) and e.at < \(optional: span?.end))
                order by e.seq limit \(limit)
                """
            ).rows.map { try EscalationInfo($0) }
        }
    }

    /// Holds that are open now, or whose charge is not known; all tenants' when none is named.
    package func holds(
        _ filter: HoldFilter, tenant: String? = nil, limit: Int = 1000
    ) async throws(LedgerError) -> [HoldInfo] {
        try await reading { transaction in
            let id = if let tenant { try await self.tenant(tenant, transaction).id } else { Int64?.none }
            let condition = filter == .open ? "h.state in ('r', 'd')" : "h.unreconciled"
            return try await transaction.query(
                """
                select h.*, t.name as tenant, p.provider, p.model, g.instance,
                  case h.state when 'r' then 'reserved' when 'd' then 'dispatched' when 's' then 'settled'
                    else 'voided' end as phase
                from holds h join tenants t on t.id = h.tenant_id left join prices p on p.id = h.price_id
                left join gateways g on g.incarnation = h.gateway
                where \(unescaped: condition) and (\(optional: id) is null or h.tenant_id = \(optional: id))
                order by h.request_id, h.step, h.attempt limit \(limit)
                """
            ).rows.map { try HoldInfo($0) }
        }
    }
}

extension EscalationInfo {
    init(_ row: PostgresRow) throws {
        let evidence = try DecisionEvidence(row)
        seq = try row.get("seq")
        at = try row.get("at")
        hold = try HoldInfo.name(row)
        entryKind = try row.get("entry_kind")
        outcome = try row.getOptional("outcome", as: String.self).flatMap { CallOutcome(rawValue: $0) }
        kind = try row.get("kind")
        keyID = try row.get("key_id")
        team = try row.getOptional("team")
        route = try row.getOptional("route")
        model = ModelReference(provider: try row.get("provider"), model: try row.get("model"))
        priceID = try row.get("price_id")
        held = NanoUSD(try row.get("held"))
        amount = NanoUSD(try row.get("amount"))
        rewardRaw = try row.getOptional("reward_raw")
        rewardCalibrated = try row.getOptional("reward_calibrated")
        shadowPrice = try row.getOptional("shadow_price")
        actions = evidence.weighed
        excluded = evidence.excluded
        remaining = evidence.remaining.map { NanoUSD($0) }
        adapterSHA256 = evidence.adapterSHA256
        headSHA256 = evidence.headSHA256
        reason = try row.get("reason")
        slmSHA256 = try row.getOptional("slm_sha256")
        prmSHA256 = try row.getOptional("prm_sha256")
        promptHash = try row.getOptional("prompt_hash")
        answerHash = try row.getOptional("answer_hash")
    }
}

extension HoldInfo {
    init(_ row: PostgresRow) throws {
        name = try Self.name(row)
        tenant = try row.get("tenant")
        keyID = try row.get("key_id")
        route = try row.getOptional("route")
        model = ModelReference(
            provider: try row.getOptional("provider") ?? "", model: try row.getOptional("model") ?? "")
        state = try row.get("phase")
        isUnreconciled = try row.get("unreconciled")
        amount = NanoUSD(try row.get("amount"))
        actual = try row.getOptional("actual", as: Int64.self).map { NanoUSD($0) }
        takenAt = try row.get("taken_at")
        gateway = try row.getOptional("instance")
    }

    static func name(_ row: PostgresRow) throws -> String {
        HoldID(
            request: try row.get("request_id"), step: try row.get("step"), attempt: try row.get("attempt")
        ).description
    }
}
