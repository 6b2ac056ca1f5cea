internal import GatewayCore
internal import GatewayServer
internal import Inference
internal import Ledger

/// Fills the gauges of the metrics from the ledger at a scrape, so that they can never drift away from it.
struct LedgerGaugeRefresh: Sendable {
    let admin: AdminStore
    let ledger: PostgresLedger
    let models: EngineModels
    let sealer: AuditSealer
    let texts: TextStore?

    func fill(_ metrics: GatewayMetrics) async {
        let registry = metrics.registry
        registry.set("gboost_journal_depth", Double(ledger.journalDepth.records))
        registry.set("gboost_audit_lag_seconds", sealer.statistics.lagSeconds)
        registry.set("gboost_audit_sealed_records", Double(sealer.statistics.records))
        registry.set("gboost_audit_failures", Double(sealer.statistics.failures))
        registry.set("gboost_audit_unpublished_checkpoints", Double(sealer.unpublished))
        if let texts {
            registry.set("gboost_texts", Double(texts.statistics.kept), ["kept"])
            registry.set("gboost_texts", Double(texts.statistics.lost), ["lost"])
        }
        registry.reset("gboost_engine_queue")
        registry.reset("gboost_engine_active")
        registry.reset("gboost_engine_tokens")
        registry.reset("gboost_engine_requests")
        for (file, status) in await models.statuses() {
            let name = file.split(separator: "/").last.map(String.init) ?? file
            registry.set("gboost_engine_queue", Double(status.queued), [name])
            registry.set("gboost_engine_active", Double(status.active), [name])
            registry.set("gboost_engine_tokens", Double(status.evaluatedTokens), [name, "evaluated"])
            registry.set("gboost_engine_tokens", Double(status.generatedTokens), [name, "generated"])
            registry.set("gboost_engine_tokens", Double(status.reusedTokens), [name, "reused"])
            registry.set("gboost_engine_requests", Double(status.paused), [name, "paused"])
            registry.set("gboost_engine_requests", Double(status.overloaded), [name, "overloaded"])
        }
        let memory = await models.memory
        registry.set("gboost_models_resident", Double(memory.resident))
        registry.set("gboost_models_bytes", Double(memory.bytes), ["used"])
        registry.set("gboost_models_bytes", Double(memory.budgetBytes), ["budget"])
        registry.set("gboost_model_loads", Double(memory.loads))
        registry.set("gboost_model_evictions", Double(memory.evictions))
        registry.set("gboost_model_load_failures", Double(memory.failures))
        // With the database away the last figures would be stale: better none.
        registry.reset("gboost_budget_nano_usd")
        registry.reset("gboost_holds_open")
        guard let gauges = try? await admin.gauges() else { return }
        registry.set("gboost_holds_open", Double(gauges.openHolds))
        registry.set("gboost_hold_age_seconds", gauges.oldestOpenSeconds)
        for budget in gauges.budgets {
            let labels = [budget.tenant, budget.state.scope, budget.state.period]
            registry.set("gboost_budget_nano_usd", Double(budget.state.limit.rawValue), labels + ["limit"])
            registry.set("gboost_budget_nano_usd", Double(budget.state.settled.rawValue), labels + ["settled"])
            registry.set("gboost_budget_nano_usd", Double(budget.state.held.rawValue), labels + ["held"])
        }
    }
}
