internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger
internal import Logging
internal import Postgres
internal import Providers
internal import WireFormat

/// `gboost import`.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take over what another gateway was told.", subcommands: [LiteLLM.self])

    struct LiteLLM: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "litellm",
            abstract: "Take over a LiteLLM proxy's configuration, and the keys, teams and budgets in its database.",
            discussion: """
                Clients keep their keys: LiteLLM stores the SHA-256 of each, and what is stored here is a keyed hash of
                that. What has no equal here is named. A second run changes what has changed since, and nothing else.
                --config is LiteLLM's file; --gboost-config, or gboost.yaml, says where our own database is.
                """)
        @Option(help: "LiteLLM's configuration file.") var config: String
        @Option(help: "LiteLLM's database, as postgresql://… or env:NAME.") var databaseURL: String?
        @Option(help: "LiteLLM's price file (model_prices_and_context_window.json).") var prices: String?
        @Option(help: "The tenant of whatever belongs to no organization.") var tenant = "litellm"
        @Option(name: .customLong("gboost-config"), help: "Configuration of this gateway; without it gboost.yaml.")
        var own: String?
        @Option(help: "Write the providers' part of gboost.yaml into this file, which must not exist.")
        var write: String?
        @Flag(help: "Say what would be done. All of it is tried, and taken back.") var dryRun = false
        @Flag(help: "Print one JSON document.") var json = false

        /// Takes back what a dry run has tried.
        private struct TriedOut: Error { var outcome: Outcome }
        private struct Outcome: Sendable {
            var changes: ApplyPlan
            var prices: PriceImport
            /// Of tenants that cannot pay for every call.
            var remarks: [ImportRemark]
        }

        mutating func run() async throws {
            if let write, !dryRun { try OutputFile.checkNew(write, option: "--write") }
            var source = try LiteLLMSource(reading: config)
            if let databaseURL { try source.add(try await Self.tables(databaseURL)) }
            var plan = try LiteLLMPlan(source, tenant: tenant, environment: ProcessInfo.processInfo.environment)
            let file = try prices.map { path throws(CommandFailure) in try Self.contents(path) }
            do throws(WireFormatError) { try plan.addPrices(file) } catch {
                throw CommandFailure("\(prices ?? config): \(error.message)")
            }
            let finished = plan
            let outcome = try await bringAbout(finished)
            plan.remarks += outcome.prices.skipped.map { ImportRemark(path: "price of \($0.model)", reason: $0.reason) }
            plan.remarks += outcome.remarks
            let report = LiteLLMReport(
                plan, changes: outcome.changes, prices: outcome.prices, isDryRun: dryRun)
            if let write, !dryRun { try report.writeConfiguration(to: write) }
            if json { try CommandOutput.print(json: report) } else { CommandOutput.print(report.text) }
        }

        private func bringAbout(_ plan: LiteLLMPlan) async throws -> Outcome {
            let isDryRun = dryRun
            let options = AdminOptions(configuration: ConfigurationFileOption(file: own), json: json)
            let declared = DeclaredState(resources: plan.resources, tenants: plan.tenants)
            let makesKeys = plan.resources.contains { $0.name.kind == .key }
            do {
                return try await options.apply(
                    plan.source.file, trial: "--dry-run", isTrial: isDryRun, needsPepper: makesKeys
                ) { store in
                    try await store.inOneTransaction { store in
                        try await store.lockTenants(plan.tenants)
                        let current = try await CurrentState(of: plan.tenants, store)
                        let changes = try ApplyPlan(declared: declared, current: current, prunes: false)
                        var execution = ApplyExecution(store, keys: current.keys, isTrial: isDryRun)
                        try await execution.run(changes)
                        let prices = try await store.importPrices(plan.prices, source: plan.source.file)
                        let remarks = try await Self.budgetRemarks(of: plan.tenants, store)
                        let outcome = Outcome(changes: changes, prices: prices, remarks: remarks)
                        if isDryRun { throw TriedOut(outcome: outcome) }
                        return outcome
                    }
                }
            } catch let tried as TriedOut { return tried.outcome }
        }

        /// Tenants that have no cap of their own for some call: it would be refused, whatever teams and keys have.
        private static func budgetRemarks(of tenants: [String], _ store: AdminStore) async throws -> [ImportRemark] {
            var remarks: [ImportRemark] = []
            for tenant in tenants {
                guard let gap = BudgetGap(try await store.budgets(tenant: tenant), of: tenant) else { continue }
                remarks.append(ImportRemark(path: "tenant \(tenant)", reason: gap.text))
            }
            return remarks
        }

        private static func tables(_ text: String) async throws -> LiteLLMTables {
            var url = text
            if text.hasPrefix("env:") || text.hasPrefix("file:") {
                do { url = try SecretReference(text).resolve().revealed } catch {
                    throw CommandFailure.usage("--database-url", "\(error)")
                }
            }
            return try await DatabaseSession.connected(to: url, as: nil) { pool in try await LiteLLMTables(pool) }
        }

        private static func contents(_ path: String) throws(CommandFailure) -> [UInt8] {
            do {
                let handle = try FileHandle(forReadingFrom: URL(filePath: path))
                defer { try? handle.close() }
                // One byte more than is allowed tells a file that is too large.
                return Array(try handle.read(upToCount: LiteLLMPriceFile.maxBytes + 1) ?? Data())
            } catch {
                throw CommandFailure("\(path): cannot be read: \(FileFailure.unreadable(path))")
            }
        }
    }
}
