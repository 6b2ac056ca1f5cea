package import Foundation
package import GatewayCore
package import Ledger

/// A refusal as scripts read it.
package struct RefusalDocument: Encodable, Sendable {
    package var seq: Int64?
    package var refusedAt: Date
    package var call: String
    package var kind: String
    package var refusal: String?
    package var refusedBy: String?
    package var keyId: Int64
    package var team: String?
    package var route: String?
    package var model: String
    package var priceId: Int64?
    package var wantedNanoUsd: Int64?
    package var remainingNanoUsd: Int64?
    package var more: Int64?
    package var rewardRaw: Double?
    package var rewardCalibrated: Double?
    package var shadowPrice: Double?
    package var reason: String
    package var actions: [ActionEstimate]
    package var excluded: [String: String]?
    package var promptHash: String?

    package init(_ info: RefusalInfo) {
        seq = info.seq
        refusedAt = info.refusedAt
        call = info.call
        kind = info.kind.rawValue
        refusal = info.refusal?.rawValue
        refusedBy = info.refusedBy
        keyId = info.keyID
        team = info.team
        route = info.route
        model = info.model
        priceId = info.priceID
        wantedNanoUsd = info.wanted?.rawValue
        remainingNanoUsd = info.escalation.remaining?.rawValue
        more = info.more
        rewardRaw = info.escalation.rewardRaw
        rewardCalibrated = info.escalation.rewardCalibrated
        shadowPrice = info.escalation.shadowPrice
        reason = info.escalation.reason
        actions = info.escalation.actions
        excluded = info.escalation.excluded
        promptHash = info.escalation.promptHash
    }
}
