internal import GatewayCore

/// The gateway's metric families and the places they are counted from. Names are public: dashboards rely on them.
package struct GatewayMetrics: Sendable {
    package let registry: MetricsRegistry

    private static let seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    private static let milliseconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
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
        r.declare(
            "gboost_overhead_seconds", .histogram, help: "Time of a request that was the gateway's own.",
            labels: ["served_by"], bounds: Self.milliseconds)
        r.declare("gboost_tokens_total", .counter, help: "Tokens by kind.", labels: ["tenant", "kind"])
        r.declare("gboost_in_flight_requests", .gauge, help: "Requests being answered now.")
        r.declare("gboost_in_flight_paid_calls", .gauge, help: "Paid calls that are not settled yet.")
        r.declare("gboost_degraded_total", .counter, help: "Answers with a degraded reason.", labels: ["reason"])
        r.declare(
            "gboost_provider_seconds", .histogram, help: "Time of paid calls, to the last byte.",
            labels: ["provider"], bounds: Self.seconds)
        r.declare("gboost_provider_calls_total", .counter, help: "Paid calls, each try.", labels: ["provider"])
        r.declare("gboost_provider_errors_total", .counter, help: "Failed paid calls.", labels: ["provider", "code"])
        r.declare(
            "gboost_provider_fallbacks_total", .counter, help: "Calls that went on to another deployment or model.",
            labels: ["provider"])
        r.declare(
            "gboost_mirrored_calls_total", .counter, help: "Copies of answered requests, by what became of them.",
            labels: ["provider", "outcome"])
        r.declare("gboost_provider_retries_total", .counter, help: "Paid calls tried again.", labels: ["provider"])
        r.declare(
            "gboost_provider_breaker_open", .gauge, help: "1 while a provider is left alone after failures.",
            labels: ["provider"])
        Self.declareMoney(r)
        Self.declareRouter(r)
        Self.declareLedger(r)
        Self.declareModels(r)
        Self.declareCache(r)
        Self.declareOutbox(r)
    }

    private static func declareOutbox(_ r: MetricsRegistry) {
        let labels = ["tenant", "destination"]
        r.declare(
            "gboost_outbox_pending", .gauge, help: "Deliveries that wait, from the ledger at scrape.", labels: labels)
        r.declare(
            "gboost_outbox_oldest_seconds", .gauge, help: "How long the oldest of them has waited.", labels: labels)
        r.declare(
            "gboost_outbox_usage_behind", .gauge, help: "Settlements that are not queued as usage events yet.",
            labels: labels)
        r.declare("gboost_outbox_dead", .gauge, help: "Dead letters.", labels: labels)
        r.declare(
            "gboost_outbox_delivered", .gauge, help: "Deliveries that arrived, since the destination was made.",
            labels: labels)
        r.declare(
            "gboost_outbox_failed", .gauge, help: "Tries that failed, since the destination was made.", labels: labels)
        r.declare("gboost_outbox_paused", .gauge, help: "1 while nothing is sent to a destination.", labels: labels)
    }

    private static func declareMoney(_ r: MetricsRegistry) {
        r.declare(
            "gboost_cost_nano_usd_total", .counter, help: "Settled cost; route is empty for direct calls.",
            labels: ["tenant", "route", "model"])
        r.declare(
            "gboost_escalations_total", .counter, help: "Paid calls by kind and outcome.",
            labels: ["tenant", "kind", "outcome"])
        r.declare(
            "gboost_reservations_denied_total", .counter, help: "Holds that were refused.",
            labels: ["tenant", "reason"])
        r.declare(
            "gboost_budget_nano_usd", .gauge, help: "Budgets of the open period, from the ledger at scrape.",
            labels: ["tenant", "scope", "period", "kind"])
        r.declare(
            "gboost_budget_threshold_nano_usd", .gauge, help: "Amounts at which budgets are to alert, at scrape.",
            labels: ["tenant", "scope", "period", "percent"])
        r.declare(
            "gboost_budget_start_timestamp_seconds", .gauge, help: "When the open period of a budget began.",
            labels: ["tenant", "scope", "period"])
        r.declare(
            "gboost_budget_end_timestamp_seconds", .gauge, help: "When the open period of a budget ends.",
            labels: ["tenant", "scope", "period"])
        r.declare(
            "gboost_key_budgets", .gauge, help: "Budgets of single keys by how much of them is used, at scrape.",
            labels: ["tenant", "use"])
    }

    private static func declareRouter(_ r: MetricsRegistry) {
        r.declare(
            "gboost_answers_total", .counter, help: "Answers by who wrote them; route is empty for direct calls.",
            labels: ["tenant", "route", "served_by"])
        r.declare(
            "gboost_decisions_total", .counter, help: "Router decisions by action.",
            labels: ["tenant", "route", "action"])
        r.declare(
            "gboost_explorations_total", .counter, help: "Paid calls that the price spoke against, made to learn.",
            labels: ["tenant", "route"])
        r.declare(
            "gboost_step_reward", .histogram, help: "Calibrated process reward of drafted steps.",
            labels: ["tenant", "route"], bounds: Self.shares)
        r.declare(
            "gboost_answer_reward", .histogram, help: "Lowest reward among the SLM's steps of an answer.",
            labels: ["tenant", "route", "served_by"], bounds: Self.shares)
        r.declare(
            "gboost_shadow_price", .gauge, help: "Shadow price of the budget, as the last answer was decided by.",
            labels: ["tenant", "route"])
    }

    private static func declareLedger(_ r: MetricsRegistry) {
        r.declare(
            "gboost_settlement_seconds", .histogram, help: "Time until a settlement was committed, or journaled.",
            bounds: Self.seconds)
        r.declare("gboost_ledger_batches_total", .counter, help: "Batches that were committed.")
        r.declare(
            "gboost_ledger_batch_items_total", .counter, help: "Reservations and settlements of those batches.",
            labels: ["kind"])
        r.declare(
            "gboost_ledger_batch_seconds_total", .counter, help: "Time that those batches were at the database.")
        r.declare(
            "gboost_journal_depth", .gauge,
            help: "Records waiting in the journal or in memory for the database: settlements, and requests' reports.")
        r.declare(
            "gboost_journal_settlements", .gauge,
            help: "Of those records, the ones that are money: settlements, and holds given up.")
        r.declare("gboost_postgres_up", .gauge, help: "1 where the database answered this scrape, else 0.")
        r.declare("gboost_holds_open", .gauge, help: "Dispatched holds that are not settled, at scrape.")
        r.declare("gboost_hold_age_seconds", .gauge, help: "Age of the oldest open hold, at scrape.")
        r.declare(
            "gboost_holds_unreconciled", .gauge, help: "Holds posted in full whose charge is not known, at scrape.",
            labels: ["tenant"])
        r.declare(
            "gboost_unreconciled_nano_usd", .gauge, help: "What those holds add up to, at scrape.", labels: ["tenant"])
        r.declare(
            "gboost_audit_lag_seconds", .gauge,
            help: "How long the oldest record that this gateway sealed in its latest round had waited.")
        r.declare("gboost_audit_unsealed_records", .gauge, help: "Records that are not sealed, at scrape.")
        r.declare("gboost_audit_unsealed_seconds", .gauge, help: "Age of the oldest of those records, at scrape.")
        r.declare("gboost_audit_sealed_records", .gauge, help: "Records sealed by this gateway since its start.")
        r.declare("gboost_audit_failures", .gauge, help: "Rounds of sealing that failed, since the start.")
        r.declare(
            "gboost_audit_unpublished_checkpoints", .gauge,
            help: "Checkpoints of this gateway's that wait to be published, over all places.")
        r.declare(
            "gboost_texts", .gauge, help: "Texts of paid calls, of tenants that have them kept: kept, and lost.",
            labels: ["fate"])
    }

    private static func declareCache(_ r: MetricsRegistry) {
        r.declare(
            "gboost_cache_hits_total", .counter, help: "Requests to paid models answered from memory.",
            labels: ["tenant"])
        r.declare(
            "gboost_cache_misses_total", .counter,
            help: "Requests of tenants whose answers are kept that were not answered from memory.", labels: ["tenant"])
        r.declare("gboost_cache_bytes", .gauge, help: "Memory that kept answers take, at scrape.")
    }

    private static func declareModels(_ r: MetricsRegistry) {
        r.declare("gboost_engine_up", .gauge, help: "1 while the engine host of a model answers.", labels: ["model"])
        r.declare(
            "gboost_engine_starts_total", .counter, help: "Starts of a model's engine host.", labels: ["model"])
        r.declare(
            "gboost_engine_crashes_total", .counter, help: "Ends of a model's engine host that nobody asked for.",
            labels: ["model"])
        r.declare("gboost_engine_decodes", .gauge, help: "Decodes since the host's start.", labels: ["model"])
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
