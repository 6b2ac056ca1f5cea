internal import Foundation
internal import HTTPTypes
internal import Ledger

/// `/admin/v1/events` and `/admin/v1/audit`: who administered what, and whether the records are complete and unchanged.
enum AuditEndpoints {
    /// Most events of one answer; an export of the audit has all.
    private static let maxEvents: Int64 = 1000
    /// How often a byte is sent while a verification runs: that is how it hears that its client has left.
    private static let pulse = Duration.seconds(5)
    /// How long an export may take. All that time it is at one moment of the database, which cannot clear away what
    /// calls have changed since then: a client that takes a byte now and then would slow all of them down.
    private static let exportLimit = Duration.seconds(1800)

    static func register(on routes: AdminRoutes) {
        routes.on(.get, "/events", for: [.auditor, .tenantAdmin]) { call in try await events(&call) }
        routes.on(.get, "/audit/checkpoint", for: [.auditor]) { call in
            let tenant = try call.tenantIfAny()
            let store = try call.store()
            let latest = try await store.audit.latestCheckpoints(tenant: try await store.number(ofTenant: tenant))
            return try .list("checkpoints", latest.map { CheckpointDocument($0) })
        }
        routes.on(.get, "/audit/proof", for: [.auditor, .tenantAdmin]) { call in try await proof(&call) }
        routes.on(.get, "/audit/export", for: [.auditor]) { call in try await export(&call) }
        routes.on(.post, "/audit/verification", for: [.auditor]) { call in try await verify(&call) }
    }

    /// Whose records; nil: those of the whole deployment, which are no tenant's administrator's to see.
    private static func tenantOrAll(_ call: inout AdminCall) throws -> String? {
        let tenant = try call.tenantIfAny()
        if tenant == nil, call.identity.role == .tenantAdmin { throw GatewayRefusal.roleNotAllowed(call.identity) }
        return tenant
    }

    private static func events(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try tenantOrAll(&call)
        let limit = Int(try call.fields.count("limit", from: 1, through: maxEvents) ?? 100)
        let events = try await call.store().events(tenant: tenant, limit: limit)
        return try .list("events", events.map { EventDocument($0) })
    }

    /// `record` is its number or its call; `hold`, its call.
    private static func proof(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try tenantOrAll(&call)
        let number = try call.fields.text("record")
        let record = if let number { number } else { try call.fields.required("hold") }
        let name = number == nil ? "hold" : "record"
        let isRefused = try call.fields.flag("refused") ?? false
        let from = try call.fields.count("from", from: 1)
        let store = try call.store()
        guard let claim = call.services.records.proofs.claim() else {
            throw GatewayRefusal.atWork("Another proof is being made.")
        }
        let turn = try await call.services.records.turns.next()
        defer { withExtendedLifetime((claim, turn)) {} }
        return try .json(
            try await FieldNames.inJSON(["id": name, "record": name]) {
                try await store.audit.prove(
                    record, tenant: try await store.number(ofTenant: tenant), isRefused: isRefused, from: from)
            })
    }

    private static func export(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try call.tenantIfAny()
        let store = try call.store()
        let audit = store.audit
        let logs = try await audit.logs(tenant: try await store.number(ofTenant: tenant))
        let claim = try longWork(call)
        let turn = try await call.services.records.turns.next()
        return .pieces("application/jsonl") { write in
            defer { withExtendedLifetime((claim, turn)) {} }
            try await send(within: exportLimit, to: write) { sink in try await audit.export(logs, to: sink) }
        }
    }

    private struct ExportTooSlow: Error {}

    /// Writes the pieces that `export` comes to, for so long.
    static func send(
        within limit: Duration, to write: AdminAnswer.Writer,
        _ export: @escaping (([UInt8]) async throws -> Void) async throws -> Void
    ) async throws {
        let end = ContinuousClock.now.advanced(by: limit)
        try await export { piece in
            guard ContinuousClock.now < end else { throw ExportTooSlow() }
            // An empty piece of a body is its end.
            if !piece.isEmpty { try await write(piece[...]) }
        }
    }

    private static func verify(_ call: inout AdminCall) async throws -> AdminAnswer {
        let tenant = try call.tenantIfAny()
        let store = try call.store()
        let number = try await store.number(ofTenant: tenant)
        let (audit, keys) = (store.audit, call.services.records.auditKeys)
        let claim = try longWork(call)
        let turn = try await call.services.records.turns.next()
        return .pieces("application/json") { write in
            defer { withExtendedLifetime((claim, turn)) {} }
            try await answer(every: pulse, to: write) {
                let report = try await audit.verify(tenant: number, publicKeys: keys)
                return Array(try AdminJSON.bytes(report))
            }
        }
    }

    private static func longWork(_ call: AdminCall) throws -> ExclusiveWork.Claim {
        guard let claim = call.services.records.longWork.claim() else {
            throw GatewayRefusal.atWork("The audit is being verified or exported already.")
        }
        return claim
    }

    /// Writes what `work` comes to, and blank lines, which mean nothing in JSON, until it does. A client that has left
    /// cannot be written to: then the work is cancelled.
    static func answer(
        every pulse: Duration, to write: AdminAnswer.Writer, _ work: @escaping @Sendable () async throws -> [UInt8]
    ) async throws {
        try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            group.addTask { try await work() }
            group.addTask { try await rest(pulse) }
            while let next = try await group.next() {
                if let document = next {
                    group.cancelAll()
                    return try await write(document[...])
                }
                try await write([UInt8(ascii: "\n")])
                group.addTask { try await rest(pulse) }
            }
        }
    }

    /// Nil, after a while.
    private static func rest(_ pulse: Duration) async throws -> [UInt8]? {
        try await Task.sleep(for: pulse)
        return nil
    }
}

extension GatewayRefusal {
    /// What a gateway does once at a time is being done.
    fileprivate static func atWork(_ message: String) -> GatewayRefusal {
        var refusal = GatewayRefusal.invalidRequest(message, parameter: nil, status: 409)
        refusal.code = "conflict"
        refusal.retryAfterSeconds = 10
        return refusal
    }
}
