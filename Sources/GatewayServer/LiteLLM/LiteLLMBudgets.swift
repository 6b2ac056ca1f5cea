internal import Foundation
internal import GatewayCore
internal import Ledger
internal import WireFormat

/// `/budget/…` of LiteLLM's. A budget here belongs to somebody, so its id says whom: "tenant", "team:NAME", "key:17".
enum LiteLLMBudgets {
    private static let maxBudgets = 1000

    static func set(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let id = try record.text("budget_id") ?? "tenant"
        let scope = try scope(id)
        let limits = try LiteLLMLimits(changing: &record)
        let notKept = try LiteLLMCall.finish(record)
        let target = LiteLLMScope(tenant: tenant, scope: scope)
        let (moved, now, budget) = try await LiteLLMFieldNames.naming(Self.owner("budget_id")) {
            let moved = try await call.store.inOneTransaction { try await target.set(limits, by: $0) }
            let (now, budget) = try await target.read(call.store)
            return (moved, now, budget)
        }
        var writer = JSONWriter()
        writer.beginObject()
        write(id, now, budget, to: &writer)
        writer.remarks(notKept: notKept, limits.remarks + moved)
        writer.endObject()
        return writer.bytes
    }

    static func info(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        guard let ids = record.take("budgets")?.list, ids.count <= maxBudgets else {
            throw LiteLLMRecord.Failure(field: "budgets", message: "is not a list of ids")
        }
        try LiteLLMCall.finishQuestion(record)
        var writer = JSONWriter()
        writer.beginArray()
        for value in ids {
            guard let id = value.text else { throw LiteLLMRecord.Failure(field: "budgets", message: "holds no ids") }
            let target = LiteLLMScope(tenant: tenant, scope: try scope(id))
            let (limits, budget) = try await LiteLLMFieldNames.naming(Self.owner("budgets")) {
                try await target.read(call.store)
            }
            writer.beginObject()
            write(id, limits, budget, to: &writer)
            writer.endObject()
        }
        writer.endArray()
        return writer.bytes
    }

    private static func write(_ id: String, _ limits: LiteLLMLimits, _ budget: BudgetInfo?, to writer: inout JSONWriter)
    {
        writer.member("budget_id", id)
        writer.limits(limits)
        let soft = budget?.alertAt.first.flatMap { percent in
            budget.map { NanoUSD(Int64(Int128($0.limit.rawValue) * Int128(percent) / 100)) }
        }
        writer.dollars("soft_budget", soft)
        writer.dollars("spend", budget?.state.settled)
        writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
    }

    /// Where the request names whose budget it means.
    private static func owner(_ field: String) -> [String: String] { ["team": field, "team_id": field, "key": field] }

    private static func scope(_ id: String) throws(LiteLLMRecord.Failure) -> BudgetScope {
        if id == "tenant" { return .tenant }
        if id.hasPrefix("team:") { return .team(String(id.dropFirst(5))) }
        if id.hasPrefix("key:"), let number = Int64(id.dropFirst(4)) { return .key(number) }
        throw LiteLLMRecord.Failure(
            field: "budget_id", message: "'\(id.prefix(60))' names nobody: use tenant, team:NAME or key:NUMBER")
    }
}
