internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

/// `gboost escalations`: why each paid call was made, and what it cost.
struct EscalationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "escalations", abstract: "Why each paid call was made, and what it cost.",
        subcommands: [List.self, Export.self, Show.self, Refused.self, Text.self])

    static func table(_ escalations: [EscalationInfo]) -> String {
        var table = TextTable([
            .init("SEQ", .right), .init("AT"), .init("KIND"), .init("ROUTE"), .init("MODEL"), .init("REWARD", .right),
            .init("HELD USD", .right), .init("COST USD", .right), .init("ENTRY"), .init("REASON"),
        ])
        table.rows = escalations.map { info in
            [
                String(info.seq), CommandOutput.time(info.at), info.kind, info.route ?? "",
                info.model.description, number(info.rewardCalibrated), info.held.usdString, info.amount.usdString,
                info.entryKind, info.reason,
            ]
        }
        return table.render()
    }

    /// One escalation in full: its decision with every action that was weighed.
    static func details(_ info: EscalationInfo) -> String {
        var facts = TextTable([.init("FIELD"), .init("VALUE")])
        facts.rows = [
            ["seq", String(info.seq)], ["at", CommandOutput.time(info.at)], ["hold", info.hold],
            ["step", info.hold.split(separator: "/").dropFirst().first.map(String.init) ?? ""],
            ["kind", info.kind], ["entry", info.entryKind], ["outcome", info.outcome?.rawValue ?? ""],
            ["key", String(info.keyID)], ["team", info.team ?? ""], ["route", info.route ?? ""],
            ["model", info.model.description], ["price version", String(info.priceID)],
            ["held USD", info.held.usdString], ["cost USD", info.amount.usdString],
            ["reward, raw", number(info.rewardRaw)], ["reward, calibrated", number(info.rewardCalibrated)],
            ["shadow price", number(info.shadowPrice)], ["left USD", info.remaining?.usdString ?? ""],
            ["reason", info.reason],
            [
                "not possible",
                (info.excluded ?? [:]).sorted { $0.key < $1.key }.map { "\($0): \($1)" }.joined(separator: ", "),
            ],
            ["SLM SHA-256", info.slmSHA256 ?? ""], ["adapter SHA-256", info.adapterSHA256 ?? ""],
            ["PRM SHA-256", info.prmSHA256 ?? ""], ["head SHA-256", info.headSHA256 ?? ""],
            ["prompt hash", info.promptHash ?? ""], ["answer hash", info.answerHash ?? ""],
        ].filter { !$0[1].isEmpty }
        guard !info.actions.isEmpty else { return facts.render() }
        var actions = TextTable([
            .init("ACTION"), .init("GAIN", .right), .init("COST USD", .right), .init("SECONDS", .right),
            .init("UTILITY USD", .right), .init("LEFT USD", .right), .init(""),
        ])
        actions.rows = info.actions.map { action in
            [
                action.action.rawValue, number(action.gain), number(action.costUSD), number(action.latencySeconds),
                number(action.utility), number(action.remainingUSD), isChosen(action.action, info.kind) ? "chosen" : "",
            ]
        }
        return facts.render() + "\n" + actions.render()
    }

    private static func isChosen(_ action: StepAction, _ kind: String) -> Bool {
        action == .llmStep && kind == "step" || action == .llmRest && kind == "rest"
    }

    private static func number(_ value: Double?) -> String {
        guard let value else { return "" }
        guard value.isFinite else { return value < 0 ? "-∞" : "∞" }
        let style = FloatingPointFormatStyle<Double>(locale: Locale(identifier: "en_US_POSIX"))
        return value.formatted(style.precision(.significantDigits(1...5)).grouping(.never))
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a tenant's escalations in their order.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String
        @Option(help: "Such as 2026-11; without it all.") var month: String?
        @Option(help: "Only those after this number.") var after: Int64 = 0
        @Option(help: "At most this many.") var limit = 1000
        @Option(help: "jsonl or csv, as `escalations export` prints them; without it a table.") var format: Format?

        func validate() throws { try EscalationsCommand.check(format, isJSON: options.json) }

        mutating func run() async throws {
            let (tenant, after, limit) = (tenant, after, limit)
            let month = try month.map { text throws(CommandFailure) in
                try ArgumentParsing.month(text, option: "--month")
            }
            let all = try await options.administer {
                try await $0.escalations(tenant: tenant, month: month, after: after, limit: limit)
            }
            if let format { return CommandOutput.print(try EscalationText(format).text(all)) }
            try options.show(
                NamedList("escalations", all.map { EscalationDocument($0) }), text: EscalationsCommand.table(all))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one escalation in full.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "Its number.") var seq: Int64
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (seq, tenant) = (seq, tenant)
            let found = try await options.administer {
                try await $0.escalations(tenant: tenant, after: seq - 1, limit: 1)
            }
            guard let info = found.first, info.seq == seq else {
                throw CommandFailure("seq: \(tenant) has no escalation \(seq)")
            }
            try options.show(EscalationDocument(info), text: EscalationsCommand.details(info))
        }
    }
}
