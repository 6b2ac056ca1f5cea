/// What the database's checks allow that people can run into, as an error says it to them.
enum LedgerConstraint {
    typealias Problem = (field: String, message: String)

    /// The field that a check of that name is about, as commands spell it, and what is allowed; nil: no person gives
    /// that value.
    static func problem(_ name: String) -> Problem? {
        if let known = texts[name] { return known }
        // "price_tiers_cached_input_pico_check" is of the rate "cached-input".
        let end = "_pico_check"
        for start in ["price_tiers_", "prices_"] where name.hasPrefix(start) && name.hasSuffix(end) {
            let column = name.dropFirst(start.utf8.count).dropLast(end.utf8.count)
            return (column.map { $0 == "_" ? "-" : String($0) }.joined(), "is negative")
        }
        return nil
    }

    private static let name: Problem = (
        "name", "use 1 to 63 letters, digits and . _ -, of which the first is a letter or a digit"
    )
    private static let limit: Problem = ("limit", "is negative")
    private static let base: Problem = (
        "base", "an adapter, a head and a shared head need the model that they belong to"
    )
    private static let amount: Problem = ("amount", "must be more than zero; an adjustment may also be less")

    private static let texts: [String: Problem] = [
        "tenants_name_check": name,
        "tenants_capture_days_check": ("days", "is not a number of days from 1 to 3650"),
        "tenants_cache_seconds_check": ("seconds", "is not a number of seconds from 1 to 604800"),
        "teams_name_check": name,
        "models_name_check": (
            "name", "use 1 to 127 letters, digits and . _ : -, of which the first is a letter or a digit"
        ),
        "models_kind_check": ("kind", "is slm, prm or adapter"),
        "models_reward_kind_check": ("reward-kind", "is tokens, head or shared-head"),
        "models_check": ("reward-kind", "is needed by a PRM, and is for PRMs only"),
        "models_check1": base,
        "models_head_base_check": base,
        "routes_name_check": (
            "name", "use 1 to 127 letters, digits and . _ : / @ -, of which the first is a letter or a digit"
        ),
        "routes_slm_check": ("slm", "is missing: only a direct route does without"),
        "prices_per_call_nano_check": ("per-call-usd", "is negative"),
        "prices_per_image_nano_check": ("per-image-usd", "is negative"),
        "prices_batch_percent_check": ("batch-percent", "is not a percentage from 0 to 100"),
        "price_tiers_above_input_tokens_check": ("tier", "begins above one input token or more"),
        "budgets_limit_n_check": limit,
        "budgets_model_pattern_check": ("model", "is not a pattern like openai/gpt-4*"),
        "budgets_tag_check": ("tag", "use up to 63 letters, digits and . _ : -"),
        "budgets_week_start_check": ("week-start", "is not a day from 1 (Monday) to 7 (Sunday)"),
        "budgets_rollover_n_check": ("rollover-usd", "is negative"),
        "budgets_rollover": ("rollover-usd", "is for budgets of a day, week, month or quarter"),
        "budgets_thresholds": ("alert-at", "has more than 20 thresholds, or one that is not above zero"),
        "budget_overrides_limit_n_check": limit,
        "budget_overrides_check": ("until", "must be after the first day"),
        "local_limits_limit_n_check": limit,
        "retention_months_check": ("months", "is not a number of months from 1 to 1200"),
        "retention_relation_check": ("relation", "is requests or escalations"),
        "statement_entries_kind_check": ("kind", "is credit, adjustment or payment"),
        "statement_entries_month_check": ("month", "is not a month like 2026-11"),
        "statement_entries_amount_check": amount,
        "statement_entries_check": amount,
        "statement_entries_reason_check": ("reason", "has 1 to 1000 characters: why is this entered?"),
        "destinations_name_check": name,
        "destinations_kind_check": ("kind", "is webhook, slack, email, cloudevents or lago"),
        "destinations_target_check": ("target", "has 1 to 2000 characters"),
        "destinations_kinds_check": ("events", "none is chosen"),
    ]
}
