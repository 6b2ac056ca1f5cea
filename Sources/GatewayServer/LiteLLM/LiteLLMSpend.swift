internal import Foundation
internal import GatewayCore
internal import Ledger
internal import WireFormat

/// `/spend/logs` and `/global/spend…` of LiteLLM's, out of the ledger's reports.
enum LiteLLMSpend {
    /// A month's total, and what it may be.
    static func total(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        try LiteLLMCall.finishQuestion(record)
        let report = try await call.store.spend(tenant: tenant, by: .model)
        var writer = JSONWriter()
        writer.beginObject()
        writer.dollars("spend", NanoUSD(report.settledNanoUSD))
        writer.dollars("max_budget", report.limitNanoUSD.map { NanoUSD($0) })
        writer.endObject()
        return writer.bytes
    }

    /// A row for each day, `end_date` included.
    static func logs(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let days = try days(&record)
        if try record.text("summarize") == "false" {
            throw LiteLLMRecord.Failure(field: "summarize", message: "must be true: single calls are in the audit")
        }
        try LiteLLMCall.finishQuestion(record)
        let rows = try await call.store.spend(tenant: tenant, from: days.first, through: days.last, by: .day)
        var writer = JSONWriter()
        writer.beginArray()
        for row in rows {
            writer.beginObject()
            writer.member("startTime", row.name)
            writer.dollars("spend", NanoUSD(row.nanoUSD))
            write(row, to: &writer)
            writer.endObject()
        }
        writer.endArray()
        return writer.bytes
    }

    /// A row for each team, key or model of a span of days.
    static func report(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let days = try days(&record)
        let groupings: [String: SpendGrouping] = ["team": .team, "api_key": .key, "model": .model]
        let text = try record.text("group_by") ?? "team"
        guard let grouping = groupings[text] else {
            throw LiteLLMRecord.Failure(field: "group_by", message: "is not team, api_key or model")
        }
        try LiteLLMCall.finishQuestion(record)
        let rows = try await call.store.spend(tenant: tenant, from: days.first, through: days.last, by: grouping)
        var writer = JSONWriter()
        writer.beginArray()
        for row in rows {
            writer.beginObject()
            writer.member(text == "team" ? "team_name" : text, row.name)
            writer.dollars("total_spend", NanoUSD(row.nanoUSD))
            write(row, to: &writer)
            writer.endObject()
        }
        writer.endArray()
        return writer.bytes
    }

    /// What somebody has spent: in the budget's period, or in this month where there is none.
    static func spend(
        of owner: BudgetOwner, _ budget: BudgetInfo?, _ tenant: String, _ store: AdminStore
    ) async throws -> NanoUSD {
        if let budget { return budget.state.settled }
        return try await store.monthSpend(tenant: tenant, of: [owner])[owner] ?? .zero
    }

    private static func write(_ row: SpendReport.Row, to writer: inout JSONWriter) {
        writer.member("api_requests", row.calls)
        writer.member("prompt_tokens", row.inputTokens)
        writer.member("completion_tokens", row.outputTokens)
    }

    private static func days(
        _ record: inout LiteLLMRecord
    ) throws(LiteLLMRecord.Failure) -> (first: String, last: String) {
        guard let first = try record.text("start_date") else {
            throw LiteLLMRecord.Failure(field: "start_date", message: "is missing: a day like 2026-11-01")
        }
        return (first, try record.text("end_date") ?? first)
    }
}
