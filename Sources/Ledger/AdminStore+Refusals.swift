package import Foundation
package import GatewayCore
internal import Postgres

/// A paid call that was wanted and not made, as it was recorded.
package struct RefusalInfo: Sendable, Codable, Hashable {
    /// Counts a tenant's refusals without gaps; nil until the sealer has numbered it.
    package var seq: Int64?
    package var refusedAt: Date
    /// "request/step/attempt", as a hold would be named.
    package var call: String
    package var kind: EscalationKind
    package var refusal: RefusalReason?
    /// The budget or limit that refused it: see `RefusedCall.refusedBy`.
    package var refusedBy: String?
    package var keyID: Int64
    package var team: String?
    package var route: String?
    package var model: String
    package var priceID: Int64?
    /// What a hold would have been.
    package var wanted: NanoUSD?
    /// How many more of the same request are not listed.
    package var more: Int64?
    /// The decision that wanted it.
    package var escalation: EscalationRecord
}

extension AdminStore {
    /// A tenant's refused calls in order, those at last that are not numbered yet.
    /// - Parameter after: the last number already seen.
    package func refusals(
        tenant name: String, after: Int64 = 0, limit: Int = 1000
    ) async throws(LedgerError) -> [RefusalInfo] {
        try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let columns = """
                tenant_id, refused_at, request_id, step, attempt, team_id, key_id, route, model, kind, refusal,
                price_id, wanted, more, reward_raw, reward_calibrated, shadow_price, actions, reason, slm_sha256,
                prm_sha256, prompt_hash
                """
            return try await transaction.query(
                """
                select e.*, m.name as team from (
                  select seq, \(unescaped: columns) from refusals
                  union all select null, \(unescaped: columns) from refusal_inbox) e
                left join teams m on m.id = e.team_id
                where e.tenant_id = \(tenant.id) and coalesce(e.seq > \(after), true)
                order by e.seq nulls last, e.refused_at limit \(Int64(limit))
                """
            ).rows.map { try RefusalInfo($0) }
        }
    }
}

extension RefusalInfo {
    init(_ row: PostgresRow) throws {
        seq = try row.getOptional("seq")
        refusedAt = try row.get("refused_at")
        call = try HoldInfo.name(row)
        kind = EscalationKind(rawValue: try row.get("kind")) ?? .step
        refusal = RefusalReason(rawValue: try row.get("refusal"))
        keyID = try row.get("key_id")
        team = try row.getOptional("team")
        route = try row.getOptional("route")
        model = try row.get("model")
        priceID = try row.getOptional("price_id")
        wanted = try row.getOptional("wanted", as: Int64.self).map { NanoUSD($0) }
        more = try row.getOptional("more", as: Int32.self).map { Int64($0) }
        let evidence = try DecisionEvidence(row)
        escalation = EscalationRecord(
            kind: kind, rewardRaw: try row.getOptional("reward_raw"),
            rewardCalibrated: try row.getOptional("reward_calibrated"),
            shadowPrice: try row.getOptional("shadow_price"), actions: evidence.weighed, reason: try row.get("reason"),
            slmSHA256: try row.getOptional("slm_sha256"), prmSHA256: try row.getOptional("prm_sha256"),
            promptHash: try row.getOptional("prompt_hash"))
        escalation.excluded = evidence.excluded
        escalation.remaining = evidence.remaining.map { NanoUSD($0) }
        escalation.adapterSHA256 = evidence.adapterSHA256
        escalation.headSHA256 = evidence.headSHA256
        refusedBy = evidence.refusedBy
    }
}

/// What was known at a decision, as `SettlementRecord.evidence` wrote it; before that only what was weighed.
struct DecisionEvidence: Decodable {
    var weighed: [ActionEstimate]
    var excluded: [String: String]?
    var remaining: Int64?
    var adapterSHA256: String?
    var headSHA256: String?
    var refusedBy: String?

    private enum CodingKeys: String, CodingKey {
        case weighed, excluded, remaining
        case adapterSHA256 = "adapter_sha256"
        case headSHA256 = "head_sha256"
        case refusedBy = "refused_by"
    }

    init(_ row: PostgresRow) throws {
        let text = try row.get("actions", as: PostgresJSON.self).text
        guard text.first == "[" else {
            self = try LedgerJSON.decode(Self.self, from: Array(text.utf8))
            return
        }
        weighed = try LedgerJSON.decode([ActionEstimate].self, from: Array(text.utf8))
    }
}
