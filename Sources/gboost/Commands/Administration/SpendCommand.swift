internal import ArgumentParser
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension SpendGrouping: ExpressibleByArgument {}

/// `gboost spend`: a month's spend, exact to the nano-dollar.
struct SpendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spend", abstract: "What a tenant spent in a month of its time zone.")

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json, csv, focus }

    @OptionGroup var configuration: ConfigurationFileOption
    @Option(help: "The tenant.") var tenant: String
    @Option(help: "Such as 2026-11; without it the current month.") var month: String?
    @Option(help: "team, key, model, day or route.") var by = SpendGrouping.model
    @Option(help: "table, json, csv, or focus: FOCUS columns as CSV, by day.") var format = Format.table
    @Flag(help: "The same as --format json.") var json = false

    func validate() throws {
        // FOCUS is columns; a script that asked for JSON must not be given CSV.
        guard format != .focus || !json else { throw ValidationError("--json: --format focus is CSV only") }
    }

    mutating func run() async throws {
        let options = AdminOptions(configuration: configuration, json: json || format == .json)
        let (tenant, by) = (tenant, by)
        let month = try month.map { text throws(CommandFailure) in
            try ArgumentParsing.month(text, option: "--month")
        }
        if format == .focus {
            let rows = try await options.administer { try await $0.focus(tenant: tenant, month: month) }
            return CommandOutput.print(FocusText.csv(rows))
        }
        let report = try await options.administer { try await $0.spend(tenant: tenant, month: month, by: by) }
        try options.show(report, text: format == .csv ? SpendText.csv(report) : Self.table(report))
    }

    static func table(_ report: SpendReport) -> String {
        var table = TextTable([
            .init(report.by.rawValue.uppercased()), .init("USD", .right), .init("UNRECONCILED USD", .right),
            .init("CALLS", .right), .init("INPUT TOKENS", .right), .init("OUTPUT TOKENS", .right),
        ])
        table.rows = report.rows.map { row in
            [
                row.name, NanoUSD(row.nanoUSD).usdString,
                row.unreconciledNanoUSD == 0 ? "" : NanoUSD(row.unreconciledNanoUSD).usdString, String(row.calls),
                String(row.inputTokens), String(row.outputTokens),
            ]
        }
        var local = TextTable([
            .init("LOCAL MODELS BY \(report.by.rawValue.uppercased())"), .init("USD", .right),
            .init("REQUESTS", .right), .init("INPUT TOKENS", .right), .init("OUTPUT TOKENS", .right),
        ])
        local.rows = report.chargebackRows.map { row in
            [
                row.name, NanoUSD(row.nanoUSD).usdString, String(row.requests), String(row.inputTokens),
                String(row.outputTokens),
            ]
        }
        let chargeback =
            report.chargebackRows.isEmpty
            ? ""
            : """

            charged inside for local models, on no budget: \(NanoUSD(report.chargebackNanoUSD).usdString) USD

            \(local.render())
            """
        let limit = report.limitNanoUSD.map { "\(NanoUSD($0).usdString) USD" } ?? "none"
        return """
            \(report.tenant), \(report.month): settled \(NanoUSD(report.settledNanoUSD).usdString) USD, \
            held \(NanoUSD(report.heldNanoUSD).usdString) USD, monthly limit \(limit)

            \(table.render())\(chargeback)
            """
    }
}
