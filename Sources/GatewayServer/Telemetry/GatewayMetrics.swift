internal import GatewayCore

/// The gateway's metric families and the places they are counted from. Names are public: dashboards rely on them.
package struct GatewayMetrics: Sendable {
    package let registry: MetricsRegistry

    private static let seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    private static let shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]

    package init(registry: MetricsRegistry = MetricsRegistry()) {
        self.registry = registry
        let r = registry
        r.declare("gboost_requests_total", .counter, help: "Finished requests.", labels: ["tenant", "model", "status"])
        r.declare(
            "gboost_request_seconds", .histogram, help: "Time from request to the last byte.",
            labels: ["served_by"], bounds: Self.seconds)
        r.declare(
            "gboost_first_byte_seconds", .histogram, help: "Time from request to the first byte of the answer.",
            labels: ["served_by"], bounds: Self.seconds)
        r.declare("gboost_tokens_total", .counter, help: "Tokens by kind.", labels: ["tenant", "kind"])
        r.declare("gboost_cost_nano_usd_total", .counter, help: "Settled cost.", labels: ["tenant", "model"])
        r.declare(
            "gboost_decisions_total", .counter, help: "Router decisions by action.", labels: ["tenant", "action"])
        r.declare(
            "gboost_escalations_total", .counter, help: "Paid calls by kind and outcome.",
            labels: ["tenant", "kind", "outcome"])
        r.declare(
            "gboost_step_reward", .histogram, help: "Calibrated process reward of drafted steps.", labels: ["tenant"],
            bounds: Self.shares)
        r.declare(
            "gboost_reservations_denied_total", .counter, help: "Holds that were refused.",
            labels: ["tenant", "reason"])
        r.declare("gboost_shadow_price", .gauge, help: "Shadow price of the budget.", labels: ["tenant", "route"])
        r.declare("gboost_in_flight_requests", .gauge, help: "Requests being answered now.")
        r.declare("gboost_in_flight_paid_calls", .gauge, help: "Paid calls that are not settled yet.")
        r.declare("gboost_degraded_total", .counter, help: "Answers with a degraded reason.", labels: ["reason"])
        r.declare(
            "gboost_provider_seconds", .histogram, help: "Time of paid calls, to the last byte.",
            labels: ["provider"], bounds: Self.seconds)
        r.declare("gboost_provider_errors_total", .counter, help: "Failed paid calls.", labels: ["provider", "code"])
        r.declare("gboost_provider_retries_total", .counter, help: "Paid calls tried again.", labels: ["provider"])
        r.declare(
            "gboost_provider_breaker_open", .gauge, help: "1 while a provider is left alone after failures.",
            labels: ["provider"])
        r.declare("gboost_journal_depth", .gauge, help: "Settlements waiting in the journal for the database.")
        r.declare(
            "gboost_budget_nano_usd", .gauge, help: "Budgets of the open period, from the ledger at scrape.",
            labels: ["tenant", "scope", "period", "kind"])
        r.declare("gboost_holds_open", .gauge, help: "Dispatched holds that are not settled, at scrape.")
        r.declare("gboost_hold_age_seconds", .gauge, help: "Age of the oldest open hold, at scrape.")
        r.declare(
            "gboost_audit_lag_seconds", .gauge,
            help: "How long the oldest record that this gateway sealed in its latest round had waited.")
        r.declare("gboost_audit_sealed_records", .gauge, help: "Records sealed by this gateway since its start.")
        r.declare("gboost_audit_failures", .gauge, help: "Rounds of sealing that failed, since the start.")
        r.declare(
            "gboost_audit_unpublished_checkpoints", .gauge,
            help: "Checkpoints of this gateway's that wait to be published, over all places.")
        r.declare(
            "gboost_texts", .gauge, help: "Texts of paid calls, of tenants that have them kept: kept, and lost.",
            labels: ["fate"])
        Self.declareModels(r)
    }

    private static func declareModels(_ r: MetricsRegistry) {
        r.declare("gboost_engine_queue", .gauge, help: "Drafts waiting in an engine host.", labels: ["model"])
        r.declare("gboost_engine_active", .gauge, help: "Drafts under way in an engine host.", labels: ["model"])
        r.declare(
            "gboost_engine_tokens", .gauge,
            help: "Tokens since the host's start: evaluated, generated, and found again instead of evaluated.",
            labels: ["model", "kind"])
        r.declare(
            "gboost_engine_requests", .gauge,
            help: "Requests since the host's start that were paused for another tenant, or refused for overload.",
            labels: ["model", "kind"])
        r.declare("gboost_models_resident", .gauge, help: "Models in memory.")
        r.declare(
            "gboost_models_bytes", .gauge, help: "Memory of models: used, and what they may use.", labels: ["kind"])
        r.declare("gboost_model_loads", .gauge, help: "Models loaded since the start.")
        r.declare("gboost_model_evictions", .gauge, help: "Models unloaded since the start.")
        r.declare("gboost_model_load_failures", .gauge, help: "Models that could not be loaded, since the start.")
    }
}
