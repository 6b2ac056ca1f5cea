internal import Foundation
internal import GatewayCore
internal import Postgres

/// The end of a call together with its hold, as this gateway took it.
final class PlannedSettlement: Sendable {
    let settlement: Settlement
    let hold: PlannedReservation
    /// What is posted.
    let actual: Int64
    /// What it does to each of its hold's period rows.
    let deltas: [PeriodDelta]
    /// As the database takes it, but for the last field; written here, where many callers do so at once.
    private let partialRecord: PostgresRecord

    init(_ settlement: Settlement, hold: PlannedReservation, takenAt: Date) {
        self.settlement = settlement
        self.hold = hold
        let (actual, used) =
            switch settlement.outcome {
            case .completed: (settlement.amount.rawValue, settlement.tokens ?? hold.reservation.tokens)
            case .estimated: (hold.reservation.amount.rawValue, hold.reservation.tokens)
            case .failed: (0, 0)
            }
        self.actual = actual
        deltas = hold.budgets.map { budget in
            let spent =
                switch budget.unit {
                case .money, .ceiling: actual
                case .limit(.tokens): used
                case .limit(.requests): Int64(1)
                case .limit(.parallel): Int64(0)
                }
            return PeriodDelta(
                period: budget.period, released: hold.reservation.amount(of: budget), spent: spent)
        }
        var record = PostgresRecord(fields: 37, capacity: 640)
        Self.add(settlement.id, hold, to: &record)
        record.add(takenAt)
        record.add(actual)
        record.add(used)
        record.add(settlement.outcome.entryKind)
        record.add(settlement.outcome.rawValue)
        Self.add(settlement.usage, to: &record, providerRequestID: settlement.providerRequestID)
        Self.add(settlement.escalation, to: &record)
        partialRecord = record
    }

    /// - Parameter back: how many settlements of its tenant's come after it in the batch, as a negative number.
    func append(to array: inout PostgresRecordArray, back: Int64) {
        array.append(partialRecord) { $0.add(back) }
    }

    private static func add(_ id: HoldID, _ hold: PlannedReservation, to record: inout PostgresRecord) {
        let call = hold.reservation
        record.add(id.request)
        record.add(id.step)
        record.add(id.attempt)
        record.add(call.caller.tenant.id)
        record.add(hold.plan.teamID)
        record.add(call.caller.keyID)
        record.add(call.priceID)
        record.add(call.route)
        record.add(call.amount.rawValue)
        record.add(hold.money)
        record.add(call.tags.isEmpty ? nil : call.tags)
    }

    private static func add(_ usage: TokenUsage?, to record: inout PostgresRecord, providerRequestID: String?) {
        /// What hardly any call has is left out: null stands for none.
        func rare(_ number: Int64?) -> Int64? { number == 0 ? nil : number }
        record.add(usage?.input)
        record.add(usage?.cachedInput)
        record.add(usage?.output)
        record.add(usage?.reasoning)
        record.add(rare(usage?.cacheWrite5m))
        record.add(rare(usage?.cacheWrite1h))
        record.add(rare(usage?.images))
        record.add(usage?.isBatch == true ? true : nil as Bool?)
        record.add(providerRequestID)
        record.add(json: usage?.raw.map { SettlementRecord.storable($0) })
    }

    private static func add(_ escalation: EscalationRecord, to record: inout PostgresRecord) {
        record.add(escalation.kind.rawValue)
        record.add(escalation.rewardRaw)
        record.add(escalation.rewardCalibrated)
        record.add(escalation.shadowPrice)
        record.add(json: SettlementRecord.evidence(escalation))
        record.add(escalation.reason)
        record.add(escalation.slmSHA256)
        record.add(escalation.prmSHA256)
        record.add(escalation.promptHash)
        record.add(escalation.answerHash)
    }
}

extension Settlement {
    /// What the call used of token limits; nil: not known, so all that was held.
    var tokens: Int64? {
        guard let usage, usage.input >= 0, usage.output >= 0 else { return nil }
        let (sum, overflow) = usage.input.addingReportingOverflow(usage.output)
        return overflow ? nil : sum
    }
}

extension CallOutcome {
    /// The kind of the ledger entry that it becomes.
    var entryKind: String {
        switch self {
        case .completed: "charge"
        case .estimated: "estimate"
        case .failed: "release"
        }
    }

    /// As `gboost_settle` takes it.
    var letter: String {
        switch self {
        case .completed: "c"
        case .estimated: "e"
        case .failed: "f"
        }
    }
}
