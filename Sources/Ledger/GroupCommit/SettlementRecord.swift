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
        if !escalation.actions.isEmpty {
            record.key("actions")
            record.text += json(escalation.actions)
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
