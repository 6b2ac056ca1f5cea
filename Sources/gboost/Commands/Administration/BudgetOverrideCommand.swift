internal import ArgumentParser
internal import GatewayCore
internal import GatewayServer
internal import Ledger

/// `gboost budget override`.
struct BudgetOverrideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "override", abstract: "Another limit for the periods that begin within a span of days.",
        subcommands: [Add.self, List.self, Remove.self])

    static func table(_ overrides: [BudgetOverride]) -> String {
        var table = TextTable([.init("ID", .right), .init("FROM"), .init("UNTIL"), .init("LIMIT USD", .right)])
        table.rows = overrides.map { [String($0.id), $0.from, $0.until, $0.limit.usdString] }
        return table.render()
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a budget another limit for some days; of several the newest counts.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var scope: BudgetCommand.ScopeOptions
        @Option(help: "Dollars per period.") var limitUsd: String
        @Option(help: "First day, as in 2026-12-01.") var from: String
        @Option(help: "First day after it.") var until: String

        mutating func run() async throws {
            let draft = scope.draft(try ArgumentParsing.usd(limitUsd, option: "--limit-usd"))
            let (from, until) = (from, until)
            let (budget, id) = try await options.administer {
                try await $0.overrideBudget(draft, from: from, until: until)
            }
            // The budget's current period may have nothing to do with these days: the table is of what was made.
            let made = BudgetOverride(id: id, from: from, until: until, limit: draft.limit)
            try options.show(BudgetDocument(budget, override: id), text: BudgetOverrideCommand.table([made]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a budget's overrides.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var scope: BudgetCommand.ScopeOptions

        mutating func run() async throws {
            let draft = scope.draft(.zero)
            let overrides = try await options.administer { try await $0.overrides(of: draft) }
            try options.show(
                NamedList("overrides", overrides.map { BudgetOverrideDocument($0) }),
                text: BudgetOverrideCommand.table(overrides))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take an override back; periods that are over stay as they were.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The override's number, from 'gboost budget override list'.") var id: Int64
        @OptionGroup var scope: BudgetCommand.ScopeOptions

        mutating func run() async throws {
            let (draft, id) = (scope.draft(.zero), id)
            let budget = try await options.administer { try await $0.removeOverride(id, of: draft) }
            try options.show(BudgetDocument(budget), text: BudgetCommand.table([budget]))
        }
    }
}
