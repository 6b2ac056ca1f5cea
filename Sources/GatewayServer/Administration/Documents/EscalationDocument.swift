package import Foundation
package import GatewayCore
package import Ledger

/// An escalation as scripts read it.
package struct EscalationDocument: Encodable, Sendable {
    package var seq: Int64
    package var at: Date
    package var hold: String
    package var kind: String
    package var entryKind: String
    package var outcome: String?
    package var keyId: Int64
    package var team: String?
    package var route: String?
    package var model: String
    package var priceId: Int64
    package var heldNanoUsd: Int64
    package var amountNanoUsd: Int64
    package var rewardRaw: Double?
    package var rewardCalibrated: Double?
    package var shadowPrice: Double?
    package var reason: String
    package var actions: [ActionEstimate]
    package var excluded: [String: String]?
    package var remainingNanoUsd: Int64?
    package var slmSha256: String?
    package var adapterSha256: String?
    package var prmSha256: String?
    package var headSha256: String?
    package var promptHash: String?
    package var answerHash: String?

    package init(_ info: EscalationInfo) {
        seq = info.seq
        at = info.at
        hold = info.hold
        kind = info.kind
        entryKind = info.entryKind
        outcome = info.outcome?.rawValue
        keyId = info.keyID
        team = info.team
        route = info.route
        model = info.model.description
        priceId = info.priceID
        heldNanoUsd = info.held.rawValue
        amountNanoUsd = info.amount.rawValue
        rewardRaw = info.rewardRaw
        rewardCalibrated = info.rewardCalibrated
        shadowPrice = info.shadowPrice
        reason = info.reason
        actions = info.actions
        excluded = info.excluded
        remainingNanoUsd = info.remaining?.rawValue
        slmSha256 = info.slmSHA256
        adapterSha256 = info.adapterSHA256
        prmSha256 = info.prmSHA256
        headSha256 = info.headSHA256
        promptHash = info.promptHash
        answerHash = info.answerHash
    }
}

/// The prompt and the answer of an escalation in the clear, where the tenant has them kept.
package struct EscalationTexts: Encodable, Sendable {
    package var seq: Int64
    package var call: String
    package var at: Date
    package var expiresAt: Date
    package var keyId: String
    package var isCut: Bool
    package var prompt: String
    package var answer: String

    /// - Throws: where the key that they are encrypted with is not among these.
    package init(_ stored: StoredText, seq: Int64, keys: TextKeyring) throws(LedgerError) {
        let (prompt, answer) = try stored.opened(keys)
        self.seq = seq
        call = stored.call.description
        at = stored.at
        expiresAt = stored.expiresAt
        keyId = stored.keyID
        isCut = stored.isCut
        self.prompt = String(decoding: prompt, as: UTF8.self)
        self.answer = String(decoding: answer, as: UTF8.self)
    }
}
