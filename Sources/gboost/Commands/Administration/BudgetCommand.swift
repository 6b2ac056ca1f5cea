internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Ledger

extension BudgetWindow: ExpressibleByArgument {}

/// `gboost budget`.
struct BudgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "budget", abstract: "What may be spent: per tenant, team or key, by day, week or month.",
        subcommands: [Set.self, Show.self, TopUp.self])

    /// A budget as scripts read it.
    struct Line: Encodable {
        var id: Int64
        var scope: String
        var window: String
        var period: String
        /// What the operator set for every period.
        var setNanoUsd: Int64
        var topUpNanoUsd: Int64
        /// The cap in force, now.
        var limitNanoUsd: Int64
        var settledNanoUsd: Int64
        var heldNanoUsd: Int64
        var remainingNanoUsd: Int64
        var alertAt: [Int]
        var timeZone: String?
        var resetsAt: Date?

        init(_ budget: BudgetInfo) {
            id = budget.id
            scope = budget.state.scope
            window = budget.window.rawValue
            period = budget.state.period
            setNanoUsd = budget.limit.rawValue
            topUpNanoUsd = budget.topUp.rawValue
            limitNanoUsd = budget.state.limit.rawValue
            settledNanoUsd = budget.state.settled.rawValue
            heldNanoUsd = budget.state.held.rawValue
            remainingNanoUsd = budget.state.remaining.rawValue
            alertAt = budget.alertAt
            timeZone = budget.timeZone
            resetsAt = budget.state.resetsAt
        }
    }

    static func table(_ budgets: [BudgetInfo]) -> String {
        var table = TextTable([
            .init("SCOPE"), .init("PERIOD"), .init("LIMIT USD", .right), .init("SETTLED USD", .right),
            .init("HELD USD", .right), .init("LEFT USD", .right), .init("RESETS"), .init("ALERT AT"),
        ])
        table.rows = budgets.map { budget in
            let state = budget.state
            return [
                state.scope, state.period, state.limit.usdString, state.settled.usdString, state.held.usdString,
                state.remaining.usdString, CommandOutput.time(state.resetsAt),
                budget.alertAt.map { "\($0) %" }.joined(separator: ", "),
            ]
        }
        return table.render()
    }

    /// Which budget: the tenant's, unless a team or a key is named.
    struct ScopeOptions: ParsableArguments {
        @Option(help: "The tenant.") var tenant: String
        @Option(help: "The budget of this team.") var team: String?
        @Option(help: "The budget of this key, by its number.") var key: Int64?
        @Option(help: "How long a period is: day, week or month.") var window = BudgetWindow.month

        mutating func validate() throws {
            if team != nil, key != nil { throw ValidationError("--team and --key exclude each other") }
        }

        func draft(_ amount: NanoUSD) -> BudgetDraft {
            let scope: BudgetScope = team.map { .team($0) } ?? key.map { .key($0) } ?? .tenant
            return BudgetDraft(tenant: tenant, scope: scope, window: window, limit: amount)
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a limit; it holds at once, also for the open period.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var scope: ScopeOptions
        @Option(help: "Dollars per period, exact to nine decimals.") var limitUsd: String
        @Option(help: "Percentages of the limit at which to alert, such as 50,80,95.") var alertAt: String?
        @Option(help: "IANA time zone of its periods; without it the tenant's.") var timeZone: String?

        mutating func run() async throws {
            var draft = scope.draft(try ArgumentParsing.usd(limitUsd, option: "--limit-usd"))
            if let alertAt { draft.alertAt = try ArgumentParsing.thresholds(alertAt, option: "--alert-at") }
            if let timeZone { draft.timeZone = try ArgumentParsing.timeZone(timeZone, option: "--time-zone") }
            let wanted = draft
            let budget = try await options.administer { try await $0.setBudget(wanted) }
            try options.show(Line(budget), text: BudgetCommand.table([budget]))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a tenant's budgets in their current periods.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let budgets = try await options.administer { try await $0.budgets(tenant: tenant) }
            try options.show(NamedList("budgets", budgets.map(Line.init)), text: BudgetCommand.table(budgets))
        }
    }

    struct TopUp: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "top-up", abstract: "Add to the current period only.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var scope: ScopeOptions
        @Option(help: "Dollars to add.") var amountUsd: String

        mutating func run() async throws {
            let draft = scope.draft(try ArgumentParsing.usd(amountUsd, option: "--amount-usd"))
            let budget = try await options.administer { try await $0.topUpBudget(draft) }
            try options.show(Line(budget), text: BudgetCommand.table([budget]))
        }
    }
}
