internal import Foundation
internal import GatewayCore
internal import Ledger

/// What each page reads. What is shown of it is the pages' own affair.
enum ConsolePages {
    static func overview(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let after = try call.fields.count("after") ?? 0
        try call.fields.finish()
        if let own = call.identity.tenant { return .redirect(ConsoleLink.tenant(own)) }
        let months = try await call.store.tenantMonths(after: after, limit: OverviewPage.maxTenants + 1)
        let deleted = try await call.store.deletedTenantMonths(limit: OverviewPage.maxDeleted + 1)
        let gateway = await condition(of: call.services, months)
        var page = ConsolePage(
            "overview", title: "Tenants",
            content: OverviewPage(months, deleted: deleted, isFirst: after == 0, gateway: gateway, now: call.now))
        page.section = "tenants"
        return .page(page)
    }

    private static func condition(of services: GatewayServices, _ months: [TenantMonth]) async -> GatewayCondition {
        var providers: [String: CircuitBreaker.State?] = [:]
        for name in services.providers.keys { providers.updateValue(nil, forKey: name) }
        for (name, state) in services.guards.breakers { providers.updateValue(state, forKey: name) }
        let tenants = Dictionary(months.map { ($0.tenant.id, $0.tenant.name) }) { first, _ in first }
        var models: [(record: ModelRecord, tenant: String, place: ModelPlace)] = []
        for record in await services.catalog.models() {
            models.append((record, tenants[record.tenantID] ?? "", await services.modelPlace(record)))
        }
        return GatewayCondition(
            missing: await services.notReady(), isDraining: services.activity.isDraining,
            running: services.activity.running, providers: providers, models: models)
    }

    static func tenant(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.tenant()
        let month = try call.fields.month()
        let place = try TenantPlace(&call.fields)
        try call.fields.finish()
        let store = call.store
        let spend = try await store.spendBreakdown(tenant: name, month: month)
        var models: [(record: ModelRecord, place: ModelPlace)] = []
        for record in try await store.models(tenant: name) {
            models.append((record, await call.services.modelPlace(record)))
        }
        let records = TenantRecords(
            tenant: spend.tenant, current: try await store.tenantMonths(of: name, limit: 1).first, spend: spend,
            budgets: try await store.budgets(tenant: name, after: place.budgetsAfter, limit: TenantPage.pageSize + 1),
            limits: try await store.limits(tenant: name, skipping: place.limitsSkipped, limit: TenantPage.pageSize + 1),
            keys: try await store.latestKeys(tenant: name, before: place.keysBefore, limit: TenantPage.pageSize + 1),
            keyNames: try await store.keyNames(tenant: name, of: SpendSection.keys(spend)),
            routes: try await store.routes(tenant: name),
            routerStates: try await store.routerStates(tenant: name), models: models,
            statements: try await store.statements(tenant: name))
        let showsEvents = ConsoleEndpoints.eventReaders.contains(call.identity.role)
        let content = TenantPage(records, place: place, showsEvents: showsEvents, now: call.now)
        var page = ConsolePage("tenant", title: spend.tenant.name, content: content)
        page.place(below: nil, for: call.identity)
        return .page(page)
    }

    static func statement(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let (name, month) = (try call.tenant(), try call.part("month"))
        try call.fields.finish()
        let statement = try await call.store.statement(tenant: name, month: month)
        return .document(StatementPage.html(statement, back: ConsoleLink.tenant(name)))
    }

    // MARK: - Records

    static func escalations(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.tenant()
        let before = try call.fields.count("before", from: 1)
        let after = try call.fields.count("after", from: 0)
        try call.fields.finish()
        guard before == nil || after == nil else { throw AdminFields.wrong("after", "is not possible with before") }
        let tenant = try await call.store.tenant(named: name)
        let limit = EscalationsPage.pageSize + 1
        let content: EscalationsPage
        if let after {
            let later = try await call.store.escalations(tenant: name, after: after, limit: limit)
            content = EscalationsPage(later.reversed(), tenant: tenant, isForward: true, isFirst: false)
        } else {
            let latest = try await call.store.latestEscalations(tenant: name, before: before, limit: limit)
            content = EscalationsPage(latest, tenant: tenant, isFirst: before == nil)
        }
        var page = ConsolePage("escalations", title: "Escalations", content: content)
        page.place(below: name, for: call.identity)
        return .page(page)
    }

    static func escalation(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let (name, seq) = (try call.tenant(), try call.number("seq"))
        try call.fields.finish()
        let tenant = try await call.store.tenant(named: name)
        let found = try await call.store.escalations(tenant: name, after: seq - 1, limit: 2)
        guard let info = found.first, info.seq == seq else { throw GatewayRefusal.noConsolePage }
        // Neither needs to be the number beside it: retention takes records away.
        let older = try await call.store.latestEscalations(tenant: name, before: seq, limit: 1).first?.seq
        let beside = EscalationPage.Beside(older: older, newer: found.dropFirst().first?.seq)
        let price = try await call.store.prices(model: info.model).first { $0.price.id == info.priceID }
        var page = ConsolePage(
            "escalation", title: "Escalation \(seq)",
            content: EscalationPage(info, tenant: tenant, price: price, beside: beside))
        page.place(below: name, for: call.identity)
        page.crumbs.append(
            ConsolePage.Crumb(text: "Escalations", href: ConsoleLink.tenant(name, "/escalations")))
        return .page(page)
    }

    static func refusals(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.tenant()
        let before = try call.fields.count("before", from: 1)
        try call.fields.finish()
        let tenant = try await call.store.tenant(named: name)
        let all = try await call.store.latestRefusals(
            tenant: name, before: before, limit: RefusalsPage.pageSize + 1)
        var page = ConsolePage(
            "refusals", title: "Refusals", content: RefusalsPage(all, tenant: tenant, isFirst: before == nil))
        page.place(below: name, for: call.identity)
        return .page(page)
    }

    static func events(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let named = try call.fields.text("tenant")
        let limit = Int(
            try call.fields.count("limit", from: 1, through: Int64(EventsPage.most)) ?? Int64(EventsPage.usual))
        try call.fields.finish()
        // Another one's page is none, whether or not there is such a tenant.
        if let own = call.identity.tenant, let named, named != own { throw GatewayRefusal.noConsolePage }
        var tenant: TenantInfo?
        if let name = named ?? call.identity.tenant { tenant = try await call.store.tenant(named: name) }
        let events = try await call.store.events(tenant: tenant.map(\.reference), limit: limit)
        var page = ConsolePage(
            "events", title: "Events", content: EventsPage(events, limit: limit, tenant: tenant))
        if let tenant { page.place(below: tenant.reference, for: call.identity) }
        page.section = "events"
        return .page(page)
    }

    static func prices(_ call: inout ConsoleCall) async throws -> ConsoleAnswer {
        let provider = try call.fields.text("provider")
        try call.fields.finish()
        var page = ConsolePage(
            "prices", title: "Prices", content: PricesPage(try await call.store.prices(), provider: provider))
        page.section = "prices"
        return .page(page)
    }
}

extension TenantInfo {
    /// What it is found by: a deleted one's name may be another's by now.
    var reference: String { deletedAt == nil ? name : "#\(id)" }
}
