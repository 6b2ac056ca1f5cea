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
        try await call.store.inOneTransaction { store in
            _ = try await store.createTeam(name: name, tenant: tenant)
            if let models { _ = try await store.setTeamModels(models, team: name, tenant: tenant) }
            if isBlocked { try await store.setTeamSuspended(true, team: name, tenant: tenant) }
            try await LiteLLMScope(tenant: tenant, scope: .team(name)).set(limits, by: store)
        }
        return try await flat(name, tenant, call.store) { $0.remarks(notKept: notKept, limits.remarks) }
    }

    static func update(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        guard let name = try record.text("team_id") else {
            throw LiteLLMRecord.Failure(field: "team_id", message: "is missing")
        }
        if let alias = try record.text("team_alias"), alias != name {
            throw LiteLLMRecord.Failure(field: "team_alias", message: "cannot be changed")
        }
        let isBlocked = try record.flag("blocked")
        let limits = try LiteLLMLimits(changing: &record)
        let setsModels = record.has("models")
        let models = try record.models()
        let notKept = try LiteLLMCall.finish(record)
        try await call.store.inOneTransaction { store in
            // First: what it locks comes before teams in everybody's order.
            try await LiteLLMScope(tenant: tenant, scope: .team(name)).set(limits, by: store)
            if setsModels { _ = try await store.setTeamModels(models, team: name, tenant: tenant) }
            if let isBlocked { try await store.setTeamSuspended(isBlocked, team: name, tenant: tenant) }
        }
        return try await flat(name, tenant, call.store) { $0.remarks(notKept: notKept, limits.remarks) }
    }

    static func info(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        guard let name = try record.text("team_id") else {
            throw LiteLLMRecord.Failure(field: "team_id", message: "is missing")
        }
        try LiteLLMCall.finishQuestion(record)
        let keys = try await call.store.keys(tenant: tenant).filter { $0.team == name && $0.revokedAt == nil }
        let team = try await flat(name, tenant, call.store) { _ in }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("team_id", name)
        writer.key("team_info")
        writer.raw(team)
        writer.key("keys")
        writer.beginArray()
        for key in keys {
            writer.beginObject()
            writer.member("token", "key:\(key.id)")
            writer.member("key_name", key.prefix)
            writer.member("key_alias", key.name.isEmpty ? nil : key.name)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
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
        writer.member("team_id", team.name)
        writer.member("team_alias", team.name)
        writer.member("organization_id", tenant)
        writer.models(team.models)
        writer.member("blocked", team.suspendedAt != nil)
        writer.member("created_at", team.createdAt.formatted(.iso8601))
        writer.limits(limits)
        writer.dollars("spend", try await LiteLLMSpend.spend(of: name, budget, tenant, store))
        writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
        more(&writer)
        writer.endObject()
        return writer.bytes
    }
}
