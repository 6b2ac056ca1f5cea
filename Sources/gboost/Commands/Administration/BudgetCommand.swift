internal import ArgumentParser
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension BudgetWindow: ExpressibleByArgument {}

/// `gboost budget`.
struct BudgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "budget", abstract: "What may be spent: per tenant, team, key, model or tag, in a period.",
        subcommands: [Set.self, Show.self, TopUp.self, Remove.self, BudgetOverrideCommand.self])

    static func table(_ budgets: [BudgetInfo]) -> String {
        var columns: [TextTable.Column] = [
            .init("SCOPE"), .init("PERIOD"), .init("LIMIT USD", .right), .init("SETTLED USD", .right),
            .init("HELD USD", .right), .init("LEFT USD", .right), .init("RESETS"), .init("ALERT AT"),
        ]
        // Only where one is exceeded: the cap in force is then what is used.
        let hasOver = budgets.contains { $0.overBy > .zero }
        if hasOver { columns.append(.init("OVER BY USD", .right)) }
        var table = TextTable(columns)
        table.rows = budgets.map { budget in
            let state = budget.state
            var row = [
                state.scope, state.period, budget.periodLimit.usdString, state.settled.usdString,
                state.held.usdString, state.remaining.usdString, CommandOutput.time(state.resetsAt),
                budget.alertAt.map { "\($0) %" }.joined(separator: ", "),
            ]
            if hasOver { row.append(budget.overBy > .zero ? budget.overBy.usdString : "") }
            return row
        }
        return table.render()
    }

    /// Which budget: the tenant's, unless a team, a key, a model or a tag is named.
    struct ScopeOptions: ParsableArguments {
        @OptionGroup var scope: LimitScopeOptions
        @Option(help: "How long a period is; request: what a single request may cost.") var window = BudgetWindow.month

        func draft(_ amount: NanoUSD) -> BudgetDraft {
            BudgetDraft(
                tenant: scope.tenant, scope: scope.scope, model: scope.model, tag: scope.tag, window: window,
                limit: amount)
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
        @Option(help: "First day of the week.") var weekStart: Weekday?
        @Option(help: "The most that a period passes on to the next, in dollars, or none.") var rolloverUsd: String?

        mutating func run() async throws {
            var draft = scope.draft(try ArgumentParsing.usd(limitUsd, option: "--limit-usd"))
            if let alertAt { draft.alertAt = try ArgumentParsing.thresholds(alertAt, option: "--alert-at") }
            if let timeZone { draft.timeZone = try ArgumentParsing.timeZone(timeZone, option: "--time-zone") }
            draft.weekStart = weekStart?.number
            if let rolloverUsd { draft.rollover = try ArgumentParsing.rollover(rolloverUsd, option: "--rollover-usd") }
            let wanted = draft
            let budget = try await options.administer { try await $0.setBudget(wanted) }
            try options.show(BudgetDocument(budget), text: BudgetCommand.table([budget]))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a tenant's budgets in their current periods.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let budgets = try await options.administer { try await $0.budgets(tenant: tenant) }
            try options.show(
                NamedList("budgets", budgets.map { BudgetDocument($0) }), text: BudgetCommand.table(budgets))
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
            try options.show(BudgetDocument(budget), text: BudgetCommand.table([budget]))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a budget away; its history stays. One that is set again begins anew.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var scope: ScopeOptions

        mutating func run() async throws {
            let draft = scope.draft(.zero)
            let budget = try await options.administer { try await $0.removeBudget(draft) }
            try options.show(BudgetDocument(budget), text: "removed the budget of \(budget.state.scope)\n")
        }
    }
}
