internal import Foundation
internal import GatewayCore
internal import Ledger
internal import WireFormat

/// `/team/…` of LiteLLM's. A team's id is its name.
enum LiteLLMTeams {
    /// Teams that are read at once for the list of all.
    private static let teamsAtOnce = 100
    /// More of one team's keys are not in an answer, which says so then.
    private static let maxKeys = 1000

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
        let id = try await call.store.team(named: name, tenant: tenant).id
        let keys = try await call.store.usableKeys(tenant: tenant, ofTeams: [id], limit: maxKeys)[id]
        let team = try await flat(name, tenant, call.store) { _ in }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("team_id", name)
        writer.key("team_info")
        writer.raw(team)
        write(keys, to: &writer)
        writer.endObject()
        return writer.bytes
    }

    /// All of a tenant's, by name; read some at a time, each time with what is theirs alone.
    static func list(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        try LiteLLMCall.finishQuestion(record)
        var writer = JSONWriter()
        writer.beginArray()
        var teams: [TeamInfo] = []
        repeat {
            teams = try await call.store.teams(tenant: tenant, after: teams.last?.id ?? 0, limit: teamsAtOnce)
            try await write(teams, tenant, call.store, to: &writer)
        } while teams.count == teamsAtOnce
        writer.endArray()
        return writer.bytes
    }

    private static func write(
        _ teams: [TeamInfo], _ tenant: String, _ store: AdminStore, to writer: inout JSONWriter
    ) async throws {
        let owners = teams.map { BudgetOwner.team($0.id) }
        let books = try await LiteLLMBooks(store, tenant: tenant, of: owners)
        let month = try await store.monthSpend(tenant: tenant, of: owners.filter { books.of($0).budget == nil })
        let keys = try await store.usableKeys(tenant: tenant, ofTeams: teams.map(\.id), limit: maxKeys)
        for team in teams {
            let owner = BudgetOwner.team(team.id)
            let (limits, budget) = books.of(owner)
            writer.beginObject()
            write(team, tenant, limits, to: &writer)
            writer.dollars("spend", budget?.state.settled ?? month[owner] ?? .zero)
            writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
            write(keys[team.id], to: &writer)
            writer.endObject()
        }
    }

    // MARK: -

    private static func id(_ record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) -> String {
        guard let id = try record.text("team_id") else {
            throw LiteLLMRecord.Failure(field: "team_id", message: "is missing")
        }
        return id
    }

    /// A team's keys that are not revoked, and where they are more than these, that they are.
    private static func write(_ page: KeyPage?, to writer: inout JSONWriter) {
        let keys = page?.keys ?? []
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
        guard let page, page.count > keys.count else { return }
        let message = "the latest \(keys.count) of \(page.count); /key/list has all of them, page by page"
        writer.remarks(notKept: [], [LiteLLMRecord.Failure(field: "keys", message: message)])
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
        let team = try await store.team(named: name, tenant: tenant)
        let (limits, budget) = try await LiteLLMScope(tenant: tenant, scope: .team(name)).read(store)
        var writer = JSONWriter()
        writer.beginObject()
        write(team, tenant, limits, to: &writer)
        writer.dollars("spend", try await LiteLLMSpend.spend(of: .team(team.id), budget, tenant, store))
        writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
        more(&writer)
        writer.endObject()
        return writer.bytes
    }
}
