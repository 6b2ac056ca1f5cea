internal import Foundation
internal import GatewayCore
internal import Ledger

/// Brings a plan about, change by change, by a store whose changes are one transaction.
struct ApplyExecution {
    /// A key that was made: the only moment at which its secret is known.
    struct MadeKey: Sendable, Encodable {
        var tenant: String
        var name: String
        var id: Int64
        var key: String
    }
    private let store: AdminStore
    /// Of a plan, which is taken back: what calls wait for is left alone.
    private let isTrial: Bool
    private var keys: [ResourceName: Int64]
    private(set) var made: [MadeKey] = []

    init(_ store: AdminStore, keys: [ResourceName: Int64], isTrial: Bool) {
        self.store = store
        self.keys = keys
        self.isTrial = isTrial
    }

    /// Errors name the place in the file, unless the database is lost, which has none there.
    mutating func run(_ plan: ApplyPlan) async throws {
        for change in plan.changes where !change.isOfCaps {
            if let removal = change.removal { try await remove(removal, change.name) }
            guard let declared = change.declared else { continue }
            try await Self.placing(declared.place) { try await bringAbout(declared, change) }
        }
        // Last, and together: from here until the commit, calls that need these budgets stand still.
        try await moveTenants(plan)
        try await changeCaps(plan)
    }

    private static func placing(_ place: DeclaredPlace, _ body: () async throws -> Void) async throws {
        do { try await body() } catch let error as LedgerError
            where error.code != .unavailable && !error.isDeadlock
        {
            throw place.failure(error)
        }
    }

    /// Tenants whose time zone changes: their budgets' periods are cut anew.
    private func moveTenants(_ plan: ApplyPlan) async throws {
        let moves = plan.changes.filter(\.isMove).compactMap(\.declared)
        guard !moves.isEmpty else { return }
        if !isTrial { try await store.lockBudgets(of: plan.lockedTenants) }
        for declared in moves {
            guard case .tenant(let zone?, _, _, _) = declared.draft, let tenant = declared.name.tenant else { continue }
            try await Self.placing(declared.place) {
                if isTrial {
                    try await store.requireTimeZone(zone)
                } else {
                    try await store.setTenantTimeZone(zone, tenant: tenant)
                }
            }
        }
    }

    private func changeCaps(_ plan: ApplyPlan) async throws {
        var (drafts, places): ([CapDraft], [DeclaredPlace]) = ([], [])
        for declared in plan.changes.filter(\.isOfCaps).compactMap(\.declared) {
            try await Self.placing(declared.place) {
                guard let draft = try cap(declared) else { return }
                drafts.append(draft)
                places.append(declared.place)
            }
        }
        do throws(LedgerError) { _ = try await store.setCaps(drafts, isTrial: isTrial) } catch {
            guard error.code != .unavailable, let item = error.item else { throw error }
            throw places[item].failure(error)
        }
        let removals: [CapDraft] = plan.changes.compactMap(\.removal).compactMap { removal in
            switch removal {
            case .budget(let draft): .budget(draft)
            case .limit(let draft): .limit(draft)
            case .key, .route, .destination: nil
            }
        }
        try await store.removeCaps(removals, isTrial: isTrial)
    }

    /// With the number of its key, which may just have been made.
    private func cap(_ declared: DeclaredResource) throws(LedgerError) -> CapDraft? {
        let tenant = declared.name.tenant ?? ""
        switch declared.draft {
        case .budget(var draft, let key):
            if let key { draft.scope = .key(try number(key, tenant)) }
            return .budget(draft)
        case .limit(var draft, let key):
            if let key { draft.scope = .key(try number(key, tenant)) }
            return .limit(draft)
        case .tenant, .team, .key, .route, .price, .destination: return nil
        }
    }

    private mutating func bringAbout(_ declared: DeclaredResource, _ change: ApplyPlan.Change) async throws {
        let tenant = declared.name.tenant ?? ""
        let isNew = change.action == .create
        switch declared.draft {
        case .price(let price): _ = try await store.setPrice(price.draft)
        case .tenant: try await changeTenant(declared, change)
        case .team(let isSuspended, let models):
            if isNew { _ = try await store.createTeam(name: declared.name.text, tenant: tenant) }
            if let models { try await store.setTeamModels(models, team: declared.name.text, tenant: tenant) }
            if let isSuspended {
                try await store.setTeamSuspended(isSuspended, team: declared.name.text, tenant: tenant)
            }
        case .key(let draft, let isSuspended):
            let id = try await key(draft, declared, change)
            if let isSuspended { try await store.setKeySuspended(isSuspended, key: id) }
        case .budget, .limit: break
        case .route(let draft):
            _ = isNew ? try await store.addRoute(draft) : try await store.changeRoute(draft)
        case .destination(let draft):
            _ = isNew ? try await store.addDestination(draft) : try await store.changeDestination(draft)
        }
    }

    private func changeTenant(_ declared: DeclaredResource, _ change: ApplyPlan.Change) async throws {
        guard case .tenant(let zone, let isSuspended, let capture, let cache) = declared.draft else { return }
        let tenant = declared.name.tenant ?? ""
        func changes(_ field: String) -> Bool { change.fields.contains { $0.name == field } }
        if change.action == .create {
            _ = try await store.createTenant(name: tenant, timeZone: zone ?? "UTC")
        }
        if let isSuspended { try await store.setTenantSuspended(isSuspended, tenant: tenant) }
        if let capture, changes("capture_days") { try await store.setCapture(days: capture, tenant: tenant) }
        if let cache, changes("cache_seconds") { try await store.setCache(seconds: cache, tenant: tenant) }
    }

    private mutating func key(
        _ draft: KeyDraft, _ declared: DeclaredResource, _ change: ApplyPlan.Change
    ) async throws -> Int64 {
        if let id = keys[declared.name] {
            let names = Set(change.fields.map(\.name))
            if !names.isDisjoint(with: ["team", "expires"]) {
                // Both are set at once: the one that stays is taken from the key itself.
                let now = try await store.key(named: "key:\(id)").info
                var wanted = draft
                if !names.contains("team") { wanted.team = now.team }
                if !names.contains("expires") { wanted.expiresAt = now.expiresAt }
                try await store.changeKey(id, to: wanted)
            }
            if names.contains("models") { try await store.setKeyModels(draft.models, key: id) }
            return id
        }
        let new = try await store.createKey(draft)
        keys[declared.name] = new.info.id
        // The secret of an imported one is its owner's alone.
        guard draft.importedSHA256 == nil else { return new.info.id }
        made.append(MadeKey(tenant: draft.tenant, name: draft.name, id: new.info.id, key: new.secret))
        return new.info.id
    }

    private func number(_ key: String, _ tenant: String) throws(LedgerError) -> Int64 {
        guard let id = keys[ResourceName(kind: .key, tenant: tenant, text: key)] else {
            throw LedgerError(.notFound, field: "key", "\(tenant) has no key named \(key), and the file declares none")
        }
        return id
    }

    private func remove(_ removal: CurrentResource.Removal, _ name: ResourceName) async throws {
        switch removal {
        case .key(let id): try await store.revokeKey(id)
        case .budget, .limit: break
        case .route(let route): try await store.removeRoute(route, tenant: name.tenant ?? "")
        case .destination(let destination): try await store.removeDestination(destination, tenant: name.tenant)
        }
    }
}
