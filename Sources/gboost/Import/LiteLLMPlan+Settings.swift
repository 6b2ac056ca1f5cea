internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension LiteLLMPlan {
    /// The file's other sections.
    mutating func readSettings() {
        for (section, value) in source.sections.sorted(by: { $0.key < $1.key }) where section != "model_list" {
            guard let fields = value.fields else {
                if !value.isEmpty { remark(section) }
                continue
            }
            var record = LiteLLMRecord(fields)
            do throws(LiteLLMRecord.Failure) {
                switch section {
                case "general_settings": try readGeneral(&record)
                case "litellm_settings": try readProxy(&record)
                case "router_settings": readRouter(&record)
                default: break
                }
            } catch {
                remark("\(section).\(error.field)", error.message)
            }
            for field in record.left { remark("\(section).\(field)") }
        }
    }

    private mutating func readGeneral(_ record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) {
        if let key = try record.text("master_key") {
            switch LiteLLMReference(key) {
            case .environment(let name): adminKey = "env:\(name)"
            case .literal:
                // Without our prefix, by which the variable would be the value of admin.key itself.
                adminKey = "env:ADMIN_KEY"
                remark(
                    "general_settings.master_key",
                    "a secret is given by reference only: put it into the variable ADMIN_KEY")
            }
        }
        if record.take("database_url") != nil, source.rows.isEmpty {
            remark("general_settings.database_url", "its keys, teams and budgets are read with --database-url only")
        }
    }

    /// The proxy's own budget is the tenant's.
    private mutating func readProxy(_ record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) {
        readFallbacks(&record, in: "litellm_settings")
        readRetries(&record, in: "litellm_settings")
        var limits = LiteLLMRecord([:])
        for name in ["max_budget", "budget_duration"] {
            if let value = record.take(name) { limits.put(name, value) }
        }
        addLimits(try LiteLLMLimits(&limits), to: .tenant(tenant), path: "litellm_settings")
        if let timeout = try record.text("request_timeout") {
            for index in providers.indices where providers[index].totalSeconds == nil || providers[index].isOpen {
                providers[index].isOpen = false
                if let reason = providers[index].end(after: timeout) {
                    remark("litellm_settings.request_timeout", "\(providers[index].name): \(reason)")
                }
            }
        }
    }

    private mutating func readRouter(_ record: inout LiteLLMRecord) {
        readFallbacks(&record, in: "router_settings")
        readRetries(&record, in: "router_settings")
        if let value = record.take("routing_strategy") { readStrategy(value) }
        if let aliases = record.take("model_group_alias") {
            if aliases.fields == nil { remark("router_settings.model_group_alias", "is not a mapping") }
            for (alias, value) in (aliases.fields ?? [:]).sorted(by: { $0.key < $1.key }) {
                let target = value.text ?? value.fields?["model"]?.text ?? ""
                addAlias(alias, of: target, path: "router_settings.model_group_alias.\(alias)")
            }
        }
    }

    private mutating func readRetries(_ record: inout LiteLLMRecord, in section: String) {
        guard record.take("num_retries") != nil else { return }
        remark("\(section).num_retries", "what cannot have been charged is tried again by itself")
    }
}

/// Whose limits they are.
enum ImportedScope: Sendable {
    case tenant(String)
    case team(String, tenant: String)
    case key(String, tenant: String)

    var tenant: String {
        switch self {
        case .tenant(let name), .team(_, let name), .key(_, let name): name
        }
    }
    var team: String? { if case .team(let name, _) = self { name } else { nil } }
    var key: String? { if case .key(let name, _) = self { name } else { nil } }
}

extension LiteLLMPlan {
    /// Budget and rate limits of one scope.
    /// - Parameter model: the models that they are of; nil: every one.
    mutating func addLimits(
        _ limits: LiteLLMLimits, to scope: ImportedScope, model: String? = nil, path: String
    ) {
        for remark in limits.remarks { self.remark("\(path).\(remark.field)", remark.message) }
        let name = ResourceText.scope(team: scope.team, key: scope.key, model: model, tag: nil)
        let budgetScope: BudgetScope = scope.team.map { .team($0) } ?? .tenant
        if let limit = limits.maxBudget {
            var draft = BudgetDraft(
                tenant: scope.tenant, scope: budgetScope, model: model, window: limits.window, limit: limit)
            draft.alertAt = limits.alertAt.map { [$0] }
            var fields = ["limit_usd": limit.usdString]
            fields["alert_at"] = draft.alertAt.map(ResourceText.list)
            add(
                .budget, "\(name) \(limits.window.rawValue)", at: (scope.tenant, path), fields,
                .budget(draft, key: scope.key))
        }
        for (unit, limit) in limits.rates {
            var draft = LimitDraft(tenant: scope.tenant, scope: budgetScope, unit: unit, limit: limit)
            draft.model = model
            add(
                .limit, "\(name) \(unit.rawValue) for paid", at: (scope.tenant, path), ["limit": String(limit)],
                .limit(draft, key: scope.key))
        }
    }
}
