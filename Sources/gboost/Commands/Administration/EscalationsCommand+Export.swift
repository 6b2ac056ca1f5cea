internal import ArgumentParser
internal import GatewayServer
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

extension EscalationText {
    init(_ format: EscalationsCommand.Format) { self.init(format == .csv ? .columns : .lines) }

    /// Prints all that `page` gives for the last number already seen.
    func write(after: Int64, page: (Int64) async throws -> [EscalationInfo]) async throws {
        try await write(after: after, page: page) { piece in try CommandOutput.stream(piece) }
    }
}
