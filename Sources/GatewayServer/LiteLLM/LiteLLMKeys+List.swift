internal import FoundationEssentials
internal import GatewayCore
internal import Ledger
internal import WireFormat

extension LiteLLMKeys {
    /// Of one page, as in LiteLLM.
    private static let pageSizes: ClosedRange<Int64> = 1...100
    private static let usualPageSize: Int64 = 10

    /// A page of a tenant's keys that are not revoked, the latest first: their tokens, or all that there is of each.
    static func list(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let tenant = try call.tenant(&record)
        let (team, alias) = (try record.text("team_id"), try record.text("key_alias"))
        let page = try number("page", &record, in: 1...Int64.max) ?? 1
        let size = try number("size", &record, in: pageSizes) ?? usualPageSize
        let isWhole = try flag("return_full_object", &record)
        try LiteLLMCall.finishQuestion(record)
        let before = (page - 1).multipliedReportingOverflow(by: size)
        let found = try await call.store.usableKeys(
            tenant: tenant, KeyFilter(team: team, name: alias),
            skipping: before.overflow ? .max : before.partialValue, limit: Int(size))
        var writer = JSONWriter()
        writer.beginObject()
        if isWhole {
            try await write(found.keys, tenant, call.store, to: &writer)
        } else {
            writer.names("keys", found.keys.map { "key:\($0.id)" })
        }
        writer.member("total_count", found.count)
        writer.member("current_page", page)
        writer.member("total_pages", (found.count + size - 1) / size)
        writer.endObject()
        return writer.bytes
    }

    private static func write(
        _ keys: [KeyInfo], _ tenant: String, _ store: AdminStore, to writer: inout JSONWriter
    ) async throws {
        let owners = keys.map { BudgetOwner.key($0.id) }
        let books = try await LiteLLMBooks(store, tenant: tenant, of: owners)
        let month = try await store.monthSpend(tenant: tenant, of: owners.filter { books.of($0).budget == nil })
        writer.key("keys")
        writer.beginArray()
        for key in keys {
            let owner = BudgetOwner.key(key.id)
            let (limits, budget) = books.of(owner)
            writer.beginObject()
            write(key, tenant: tenant, limits, to: &writer)
            writer.dollars("spend", budget?.state.settled ?? month[owner] ?? .zero)
            writer.member("budget_reset_at", budget?.state.resetsAt?.formatted(.iso8601))
            writer.endObject()
        }
        writer.endArray()
    }

    private static func number(
        _ name: String, _ record: inout LiteLLMRecord, in range: ClosedRange<Int64>
    ) throws(LiteLLMRecord.Failure) -> Int64? {
        guard let number = try record.count(name) else { return nil }
        guard range.contains(number) else {
            let end = range.upperBound == .max ? "" : " to \(range.upperBound)"
            throw LiteLLMRecord.Failure(field: name, message: "is not a whole number from \(range.lowerBound)\(end)")
        }
        return number
    }

    /// Of a query, where all are texts. Python writes them with a capital.
    private static func flag(
        _ name: String, _ record: inout LiteLLMRecord
    ) throws(LiteLLMRecord.Failure) -> Bool {
        guard let text = try record.text(name) else { return false }
        switch text.lowercased() {
        case "true", "1": return true
        case "false", "0": return false
        default: throw LiteLLMRecord.Failure(field: name, message: "is neither true nor false")
        }
    }
}
