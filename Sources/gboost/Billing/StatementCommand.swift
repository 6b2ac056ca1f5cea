internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension StatementEntryKind: ExpressibleByArgument {}

/// `gboost statement`: what a tenant owes for a month.
struct StatementCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statement", abstract: "What a tenant owes for a month, and closing months for good.",
        subcommands: [Show.self, Close.self, List.self, Enter.self])

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json, csv, html }

    static func text(_ statement: Statement) -> String {
        var table = TextTable([.init("WHAT"), .init("USD", .right), .init("NOTE")])
        table.rows = StatementText.rows(statement).map { [$0.name, NanoUSD($0.amount).usdString, $0.note] }
        let state =
            statement.closedAt.map { "closed \(CommandOutput.time($0)) by \(statement.closedBy ?? "")" } ?? "open"
        var text = "\(statement.tenant), \(statement.month) (\(statement.timeZone)): \(state)\n\n" + table.render()
        for grouping in SpendGrouping.allCases {
            let lines = statement.breakdown[grouping.rawValue] ?? []
            guard !lines.isEmpty else { continue }
            var table = TextTable([
                .init(grouping.rawValue.uppercased()), .init("USD", .right), .init("CALLS", .right),
            ])
            table.rows = lines.map { [$0.name, NanoUSD($0.nanoUSD).usdString, String($0.calls)] }
            text += "\n" + table.render()
        }
        for grouping in SpendGrouping.allCases {
            let lines = statement.chargeback[grouping.rawValue] ?? []
            guard !lines.isEmpty else { continue }
            var table = TextTable([
                .init("LOCAL MODELS BY \(grouping.rawValue.uppercased())"), .init("USD", .right),
                .init("REQUESTS", .right), .init("TOKENS", .right),
            ])
            table.rows = lines.map { line in
                [
                    line.name, NanoUSD(line.nanoUSD).usdString, String(line.requests),
                    String(line.inputTokens + line.outputTokens),
                ]
            }
            text += "\n" + table.render()
        }
        return text
    }

    static func render(_ statement: Statement, _ format: Format) throws -> String {
        switch format {
        case .table: text(statement)
        case .json: try CommandOutput.json(statement) + "\n"
        case .csv: StatementText.csv(statement)
        case .html: StatementPage.html(statement)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a month, closed or as it stands.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant; a deleted one by its id, as in '#7'.") var tenant: String
        @Option(help: "Such as 2026-11; without it the current month.") var month: String?
        @Option(help: "table, json, csv or html.") var format = Format.table

        mutating func run() async throws {
            let tenant = tenant
            let month = try month.map { text throws(CommandFailure) in
                try ArgumentParsing.month(text, option: "--month")
            }
            let statement = try await options.administer { try await $0.statement(tenant: tenant, month: month) }
            CommandOutput.print(try StatementCommand.render(statement, options.json ? .json : format))
        }
    }

    struct Close: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Close a month for good.",
            discussion: "What is found out about it later goes into the statement of an open month.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant; a deleted one by its id, as in '#7'.") var tenant: String
        @Option(help: "Such as 2026-11.") var month: String

        mutating func run() async throws {
            let (tenant, month) = (tenant, try ArgumentParsing.month(month, option: "--month"))
            let statement = try await options.administer { try await $0.closeStatement(tenant: tenant, month: month) }
            try options.show(statement, text: StatementCommand.text(statement))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the months that are closed.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant; a deleted one by its id, as in '#7'.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let all = try await options.administer { try await $0.statements(tenant: tenant) }
            var table = TextTable([
                .init("MONTH"), .init("CLOSING USD", .right), .init("CLOSED"), .init("BY"), .init("SHA-256"),
            ])
            table.rows = all.map { statement in
                [
                    statement.month, NanoUSD(statement.closingNanoUSD).usdString,
                    CommandOutput.time(statement.closedAt), statement.closedBy, statement.sha256,
                ]
            }
            try options.show(NamedList("statements", all), text: table.render())
        }
    }

    struct Enter: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Enter a credit, a payment (less is owed) or an adjustment (more, or less) into an open month.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "credit, payment or adjustment.") var kind: StatementEntryKind
        @Option(help: "The tenant; a deleted one by its id, as in '#7'.") var tenant: String
        @Option(parsing: .unconditional, help: "Dollars, such as 12.50; an adjustment may be negative, such as -5.")
        var amountUsd: String
        @Option(help: "Why; it stands in the statement.") var reason: String
        @Option(help: "Such as 2026-11; without it the current month.") var month: String?

        mutating func run() async throws {
            let (kind, tenant, reason) = (kind, tenant, reason)
            guard let amount = NanoUSD(usd: amountUsd) else {
                throw CommandFailure.usage("--amount-usd", "'\(amountUsd)' is not a dollar amount")
            }
            let month = try month.map { text throws(CommandFailure) in
                try ArgumentParsing.month(text, option: "--month")
            }
            let entry = try await options.administer {
                try await $0.enter(kind, amount, tenant: tenant, reason: reason, month: month)
            }
            try options.show(entry, text: "entered \(NanoUSD(entry.nanoUSD).usdString) USD: \(entry.reason)\n")
        }
    }
}
