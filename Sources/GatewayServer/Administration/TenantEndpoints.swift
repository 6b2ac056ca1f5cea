internal import Foundation
internal import GatewayCore
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/tenants`.
enum TenantEndpoints {
    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/tenants", for: Set(AdminRole.allCases)) { call in
            let isDeleted = try call.fields.flag("deleted") ?? false
            let (after, limit) = try call.page()
            // A deleted one is known by its number: its name may be that of who asks by now, and it was another's.
            let tenants = try await call.store().tenants(
                deleted: isDeleted, of: call.identity.tenant, after: after, limit: limit)
            return try .page("tenants", tenants, limit: limit, last: tenants.last?.id)
        }
        routes.on(.post, "/tenants", for: []) { call in
            let name = try call.fields.required("name")
            let zone = try call.fields.text("time_zone") ?? "UTC"
            try call.requireAllTenants()
            return try .created(try await call.store().createTenant(name: name, timeZone: zone))
        }
        routes.on(.get, "/tenants/:name", for: Set(AdminRole.allCases)) { call in
            let name = try named(call)
            return try .json(try await call.store().tenant(named: name))
        }
        routes.on(.patch, "/tenants/:name", for: [.tenantAdmin]) { call in try await change(&call) }
        routes.on(.delete, "/tenants/:name", for: []) { call in
            let name = try named(call)
            try call.requireAllTenants()
            return try .json(try await call.store().deleteTenant(name))
        }
    }

    private static func named(_ call: AdminCall) throws -> String {
        let name = try call.part("name")
        try call.require(tenant: name)
        return name
    }

    /// Texts and cache are the tenant's own to say; whether and where it is at all, the operator's.
    private static func change(_ call: inout AdminCall) async throws -> AdminAnswer {
        let name = try named(call)
        if call.identity.role != .operator, call.fields.has("suspended") || call.fields.has("time_zone") {
            throw GatewayRefusal.roleNotAllowed(call.identity)
        }
        let isSuspended = try call.fields.flag("suspended")
        let zone = try call.fields.text("time_zone")
        let setsCapture = call.fields.has("capture_days")
        let capture = try call.fields.count("capture_days", from: 1, through: Int64(AdminStore.maxCaptureDays))
            .map { Int($0) }
        let setsCache = call.fields.has("cache_seconds")
        let cache = try call.fields.count("cache_seconds", from: 1, through: Int64(AdminStore.maxCacheSeconds))
            .map { Int($0) }
        return try .json(
            try await call.store().inOneTransaction { store in
                if let zone { _ = try await store.setTenantTimeZone(zone, tenant: name) }
                if let isSuspended { _ = try await store.setTenantSuspended(isSuspended, tenant: name) }
                if setsCapture { _ = try await store.setCapture(days: capture, tenant: name) }
                if setsCache { _ = try await store.setCache(seconds: cache, tenant: name) }
                return try await store.tenant(named: name)
            })
    }
}
