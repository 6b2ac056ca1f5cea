internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Outbox

/// What the database has of the things that a file may declare: prices, and what belongs to the declared tenants.
struct CurrentState: Sendable {
    var resources: [CurrentResource] = []
    /// Numbers of keys in use, by tenant and name.
    var keys: [ResourceName: Int64] = [:]
    /// Names that several keys in use have: a file cannot tell which is meant.
    var ambiguous: Set<ResourceName> = []

    init() {}

    init(of tenants: [String], _ store: AdminStore) async throws {
        for price in try await store.prices() where price.isInForce {
            resources.append(
                CurrentResource(
                    name: ResourceName(kind: .price, tenant: nil, text: price.price.model.description),
                    fields: ResourceText.price(price.price), price: price.price))
        }
        for info in try await store.destinations() { add(info) }
        let known = try await store.tenants()
        for tenant in known where tenants.contains(tenant.name) { try await add(tenant, store) }
    }

    /// The operator's are never pruned, as prices are not: they belong to no declared tenant.
    private mutating func add(_ info: DestinationInfo) {
        let destination = info.destination
        resources.append(
            CurrentResource(
                name: ResourceName(kind: .destination, tenant: info.tenant, text: destination.name),
                fields: DestinationText.fields(
                    kind: destination.kind, target: destination.target, secrets: destination.secrets,
                    kinds: destination.kinds, settings: destination.settings),
                removal: info.tenant == nil ? nil : .destination(destination.name)))
    }

    private mutating func add(_ tenant: TenantInfo, _ store: AdminStore) async throws {
        func name(_ kind: ResourceName.Kind, _ text: String) -> ResourceName {
            ResourceName(kind: kind, tenant: tenant.name, text: text)
        }
        resources.append(
            CurrentResource(
                name: name(.tenant, tenant.name),
                fields: [
                    "time_zone": tenant.timeZone, "suspended": ResourceText.flag(tenant.suspendedAt != nil),
                    "capture_days": ResourceText.span(tenant.captureDays),
                    "cache_seconds": ResourceText.span(tenant.cacheSeconds),
                ]))
        let teams = try await store.teams(tenant: tenant.name)
        for team in teams {
            resources.append(
                CurrentResource(
                    name: name(.team, team.name),
                    fields: [
                        "suspended": ResourceText.flag(team.suspendedAt != nil),
                        "models": ResourceText.models(team.models),
                    ]))
        }
        let keys = try await store.keys(tenant: tenant.name)
        for key in keys where key.revokedAt == nil {
            let name = name(.key, key.name)
            if self.keys.updateValue(key.id, forKey: name) != nil { ambiguous.insert(name) }
            resources.append(
                CurrentResource(
                    name: name,
                    fields: [
                        "team": key.team ?? ResourceText.none, "expires": ResourceText.time(key.expiresAt),
                        "suspended": ResourceText.flag(key.suspendedAt != nil),
                        "models": ResourceText.models(key.models),
                    ], removal: .key(key.id)))
        }
        let names = Names(
            tenant: tenant.name, teams: Dictionary(uniqueKeysWithValues: teams.map { ($0.id, $0.name) }),
            keys: Dictionary(
                uniqueKeysWithValues: keys.filter { $0.revokedAt == nil }.map { ($0.id, $0.name) }))
        for budget in try await store.budgets(tenant: tenant.name) { resources.append(names.resource(budget)) }
        for limit in try await store.limits(tenant: tenant.name) { resources.append(names.resource(limit)) }
        for info in try await store.destinations(tenant: tenant.name) { add(info) }
        for route in try await store.routes(tenant: tenant.name) {
            resources.append(
                CurrentResource(
                    name: name(.route, route.name),
                    fields: try ResourceText.route(slm: route.slm, prm: route.prm, llm: route.llm, route.settings),
                    removal: .route(route.name)))
        }
    }

    /// Teams, and keys in use, by their numbers. What a revoked key has is named by its number, as a new key may have
    /// its name.
    private struct Names {
        var tenant: String
        var teams: [Int64: String]
        var keys: [Int64: String]

        private func scope(_ team: Int64?, _ key: Int64?) -> BudgetScope {
            key.map { .key($0) } ?? team.flatMap { teams[$0] }.map { .team($0) } ?? .tenant
        }

        private func text(_ team: Int64?, _ key: Int64?, _ model: String?, _ tag: String?) -> String {
            ResourceText.scope(
                team: team.flatMap { teams[$0] }, key: key.map { keys[$0] ?? "#\($0)" }, model: model, tag: tag)
        }

        func resource(_ budget: BudgetInfo) -> CurrentResource {
            let text = text(budget.teamID, budget.keyID, budget.model, budget.tag)
            return CurrentResource(
                name: ResourceName(kind: .budget, tenant: tenant, text: "\(text) \(budget.window.rawValue)"),
                fields: [
                    "limit_usd": budget.limit.usdString, "alert_at": ResourceText.list(budget.alertAt),
                    "time_zone": budget.timeZone ?? ResourceText.none,
                    "week_start": Weekday.allCases[budget.weekStart - 1].rawValue,
                    "rollover_usd": budget.rolloverUpTo?.usdString ?? ResourceText.none,
                ],
                removal: .budget(
                    BudgetDraft(
                        tenant: tenant, scope: scope(budget.teamID, budget.keyID), model: budget.model,
                        tag: budget.tag, window: budget.window, limit: .zero)))
        }

        func resource(_ limit: LimitInfo) -> CurrentResource {
            let text = text(limit.teamID, limit.keyID, limit.model, limit.tag)
            var draft = LimitDraft(
                tenant: tenant, scope: scope(limit.teamID, limit.keyID), unit: limit.unit, traffic: limit.traffic,
                limit: 0)
            (draft.model, draft.tag) = (limit.model, limit.tag)
            return CurrentResource(
                name: ResourceName(
                    kind: .limit, tenant: tenant, text: "\(text) \(limit.unit.rawValue) for \(limit.traffic.rawValue)"),
                fields: ["limit": String(limit.limit)], removal: .limit(draft))
        }
    }
}
