internal import Foundation
internal import GatewayCore
internal import Ledger
internal import WireFormat

/// `/team/…` of LiteLLM's. A team's id is its name.
enum LiteLLMTeams {
    static func make(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let alias = try record.text("team_alias")
        let id = try record.text("team_id")
        guard let name = alias ?? id else {
            throw LiteLLMRecord.Failure(field: "team_alias", message: "is missing")
        }
        let isBlocked = try record.flag("blocked") ?? false
        let models = try record.models()
        let limits = try LiteLLMLimits(&record)
        var notKept = try LiteLLMCall.finish(record)
        if let id, id != name { notKept.append("team_id") }
        let field = alias == nil ? "team_id" : "team_alias"
        try await call.store.inOneTransaction { store in
            _ = try await LiteLLMFieldNames.naming(["name": field]) {
                try await store.createTeam(name: name, tenant: tenant)
            }
            if let models { _ = try await store.setTeamModels(models, team: name, tenant: tenant) }
            if isBlocked { try await store.setTeamSuspended(true, team: name, tenant: tenant) }
            try await LiteLLMScope(tenant: tenant, scope: .team(name)).set(limits, by: store)
        }
        return try await flat(name, tenant, call.store) { $0.remarks(notKept: notKept, limits.remarks) }
    }

    static func update(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let name = try id(&record)
        if let alias = try record.text("team_alias"), alias != name {
            throw LiteLLMRecord.Failure(field: "team_alias", message: "cannot be changed")
        }
        let isBlocked = try record.flag("blocked")
        let limits = try LiteLLMLimits(changing: &record)
        let setsModels = record.has("models")
        let models = try record.models()
        let notKept = try LiteLLMCall.finish(record)
        let moved = try await call.store.inOneTransaction { store in
            // First: what it locks comes before teams in everybody's order.
            let moved = try await LiteLLMScope(tenant: tenant, scope: .team(name)).set(limits, by: store)
            if setsModels { _ = try await store.setTeamModels(models, team: name, tenant: tenant) }
            if let isBlocked { try await store.setTeamSuspended(isBlocked, team: name, tenant: tenant) }
            return moved
        }
        return try await flat(name, tenant, call.store) { $0.remarks(notKept: notKept, limits.remarks + moved) }
    }

    static func setBlocked(_ isBlocked: Bool, _ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let name = try id(&record)
        try LiteLLMCall.finishQuestion(record)
        try await call.store.setTeamSuspended(isBlocked, team: name, tenant: tenant)
        return try await flat(name, tenant, call.store) { _ in }
    }

    static func info(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let name = try id(&record)
        try LiteLLMCall.finishQuestion(record)
        let keys = try await call.store.keys(tenant: tenant)
        let team = try await flat(name, tenant, call.store) { _ in }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("team_id", name)
        writer.key("team_info")
        writer.raw(team)
        write(keys, of: name, to: &writer)
        writer.endObject()
        return writer.bytes
    }

    /// All of a tenant's, by name.
    static func list(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        try LiteLLMCall.finishQuestion(record)
        let books = try await LiteLLMBooks(call.store, tenant: tenant)
        let month = try await call.store.spend(tenant: tenant, by: .team)
        let keys = try await call.store.keys(tenant: tenant)
        var writer = JSONWriter()
        writer.beginArray()
        for team in try await call.store.teams(tenant: tenant) {
            let (limits, budget) = books.of(team: team.id)
            writer.beginObject()
            write(team, tenant, limits, to: &writer)
            writer.dollars("spend", LiteLLMSpend.spend(of: team.name, budget, month))
            writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
            write(keys, of: team.name, to: &writer)
            writer.endObject()
        }
        writer.endArray()
        return writer.bytes
    }

    // MARK: -

    private static func id(_ record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) -> String {
        guard let id = try record.text("team_id") else {
            throw LiteLLMRecord.Failure(field: "team_id", message: "is missing")
        }
        return id
    }

    /// Those of a tenant's keys that are the team's and not revoked.
    private static func write(_ keys: [KeyInfo], of team: String, to writer: inout JSONWriter) {
        writer.key("keys")
        writer.beginArray()
        for key in keys where key.team == team && key.revokedAt == nil {
            writer.beginObject()
            writer.member("token", "key:\(key.id)")
            writer.member("key_name", key.prefix)
            writer.member("key_alias", key.name.isEmpty ? nil : key.name)
            writer.endObject()
        }
        writer.endArray()
    }

    private static func write(_ team: TeamInfo, _ tenant: String, _ limits: LiteLLMLimits, to writer: inout JSONWriter)
    {
        writer.member("team_id", team.name)
        writer.member("team_alias", team.name)
        writer.member("organization_id", tenant)
        writer.models(team.models)
        writer.member("blocked", team.suspendedAt != nil)
        writer.member("created_at", team.createdAt.formatted(.iso8601))
        writer.limits(limits)
    }

    private static func flat(
        _ name: String, _ tenant: String, _ store: AdminStore, _ more: (inout JSONWriter) -> Void
    ) async throws -> [UInt8] {
        guard let team = try await store.teams(tenant: tenant).first(where: { $0.name == name }) else {
            throw LedgerError(.notFound, field: "team_id", "\(tenant) has no team \(name)")
        }
        let (limits, budget) = try await LiteLLMScope(tenant: tenant, scope: .team(name)).read(store)
        var writer = JSONWriter()
        writer.beginObject()
        write(team, tenant, limits, to: &writer)
        writer.dollars("spend", try await LiteLLMSpend.spend(of: name, budget, tenant, store))
        writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
        more(&writer)
        writer.endObject()
        return writer.bytes
    }
}
