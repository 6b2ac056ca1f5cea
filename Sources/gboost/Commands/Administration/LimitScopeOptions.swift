internal import ArgumentParser
internal import Ledger

extension LimitedTraffic: ExpressibleByArgument {}

extension Weekday: ExpressibleByArgument {}

/// Whose budget or limit, and of which calls: the tenant's whole, unless something narrower is named.
struct LimitScopeOptions: ParsableArguments {
    @Option(help: "The tenant.") var tenant: String
    @Option(help: "That of this team.") var team: String?
    @Option(help: "That of this key, by its number.") var key: Int64?
    @Option(help: "Only paid models that match count, as in 'openai/gpt-4*'.") var model: String?
    @Option(help: "Only requests with this tag count.") var tag: String?

    mutating func validate() throws {
        if team != nil, key != nil { throw ValidationError("--team and --key exclude each other") }
    }

    var scope: BudgetScope { team.map { .team($0) } ?? key.map { .key($0) } ?? .tenant }
}
