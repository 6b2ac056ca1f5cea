internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension LiteLLMPlan {
    /// Columns that LiteLLM keeps for itself: when, by whom, how often. They say nothing about what is allowed.
    private static let bookkeeping: Set<String> = [
        "created_at", "updated_at", "created_by", "updated_by", "settings_updated_at", "last_active", "budget_reset_at",
        "soft_budget_cooldown", "rotation_count", "last_rotation_at", "key_rotation_at", "total_spend", "model_spend",
        "model_id", "key_name", "key_type",
    ]
    private static let organizations = "LiteLLM_OrganizationTable"
    private static let teams = "LiteLLM_TeamTable"
    private static let keys = "LiteLLM_VerificationToken"
    private static let budgets = "LiteLLM_BudgetTable"

    /// Organizations become tenants, teams teams, tokens keys; a shared budget goes to whoever names it.
    mutating func readTables() {
        guard !source.rows.isEmpty || !source.counts.isEmpty else { return }
        remark(
            "columns \(Self.bookkeeping.sorted().joined(separator: ", "))", "are LiteLLM's own bookkeeping: not read")
        let owners = readOrganizations()
        let groups = readTeams(owners)
        readKeys(owners, groups)
        for row in source.rows["LiteLLM_ProxyModelTable"] ?? [] {
            remark(
                "LiteLLM_ProxyModelTable[\(row["model_name"]?.text ?? "?")]",
                "models in the database are encrypted with LiteLLM's own key: put them into the file")
        }
        for (table, count) in source.counts.sorted(by: { $0.key < $1.key }) where count > 0 {
            remark(table, "\(count) rows: users, end users, members, projects and tags are not known here")
        }
    }

    private mutating func readOrganizations() -> [String: String] {
        var owners: [String: String] = [:]
        for row in source.rows[Self.organizations] ?? [] {
            let id = row["organization_id"]?.text ?? ""
            let name = LiteLLMName.plain(row["organization_alias"]?.text ?? id)
            let path = "\(Self.organizations)[\(name)]"
            guard !name.isEmpty, !tenants.contains(name) else {
                remark(path, "is no name of its own: its teams and keys go to \(tenant)")
                continue
            }
            addTenant(name)
            owners[id] = name
            var record = LiteLLMRecord(row)
            for field in ["organization_id", "organization_alias"] { _ = record.take(field) }
            addShared(&record, to: .tenant(name), path: path)
            if let models = try? record.models() {
                remark("\(path).models", "\(models.joined(separator: ", ")): a list is its teams' or keys' here")
            }
            leave(record, path)
        }
        return owners
    }

    private mutating func readTeams(_ owners: [String: String]) -> [String: (team: String, tenant: String)] {
        var groups: [String: (team: String, tenant: String)] = [:]
        var taken: Set<String> = []
        for row in source.rows[Self.teams] ?? [] {
            let id = row["team_id"]?.text ?? ""
            var name = LiteLLMName.plain(row["team_alias"]?.text ?? id)
            let owner = row["organization_id"]?.text.flatMap { owners[$0] } ?? tenant
            if name.isEmpty || !taken.insert("\(owner)/\(name)").inserted {
                name = LiteLLMName.plain("team-\(id)")
                taken.insert("\(owner)/\(name)")
            }
            groups[id] = (name, owner)
            let path = "\(Self.teams)[\(name)]"
            var record = LiteLLMRecord(row)
            for field in ["team_id", "team_alias", "organization_id"] { _ = record.take(field) }
            do throws(LiteLLMRecord.Failure) {
                let isBlocked = try record.flag("blocked") ?? false
                let models = try record.models()
                var fields = ["suspended": ResourceText.flag(isBlocked)]
                fields["models"] = models.map(ResourceText.models)
                add(.team, name, at: (owner, path), fields, .team(suspended: isBlocked, models: models))
                addLimits(try LiteLLMLimits(&record), to: .team(name, tenant: owner), path: path)
            } catch { remark("\(path).\(error.field)", error.message) }
            leave(record, path)
        }
        return groups
    }

    private mutating func readKeys(
        _ owners: [String: String], _ groups: [String: (team: String, tenant: String)]
    ) {
        var taken: Set<String> = []
        for row in source.rows[Self.keys] ?? [] {
            var record = LiteLLMRecord(row)
            let token = record.take("token")?.text ?? ""
            let shown = record.take("key_name")?.text
            let alias = record.take("key_alias")?.text ?? ""
            let group = record.take("team_id")?.text.flatMap { groups[$0] }
            let organization = record.take("organization_id")?.text.flatMap { owners[$0] }
            let owner = group?.tenant ?? organization ?? tenant
            var name = alias.isEmpty ? "litellm-\(token.prefix(12))" : alias
            if !taken.insert("\(owner)/\(name)").inserted { name += "-\(token.prefix(12))" }
            let path = "\(Self.keys)[\(name)]"
            do throws(LiteLLMRecord.Failure) {
                var draft = KeyDraft(tenant: owner, team: group?.team, name: name)
                draft.importedSHA256 = token
                draft.displayPrefix = String((shown ?? "sk-…").prefix(16))
                draft.models = try record.models()
                if let end = try record.text("expires") {
                    draft.expiresAt = try Self.instant(end)
                    if let date = draft.expiresAt, date <= Date() {
                        remark(path, "has expired: it is not taken over; a key of its name that is here ends as well")
                        // It may have come over before it had an end, and would be valid here for ever.
                        add(
                            .key, name, at: (owner, path), ["expires": ResourceText.time(date)],
                            .key(draft, suspended: nil))
                        resources[resources.count - 1].isNeverMade = true
                        continue
                    }
                }
                let isBlocked = try record.flag("blocked") ?? false
                var fields = [
                    "team": group?.team ?? ResourceText.none, "expires": ResourceText.time(draft.expiresAt),
                    "suspended": ResourceText.flag(isBlocked),
                ]
                fields["models"] = ResourceText.models(draft.models)
                add(.key, name, at: (owner, path), fields, .key(draft, suspended: isBlocked))
                addShared(&record, to: .key(name, tenant: owner), path: path)
            } catch { remark("\(path).\(error.field)", error.message) }
            leave(record, path)
        }
    }

    /// A scope's own limits, with those of the shared budget that it names where it has none of its own.
    private mutating func addShared(_ record: inout LiteLLMRecord, to scope: ImportedScope, path: String) {
        do throws(LiteLLMRecord.Failure) {
            var limits = try LiteLLMLimits(&record)
            if let id = try record.text("budget_id"),
                let row = source.rows[Self.budgets]?.first(where: { $0["budget_id"]?.text == id })
            {
                var shared = LiteLLMRecord(row)
                _ = shared.take("budget_id")
                let others = try LiteLLMLimits(&shared)
                limits.fill(from: others)
                leave(shared, "\(Self.budgets)[\(id)]")
            }
            addLimits(limits, to: scope, path: path)
        } catch { remark("\(path).\(error.field)", error.message) }
    }

    /// Names what nobody took.
    private mutating func leave(_ record: LiteLLMRecord, _ path: String) {
        var record = record
        if let spend = record.take("spend")?.text, let amount = DecimalNumber(spend)?.roundedUp(decimals: 9)?.value,
            amount > 0
        {
            remark("\(path).spend", "\(NanoUSD(amount).usdString) USD were spent there: budgets here begin at nothing")
        }
        for field in record.left where !Self.bookkeeping.contains(field) {
            let remark = ImportRemark(path: "\(path).\(field)", reason: ImportRemark.noEqual)
            if !remarks.contains(remark) || !path.hasPrefix(Self.budgets) { remarks.append(remark) }
        }
    }

    /// PostgreSQL's JSON writes a moment without a zone, which LiteLLM means as UTC.
    private static func instant(_ text: String) throws(LiteLLMRecord.Failure) -> Date {
        let whole = String(text.prefix(19))
        guard let date = try? Date("\(whole)Z", strategy: .iso8601) else {
            throw LiteLLMRecord.Failure(field: "expires", message: "'\(text)' is not a moment")
        }
        return date
    }
}
