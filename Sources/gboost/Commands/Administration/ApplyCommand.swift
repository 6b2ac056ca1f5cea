internal import ArgumentParser
internal import Ledger

/// `gboost apply`.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Bring about what a file declares: tenants and all that is theirs, prices, destinations of events.")
    @OptionGroup var options: AdminOptions
    @Argument(help: "The file, in YAML.") var file: String
    @Flag(help: "Only say what would change. All of it is tried, and taken back.") var plan = false
    @Flag(
        help: "Take away keys, budgets, limits, routes and destinations of the declared tenants that are not declared.")
    var prune = false

    /// What was done, as scripts read it.
    struct Report: Encodable {
        struct Change: Encodable {
            var action: ApplyPlan.Action
            var kind: String
            var tenant: String?
            var name: String
            var fields: [ApplyPlan.Field]
        }
        var changes: [Change]
        var applied: Bool
        /// Keys that were made, with their secrets, this once.
        var keys: [ApplyExecution.MadeKey]
    }

    /// Takes back what a plan has tried.
    private struct TriedOut: Error { var plan: ApplyPlan }

    mutating func run() async throws {
        let (isPlan, prunes) = (plan, prune)
        let declared = try DeclaredState(reading: file)
        let makesKeys = declared.resources.contains { $0.name.kind == .key }
        let result: (plan: ApplyPlan, made: [ApplyExecution.MadeKey])
        do {
            result = try await options.administer(needsPepper: makesKeys) { store in
                try await store.inOneTransaction { store in
                    let current = try await CurrentState(of: declared.tenants, store)
                    let plan = try ApplyPlan(declared: declared, current: current, prunes: prunes)
                    var execution = ApplyExecution(store, keys: current.keys)
                    try await execution.run(plan)
                    if isPlan { throw TriedOut(plan: plan) }
                    return (plan, execution.made)
                }
            }
        } catch let tried as TriedOut { result = (tried.plan, []) }
        let report = Report(
            changes: result.plan.changes.map {
                .init(
                    action: $0.action, kind: $0.name.kind.rawValue, tenant: $0.name.tenant, name: $0.name.text,
                    fields: $0.fields)
            }, applied: !isPlan && !result.plan.isEmpty, keys: result.made)
        try options.show(report, text: Self.text(result.plan, result.made, isPlan: isPlan))
    }

    private static func text(_ plan: ApplyPlan, _ made: [ApplyExecution.MadeKey], isPlan: Bool) -> String {
        if plan.isEmpty { return "nothing to change\n" }
        var text = plan.text + (isPlan ? "" : "done\n")
        if !made.isEmpty { text += "\nThese keys are shown this once; only hashes of them are kept:\n" }
        for key in made { text += "\(key.tenant) \(key.name) (key \(key.id)): \(key.key)\n" }
        return text
    }
}
