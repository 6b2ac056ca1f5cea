internal import Foundation
internal import GatewayCore

/// A settlement's usage and escalation as the JSON object that the database takes apart.
///
/// Written by hand: it is made once a paid call, next to thousands of others.
struct SettlementRecord {
    private var text = "{"

    static func json(_ settlement: Settlement) -> String {
        var record = SettlementRecord()
        let escalation = settlement.escalation
        record.add("kind", escalation.kind.rawValue)
        record.add("reason", escalation.reason)
        record.add("rewardRaw", escalation.rewardRaw)
        record.add("rewardCalibrated", escalation.rewardCalibrated)
        record.add("shadowPrice", escalation.shadowPrice)
        record.add("slmSHA256", escalation.slmSHA256)
        record.add("prmSHA256", escalation.prmSHA256)
        record.add("promptHash", escalation.promptHash)
        record.add("answerHash", escalation.answerHash)
        record.add("provider", settlement.providerRequestID)
        if let evidence = evidence(escalation) {
            record.key("actions")
            record.text += evidence
        }
        if let usage = settlement.usage { record.add(usage) }
        return record.text + "}"
    }

    private mutating func add(_ usage: TokenUsage) {
        add("in", usage.input)
        add("cached", usage.cachedInput)
        add("out", usage.output)
        add("reasoning", usage.reasoning)
        // What hardly any call has is left out: null stands for none.
        if usage.cacheWrite5m != 0 { add("write5m", usage.cacheWrite5m) }
        if usage.cacheWrite1h != 0 { add("write1h", usage.cacheWrite1h) }
        if usage.images != 0 { add("images", usage.images) }
        if usage.isBatch {
            key("batch")
            text += "true"
        }
        guard let raw = usage.raw else { return }
        key("usage")
        text += Self.storable(raw)
    }

    /// A provider's JSON, or a JSON string of it where PostgreSQL would not take it: no settlement may fail for what a
    /// provider says besides its counts.
    static func storable(_ raw: String) -> String {
        if EmbeddedJSON.isStorable(raw) { return raw }
        var record = SettlementRecord()
        record.text = ""
        record.add(quoted: raw)
        return record.text
    }

    /// What was known at the decision: the actions that were weighed, alone where that is all.
    static func evidence(_ escalation: EscalationRecord, refusedBy: String? = nil) -> String? {
        let excluded = escalation.excluded ?? [:]
        if excluded.isEmpty, escalation.remaining == nil, escalation.adapterSHA256 == nil,
            escalation.headSHA256 == nil, refusedBy == nil
        {
            return escalation.actions.isEmpty ? nil : json(escalation.actions)
        }
        var record = SettlementRecord()
        record.key("weighed")
        record.text += json(escalation.actions)
        if !excluded.isEmpty {
            var object = SettlementRecord()
            for (action, reason) in excluded.sorted(by: { $0.key < $1.key }) { object.add(action, reason) }
            record.key("excluded")
            record.text += object.text + "}"
        }
        if let remaining = escalation.remaining { record.add("remaining", remaining.rawValue) }
        record.add("adapter_sha256", escalation.adapterSHA256)
        record.add("head_sha256", escalation.headSHA256)
        record.add("refused_by", refusedBy)
        return record.text + "}"
    }

    /// Refused calls as an array of rows for `refusal_inbox`.
    static func json(_ refused: [RefusedCall]) -> String {
        let rows = refused.map { call in
            let escalation = call.escalation
            var row = SettlementRecord()
            row.add("step", Int64(call.step))
            row.add("attempt", Int64(call.attempt))
            row.add("refused_at", call.at.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
            row.add("model", call.model.description)
            row.add("kind", escalation.kind.rawValue)
            row.add("refusal", call.reason.rawValue)
            if let price = call.priceID { row.add("price_id", price) }
            if let wanted = call.wanted { row.add("wanted", wanted.rawValue) }
            if call.more > 0 { row.add("more", Int64(call.more)) }
            row.add("reward_raw", escalation.rewardRaw)
            row.add("reward_calibrated", escalation.rewardCalibrated)
            row.add("shadow_price", escalation.shadowPrice)
            row.key("actions")
            row.text += evidence(escalation, refusedBy: call.refusedBy) ?? "[]"
            row.add("reason", escalation.reason)
            row.add("slm_sha256", escalation.slmSHA256)
            row.add("prm_sha256", escalation.prmSHA256)
            row.add("prompt_hash", escalation.promptHash)
            return row.text + "}"
        }
        return "[" + rows.joined(separator: ",") + "]"
    }

    static func json(_ actions: [ActionEstimate]) -> String {
        var text = "["
        for (index, action) in actions.enumerated() {
            if index > 0 { text += "," }
            var object = SettlementRecord()
            object.add("action", action.action.rawValue)
            object.add("gain", action.gain)
            object.add("costUSD", action.costUSD)
            object.add("latencySeconds", action.latencySeconds)
            object.add("utility", action.utility)
            object.add("remainingUSD", action.remainingUSD)
            text += object.text + "}"
        }
        return text + "]"
    }

    private mutating func key(_ name: String) {
        if text.utf8.count > 1 { text += "," }
        text += "\"\(name)\":"
    }

    private mutating func add(_ name: String, _ value: Int64) {
        key(name)
        text += String(value)
    }

    /// Not a number and infinities as text, which PostgreSQL's float8 and the ledger's decoder both read.
    private mutating func add(_ name: String, _ value: Double?) {
        guard let value else { return }
        key(name)
        if value.isFinite {
            text += "\(value)"
        } else {
            text += value.isNaN ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\""
        }
    }

    /// PostgreSQL stores no zero bytes; a settlement must not fail for one in a provider's request id.
    private mutating func add(_ name: String, _ value: String?) {
        guard let value else { return }
        key(name)
        add(quoted: value)
    }

    private mutating func add(quoted value: String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\0": continue
            case "\n": text += "\\n"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
