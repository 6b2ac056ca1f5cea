internal import Foundation
internal import GatewayCore
internal import Hummingbird
internal import Ledger
internal import WireFormat

/// `/key/…` of LiteLLM's.
struct LiteLLMKeys: Sendable {
    /// Keys of one request.
    private static let maxKeys = 1000
    let services: GatewayServices

    static func generate(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let name = try record.text("key_alias") ?? ""
        let order = try LiteLLMKeyOrder(named: name, by: "key_alias", &record, call)
        let made = try await call.store.inOneTransaction { try await order.make($0) }
        let remarks = await order.limits.remarks + call.budgetRemarks(of: order.draft.tenant)
        var writer = JSONWriter()
        writer.beginObject()
        Self.write(made, of: order, to: &writer)
        writer.remarks(notKept: order.notKept, remarks)
        writer.endObject()
        return writer.bytes
    }

    /// A key that was made, with its secret.
    static func write(_ made: NewKey, of order: LiteLLMKeyOrder, to writer: inout JSONWriter) {
        writer.member("key", order.own ?? made.secret)
        write(made.info, tenant: order.draft.tenant, order.limits, to: &writer)
    }

    static func update(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let (info, tenant) = try await key(&record, call)
        if let alias = try record.text("key_alias"), alias != info.name {
            throw LiteLLMRecord.Failure(field: "key_alias", message: "cannot be changed")
        }
        if let organization = try record.text("organization_id"), organization != tenant {
            throw LiteLLMRecord.Failure(field: "organization_id", message: "cannot be changed")
        }
        var draft = KeyDraft(tenant: tenant, team: info.team, name: info.name, expiresAt: info.expiresAt)
        if let team = try record.text("team_id") { draft.team = team }
        if let duration = try record.text("duration") {
            draft.expiresAt = try LiteLLMDuration.end(duration, from: Date())
        }
        let limits = try LiteLLMLimits(changing: &record)
        let setsModels = record.has("models")
        let models = try record.models()
        let isBlocked = try record.flag("blocked")
        let notKept = try LiteLLMCall.finish(record)
        let wanted = draft
        let (after, moved) = try await call.store.inOneTransaction { store in
            // First: what it locks comes before keys and teams in everybody's order.
            let moved = try await LiteLLMScope(tenant: tenant, scope: .key(info.id)).set(limits, by: store)
            var after = info
            if wanted.team != info.team || wanted.expiresAt != info.expiresAt {
                after = try await store.changeKey(info.id, to: wanted)
            }
            if setsModels { after = try await store.setKeyModels(models, key: info.id) }
            if let isBlocked { after = try await store.setKeySuspended(isBlocked, key: info.id) }
            return (after, moved)
        }
        let (now, _) = try await LiteLLMScope(tenant: tenant, scope: .key(info.id)).read(call.store)
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("key", "key:\(info.id)")
        Self.write(after, tenant: tenant, now, to: &writer)
        writer.remarks(notKept: notKept, limits.remarks + moved)
        writer.endObject()
        return writer.bytes
    }

    static func delete(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let (keys, aliases) = (try names("keys", &record), try names("key_aliases", &record))
        try LiteLLMCall.finishQuestion(record)
        let texts = keys + aliases
        guard !texts.isEmpty else { throw LiteLLMRecord.Failure(field: "keys", message: "names none") }
        try await call.store.inOneTransaction { store in
            for (field, texts) in [("keys", keys), ("key_aliases", aliases)] {
                try await LiteLLMFieldNames.naming(["key": field]) {
                    for text in texts { try await store.revokeKey(store.key(named: text).info.id) }
                }
            }
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.names("deleted_keys", texts)
        writer.endObject()
        return writer.bytes
    }

    /// A new secret: the old one stops at once, and all else of the key stays.
    static func regenerate(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let (info, tenant) = try await key(&record, call)
        let notKept = try LiteLLMCall.finish(record)
        // Before: what fails afterwards would lose the secret.
        let (limits, _) = try await LiteLLMScope(tenant: tenant, scope: .key(info.id)).read(call.store)
        let made = try await call.store.rotateKey(info.id)
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("key", made.secret)
        write(made.info, tenant: tenant, limits, to: &writer)
        writer.remarks(notKept: notKept, [])
        writer.endObject()
        return writer.bytes
    }

    static func setBlocked(_ isBlocked: Bool, _ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let (info, tenant) = try await key(&record, call)
        try LiteLLMCall.finishQuestion(record)
        let after = try await call.store.setKeySuspended(isBlocked, key: info.id)
        return try await whole(after, tenant: tenant, call.store)
    }

    /// Of any key for the administrator, of itself for a key.
    func info(_ request: Request, _ context: GatewayContext) async throws -> [UInt8] {
        guard let administration = services.administration else { throw GatewayRefusal.notAdministrator }
        let call = LiteLLMCall(query: request, administration, context)
        var record = call.record
        let own = AuthenticationMiddleware.key(in: request.headers) ?? ""
        let asker = try await LiteLLMAsker.of(request, services)
        let isKey = if case .key = asker { true } else { false }
        let isOperator = if case .administrator = asker { true } else { false }
        let named = try record.text("key") ?? (isOperator ? nil : own)
        return try await LiteLLMEndpoints.perform(
            { call in
                guard let named else { throw LiteLLMRecord.Failure(field: "key", message: "is missing") }
                if !isOperator {
                    guard named == own, isKey else { throw GatewayRefusal.notAdministrator }
                }
                let (info, tenant) = try await call.store.key(named: named)
                return try await Self.whole(info, tenant: tenant, call.store)
            }, call)
    }

    // MARK: -

    private static func whole(_ info: KeyInfo, tenant: String, _ store: AdminStore) async throws -> [UInt8] {
        let (limits, budget) = try await LiteLLMScope(tenant: tenant, scope: .key(info.id)).read(store)
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("key", "key:\(info.id)")
        writer.key("info")
        writer.beginObject()
        write(info, tenant: tenant, limits, to: &writer)
        writer.dollars("spend", try await LiteLLMSpend.spend(of: .key(info.id), budget, tenant, store))
        writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    static func write(_ info: KeyInfo, tenant: String, _ limits: LiteLLMLimits, to writer: inout JSONWriter) {
        writer.member("token", "key:\(info.id)")
        writer.member("key_name", info.prefix)
        writer.member("key_alias", info.name.isEmpty ? nil : info.name)
        writer.member("team_id", info.team)
        writer.member("organization_id", tenant)
        writer.models(info.models)
        writer.member("expires", info.expiresAt?.formatted(.iso8601))
        writer.member("blocked", info.suspendedAt != nil || info.revokedAt != nil)
        writer.member("created_at", info.createdAt.formatted(.iso8601))
        writer.limits(limits)
    }

    private static func key(
        _ record: inout LiteLLMRecord, _ call: LiteLLMCall
    ) async throws -> (info: KeyInfo, tenant: String) {
        let key = try record.text("key")
        guard let text = try key ?? record.text("key_alias") else {
            throw LiteLLMRecord.Failure(field: "key", message: "is missing")
        }
        return try await LiteLLMFieldNames.naming(["key": key == nil ? "key_alias" : "key"]) {
            try await call.store.key(named: text)
        }
    }

    private static func names(_ field: String, _ record: inout LiteLLMRecord) throws -> [String] {
        guard let value = record.take(field) else { return [] }
        guard let list = value.list, list.count <= maxKeys else {
            throw LiteLLMRecord.Failure(field: field, message: "is not a list of at most \(maxKeys) keys")
        }
        return try list.map {
            guard let text = $0.text else { throw LiteLLMRecord.Failure(field: field, message: "holds no names") }
            return text
        }
    }
}
