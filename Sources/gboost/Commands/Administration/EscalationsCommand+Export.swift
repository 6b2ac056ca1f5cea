internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Ledger

extension EscalationsCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case jsonl, csv }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print all of a tenant's escalations, however many, for other programs.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String
        @Option(help: "Such as 2026-11, in the tenant's time zone; without it all.") var month: String?
        @Option(help: "Only those after this number.") var after: Int64 = 0
        @Option(help: "jsonl (the default): an object a line; or csv.") var format: Format?

        func validate() throws { try EscalationsCommand.check(format, isJSON: options.json) }

        mutating func run() async throws {
            let (tenant, after) = (tenant, after)
            let month = try month.map { text throws(CommandFailure) in
                try ArgumentParsing.month(text, option: "--month")
            }
            let form: EscalationText.Form = options.json ? .document : format == .csv ? .columns : .lines
            let text = EscalationText(form)
            try await options.administer { store in
                try await text.write(after: after) { seen in
                    try await store.escalations(
                        tenant: tenant, month: month, after: seen, limit: EscalationText.pageSize)
                }
            }
        }
    }

    /// A script that asked for one document must not be given something else.
    static func check(_ format: Format?, isJSON: Bool) throws {
        guard format == nil || !isJSON else { throw ValidationError("give --json or --format, not both") }
    }
}

/// Escalations for other programs, a page in memory at a time.
struct EscalationText {
    enum Form: Hashable { case lines, columns, document }

    static let pageSize = 1000
    static let columns = [
        "seq", "at", "hold", "kind", "entry_kind", "outcome", "key_id", "team", "route", "model", "price_id",
        "held_nano_usd", "amount_nano_usd", "reward_raw", "reward_calibrated", "shadow_price", "reason", "actions",
        "excluded", "remaining_nano_usd", "slm_sha256", "adapter_sha256", "prm_sha256", "head_sha256", "prompt_hash",
        "answer_hash",
    ]

    let form: Form

    init(_ form: Form) { self.form = form }

    init(_ format: EscalationsCommand.Format) { form = format == .csv ? .columns : .lines }

    /// Prints all that `page` gives for the last number already seen. Numbers have no gaps and are in the order of
    /// commits, so nothing that is recorded meanwhile is passed over.
    func write(after: Int64, page: (Int64) async throws -> [EscalationInfo]) async throws {
        var (seen, isFirst, isLast) = (after, true, false)
        while !isLast {
            let rows = try await page(seen)
            isLast = rows.count < Self.pageSize
            try CommandOutput.stream(try text(rows, isFirst: isFirst, isLast: isLast))
            if let last = rows.last { seen = last.seq }
            isFirst = false
        }
    }

    func text(_ rows: [EscalationInfo], isFirst: Bool = true, isLast: Bool = true) throws -> String {
        let lines = rows.map(EscalationsCommand.Line.init)
        switch form {
        case .lines:
            return try lines.map { try CommandOutput.json($0) + "\n" }.joined()
        case .columns:
            let cells = try lines.map { try Self.cells($0) }
            return CSVText.render(isFirst ? [Self.columns] + cells : cells)
        case .document:
            let separator = isFirst ? "{\"escalations\":[" : rows.isEmpty ? "" : ","
            return try separator + lines.map { try CommandOutput.json($0) }.joined(separator: ",")
                + (isLast ? "]}\n" : "")
        }
    }

    private static func cells(_ line: EscalationsCommand.Line) throws -> [String] {
        let decision: [String] = [
            cell(line.rewardRaw), cell(line.rewardCalibrated), cell(line.shadowPrice), line.reason,
            try CommandOutput.json(line.actions), try line.excluded.map { try CommandOutput.json($0) } ?? "",
            cell(line.remainingNanoUsd),
        ]
        let hashes: [String] = [
            cell(line.slmSha256), cell(line.adapterSha256), cell(line.prmSha256), cell(line.headSha256),
            cell(line.promptHash), cell(line.answerHash),
        ]
        let call: [String] = [
            cell(line.seq), CommandOutput.time(line.at), line.hold, line.kind, line.entryKind, cell(line.outcome),
            cell(line.keyId), cell(line.team), cell(line.route), line.model, cell(line.priceId),
            cell(line.heldNanoUsd), cell(line.amountNanoUsd),
        ]
        return call + decision + hashes
    }

    private static func cell(_ value: (some CustomStringConvertible)?) -> String { value?.description ?? "" }
}
