internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Inference
internal import Ledger
internal import Outbox

/// Fills the gauges of the metrics from the ledger at a scrape, so that they can never drift away from it.
struct LedgerGaugeRefresh: Sendable {
    let admin: AdminStore
    let ledger: PostgresLedger
    let models: EngineModels
    let sealer: AuditSealer
    let texts: TextStore?

    /// From this share on a budget counts as nearly spent.
    private static let nearlySpent = 0.9

    func fill(_ metrics: GatewayMetrics) async {
        let registry = metrics.registry
        let batches = ledger.batches
        registry.set("gboost_ledger_batches_total", Double(batches.batches))
        registry.set("gboost_ledger_batch_items_total", Double(batches.reservations), ["reservation"])
        registry.set("gboost_ledger_batch_items_total", Double(batches.settlements), ["settlement"])
        registry.set("gboost_ledger_batch_seconds_total", batches.time / .seconds(1))
        let journal = ledger.journalDepth
        registry.set("gboost_journal_depth", Double(journal.records))
        registry.set("gboost_journal_settlements", Double(journal.settlements))
        registry.set("gboost_audit_lag_seconds", sealer.statistics.lagSeconds)
        registry.set("gboost_audit_sealed_records", Double(sealer.statistics.records))
        registry.set("gboost_audit_failures", Double(sealer.statistics.failures))
        registry.set("gboost_audit_unpublished_checkpoints", Double(sealer.unpublished))
        if let texts {
            registry.set("gboost_texts", Double(texts.statistics.kept), ["kept"])
            registry.set("gboost_texts", Double(texts.statistics.lost), ["lost"])
        }
        await fillModels(registry)
        // With the database away the last figures would be stale: better none.
        let gauges = try? await admin.gauges()
        registry.set("gboost_postgres_up", gauges == nil ? 0 : 1)
        fillHolds(gauges, registry)
        fillBudgets(gauges?.budgets ?? [], registry)
        fillOutbox((try? await admin.destinations(everybody: true)) ?? [], registry)
    }

    private func fillHolds(_ gauges: LedgerGauges?, _ registry: MetricsRegistry) {
        func one(_ name: String, _ value: Double?) {
            registry.replace(name, value.map { [(labels: [], value: $0)] } ?? [])
        }
        one("gboost_holds_open", gauges.map { Double($0.openHolds) })
        one("gboost_hold_age_seconds", gauges?.oldestOpenSeconds)
        one("gboost_audit_unsealed_records", gauges.map { Double($0.unsealedRecords) })
        one("gboost_audit_unsealed_seconds", gauges?.unsealedSeconds)
        let unreconciled = gauges?.unreconciled ?? []
        registry.replace("gboost_holds_unreconciled", unreconciled.map { ([$0.tenant], Double($0.holds)) })
        registry.replace(
            "gboost_unreconciled_nano_usd", unreconciled.map { ([$0.tenant], Double($0.amount.rawValue)) })
    }

    private func fillOutbox(_ destinations: [DestinationInfo], _ registry: MetricsRegistry) {
        func all(_ name: String, _ value: (DestinationInfo) -> Double) {
            registry.replace(
                name, destinations.map { ([$0.tenant ?? "", $0.destination.name], value($0)) })
        }
        all("gboost_outbox_pending") { Double($0.pending) }
        all("gboost_outbox_oldest_seconds", \.oldestSeconds)
        all("gboost_outbox_usage_behind") { Double($0.usageBehind) }
        all("gboost_outbox_dead") { Double($0.dead) }
        all("gboost_outbox_delivered") { Double($0.delivered) }
        all("gboost_outbox_failed") { Double($0.failed) }
        all("gboost_outbox_paused") { $0.pausedAt == nil ? 0 : 1 }
    }

    private func fillBudgets(_ all: [LedgerGauges.Budget], _ registry: MetricsRegistry) {
        // Keys come and go by the thousand: they are counted, not named.
        let budgets = all.filter { !$0.isOfKey }
        registry.replace(
            "gboost_budget_nano_usd",
            budgets.flatMap { budget in
                let state = budget.state
                return [("limit", state.limit), ("settled", state.settled), ("held", state.held)].map {
                    (Self.labels(budget) + [$0.0], Double($0.1.rawValue))
                }
            })
        registry.replace(
            "gboost_budget_threshold_nano_usd",
            budgets.flatMap { budget in
                budget.thresholds.map {
                    (Self.labels(budget) + [String($0)], Double(budget.state.limit.rawValue) * Double($0) / 100)
                }
            })
        let starts = budgets.compactMap { budget in
            budget.startsAt.map { (Self.labels(budget), $0.timeIntervalSince1970) }
        }
        registry.replace("gboost_budget_start_timestamp_seconds", starts)
        let ends = budgets.compactMap { budget in
            budget.state.resetsAt.map { (Self.labels(budget), $0.timeIntervalSince1970) }
        }
        registry.replace("gboost_budget_end_timestamp_seconds", ends)
        let uses = Dictionary(grouping: all.filter(\.isOfKey)) { [$0.tenant, Self.use($0.state)] }
        registry.replace("gboost_key_budgets", uses.map { ($0.key, Double($0.value.count)) })
    }

    private static func labels(_ budget: LedgerGauges.Budget) -> [String] {
        [budget.tenant, budget.state.scope, budget.state.period]
    }

    private static func use(_ state: BudgetState) -> String {
        let used = Double(state.settled.rawValue) + Double(state.held.rawValue)
        let limit = Double(state.limit.rawValue)
        return used >= limit ? "spent" : used >= nearlySpent * limit ? "nearly_spent" : "open"
    }

    private func fillModels(_ registry: MetricsRegistry) async {
        let hosts = await models.hosts()
        let known = hosts.map { (Self.name($0.key, among: hosts.keys), $0.value) }
        registry.replace("gboost_engine_up", known.map { ([$0.0], $0.1.status == nil ? 0 : 1) })
        registry.replace("gboost_engine_starts_total", known.map { ([$0.0], Double($0.1.starts)) })
        registry.replace("gboost_engine_crashes_total", known.map { ([$0.0], Double($0.1.crashes)) })
        let answering = known.compactMap { name, host in host.status.map { (name, $0) } }
        registry.replace("gboost_engine_queue", answering.map { ([$0.0], Double($0.1.queued)) })
        registry.replace("gboost_engine_active", answering.map { ([$0.0], Double($0.1.active)) })
        registry.replace("gboost_engine_decodes", answering.map { ([$0.0], Double($0.1.decodes)) })
        registry.replace(
            "gboost_engine_tokens",
            answering.flatMap { name, status in
                [
                    ([name, "evaluated"], Double(status.evaluatedTokens)),
                    ([name, "generated"], Double(status.generatedTokens)),
                    ([name, "reused"], Double(status.reusedTokens)),
                ]
            })
        registry.replace(
            "gboost_engine_requests",
            answering.flatMap { name, status in
                [
                    ([name, "paused"], Double(status.paused)), ([name, "overloaded"], Double(status.overloaded)),
                ]
            })
        let memory = await models.memory
        registry.set("gboost_models_resident", Double(memory.resident))
        registry.set("gboost_models_bytes", Double(memory.bytes), ["used"])
        registry.set("gboost_models_bytes", Double(memory.budgetBytes), ["budget"])
        registry.set("gboost_model_loads", Double(memory.loads))
        registry.set("gboost_model_evictions", Double(memory.evictions))
        registry.set("gboost_model_load_failures", Double(memory.failures))
    }

    /// A file's own name, unless another directory has one of the same.
    private static func name(_ file: String, among files: some Collection<String>) -> String {
        func last(_ path: String) -> Substring { path.split(separator: "/").last ?? Substring(path) }
        let isShared = files.contains { $0 != file && last($0) == last(file) }
        return isShared ? file : String(last(file))
    }
}
