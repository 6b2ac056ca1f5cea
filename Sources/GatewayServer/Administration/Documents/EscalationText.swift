internal import Foundation
internal import GatewayCore
package import Ledger

/// Escalations for other programs, a page in memory at a time.
package struct EscalationText: Sendable {
    /// Objects a line, CSV, or one JSON document.
    package enum Form: Hashable, Sendable { case lines, columns, document }

    /// Escalations that are in memory at once.
    package static let pageSize = 1000
    /// Of CSV, in their order.
    package static let columns = [
        "seq", "at", "hold", "kind", "entry_kind", "outcome", "key_id", "team", "route", "model", "price_id",
        "held_nano_usd", "amount_nano_usd", "reward_raw", "reward_calibrated", "shadow_price", "reason", "actions",
        "excluded", "remaining_nano_usd", "slm_sha256", "adapter_sha256", "prm_sha256", "head_sha256", "prompt_hash",
        "answer_hash",
    ]

    package let form: Form

    package init(_ form: Form) { self.form = form }

    /// Hands on all that `page` gives for the last number already seen. Numbers have no gaps and are in the order of
    /// commits, so nothing that is recorded meanwhile is passed over.
    package func write(
        after: Int64, page: (Int64) async throws -> [EscalationInfo], to sink: (String) async throws -> Void
    ) async throws {
        var (seen, isFirst, isLast) = (after, true, false)
        while !isLast {
            let rows = try await page(seen)
            isLast = rows.count < Self.pageSize
            let piece = try text(rows, isFirst: isFirst, isLast: isLast)
            // An empty piece of a body is its end.
            if !piece.isEmpty { try await sink(piece) }
            if let last = rows.last { seen = last.seq }
            isFirst = false
        }
    }

    /// One page.
    package func text(_ rows: [EscalationInfo], isFirst: Bool = true, isLast: Bool = true) throws -> String {
        let lines = rows.map { EscalationDocument($0) }
        switch form {
        case .lines:
            return try lines.map { try AdminJSON.line($0) + "\n" }.joined()
        case .columns:
            let cells = try lines.map { try Self.cells($0) }
            return CSVText.render(isFirst ? [Self.columns] + cells : cells)
        case .document:
            let separator = isFirst ? "{\"escalations\":[" : rows.isEmpty ? "" : ","
            return try separator + lines.map { try AdminJSON.line($0) }.joined(separator: ",")
                + (isLast ? "]}\n" : "")
        }
    }

    private static func cells(_ line: EscalationDocument) throws -> [String] {
        let decision: [String] = [
            cell(line.rewardRaw), cell(line.rewardCalibrated), cell(line.shadowPrice), line.reason,
            try AdminJSON.line(line.actions), try line.excluded.map { try AdminJSON.line($0) } ?? "",
            cell(line.remainingNanoUsd),
        ]
        let hashes: [String] = [
            cell(line.slmSha256), cell(line.adapterSha256), cell(line.prmSha256), cell(line.headSha256),
            cell(line.promptHash), cell(line.answerHash),
        ]
        let call: [String] = [
            cell(line.seq), line.at.formatted(.iso8601), line.hold, line.kind, line.entryKind, cell(line.outcome),
            cell(line.keyId), cell(line.team), cell(line.route), line.model, cell(line.priceId),
            cell(line.heldNanoUsd), cell(line.amountNanoUsd),
        ]
        return call + decision + hashes
    }

    private static func cell(_ value: (some CustomStringConvertible)?) -> String { value?.description ?? "" }
}
