internal import ArgumentParser
internal import GatewayServer
internal import Ledger

/// `gboost retention`.
struct RetentionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retention",
        abstract: "How many months requests and escalations are kept. Ledger entries are kept for ever.",
        subcommands: [Set.self, Show.self])

    static func table(_ all: [RetentionInfo]) -> String {
        var table = TextTable([.init("RELATION"), .init("MONTHS", .right), .init("OLDEST"), .init("NEWEST")])
        table.rows = all.map { info in
            [
                info.relation, info.months.map { String($0) } ?? "for ever", info.partitions.first ?? "",
                info.partitions.last ?? "",
            ]
        }
        return table.render()
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep a relation's months for so long; older ones are dropped as a whole, and an event says so.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "requests or escalations.") var relation: String
        @Option(help: "Whole months before the current one.") var months: Int?
        @Flag(help: "Drop nothing.") var forever = false

        mutating func validate() throws {
            if (months == nil) != forever { throw ValidationError("give either --months or --forever") }
        }

        mutating func run() async throws {
            let (relation, months) = (relation, months)
            let info = try await options.administer { try await $0.setRetention(relation, months: months) }
            try options.show(info, text: RetentionCommand.table([info]))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show how long everything is kept.")
        @OptionGroup var options: AdminOptions

        mutating func run() async throws {
            let all = try await options.administer { try await $0.retention() }
            try options.show(NamedList("retention", all), text: RetentionCommand.table(all))
        }
    }
}
