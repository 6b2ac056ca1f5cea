internal import Ledger

/// A declaration that was brought about, or tried out: for the command and for the HTTP interface.
struct ApplyRun: Sendable {
    var plan: ApplyPlan
    /// Keys that were made, with their secrets, this once. None of a plan's: they were taken back.
    var made: [ApplyExecution.MadeKey]
    var isPlan: Bool

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
        var keys: [ApplyExecution.MadeKey]
    }

    /// Takes back what a plan has tried.
    private struct TriedOut: Error { var plan: ApplyPlan }

    /// All of it in one transaction.
    /// - Parameters:
    ///   - prunes: takes away what declared tenants have beyond the declaration.
    ///   - isPlan: only says what would change. All of it is tried, and taken back.
    static func run(
        _ declared: DeclaredState, prunes: Bool, isPlan: Bool, _ store: AdminStore
    ) async throws -> ApplyRun {
        do {
            return try await store.inOneTransaction { store in
                // Before they are read: nobody else changes them from here on.
                try await store.lockTenants(declared.tenants)
                let current = try await CurrentState(of: declared.tenants, store)
                let plan = try ApplyPlan(declared: declared, current: current, prunes: prunes)
                var execution = ApplyExecution(store, keys: current.keys, isTrial: isPlan)
                try await execution.run(plan)
                if isPlan { throw TriedOut(plan: plan) }
                return ApplyRun(plan: plan, made: execution.made, isPlan: false)
            }
        } catch let tried as TriedOut { return ApplyRun(plan: tried.plan, made: [], isPlan: true) }
    }

    var report: Report {
        Report(
            changes: plan.changes.map {
                Report.Change(
                    action: $0.action, kind: $0.name.kind.rawValue, tenant: $0.name.tenant, name: $0.name.text,
                    fields: $0.fields)
            }, applied: !isPlan && !plan.isEmpty, keys: made)
    }

    /// The same for people.
    var text: String {
        if plan.isEmpty { return "nothing to change\n" }
        var text = plan.text + (isPlan ? "" : "done\n")
        if !made.isEmpty { text += "\nThese keys are shown this once; only hashes of them are kept:\n" }
        for key in made { text += "\(key.tenant) \(key.name) (key \(key.id)): \(key.key)\n" }
        return text
    }
}
