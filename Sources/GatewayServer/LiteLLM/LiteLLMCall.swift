internal import FoundationEssentials
internal import GatewayCore
internal import Hummingbird
internal import Ledger
internal import WireFormat

/// One request of a management path: its fields, and the administration that it may use.
struct LiteLLMCall: Sendable {
    /// More is no management request.
    static let maxBodyBytes = 256 * 1024
    /// Fields that say nothing about what is allowed: they are not kept, and the answer names them.
    private static let notKept: Set<String> = [
        "metadata", "user_id", "user_email", "agent_id", "created_by", "key_type", "send_invite_email", "tags", "spend",
        "budget_reset_at", "team_member_permissions",
    ]
    let record: LiteLLMRecord
    let store: AdminStore
    private let defaultTenant: String

    init(body: [UInt8], _ administration: Administration, _ context: GatewayContext) throws {
        let document: JSONDocument
        do throws(WireFormatError) { document = try JSONDocument(body) } catch { throw GatewayRefusal(error) }
        guard let fields = FieldValue(document.root).fields else {
            throw GatewayRefusal.invalidRequest("The body is not a JSON object.", parameter: nil)
        }
        self.init(fields, administration, context)
    }

    init(query request: Request, _ administration: Administration, _ context: GatewayContext) {
        var fields: [String: FieldValue] = [:]
        for (name, value) in request.uri.queryParameters { fields[String(name)] = .text(String(value)) }
        self.init(fields, administration, context)
    }

    init(_ fields: [String: FieldValue], _ administration: Administration, _ context: GatewayContext) {
        record = LiteLLMRecord(fields)
        store = administration.store.from("request \(context.requestID.text)")
        defaultTenant = administration.tenant
    }

    /// What its keys and teams cannot pay for, however much is in their own budgets. Nothing where it cannot be read:
    /// what was asked for is done by then.
    func budgetRemarks(of tenant: String) async -> [LiteLLMRecord.Failure] {
        guard let budgets = try? await store.budgets(tenant: tenant, of: [.tenant]),
            let gap = BudgetGap(budgets, of: tenant)
        else { return [] }
        return [LiteLLMRecord.Failure(field: "tenant \(tenant)", message: gap.text)]
    }

    /// The tenant that `organization_id` names, or the configured one.
    func tenant(_ record: inout LiteLLMRecord) throws -> String {
        try record.text("organization_id") ?? defaultTenant
    }

    /// Refuses what is left over, but for what only describes: its names.
    static func finish(_ record: LiteLLMRecord) throws -> [String] {
        let left = record.left
        try refuse(left.first { !notKept.contains($0) })
        return left
    }

    /// Refuses whatever is left over: a question that was not heard out would get the answer to another.
    static func finishQuestion(_ record: LiteLLMRecord) throws { try refuse(record.left.first) }

    private static func refuse(_ field: String?) throws {
        guard let field else { return }
        throw GatewayRefusal.invalidRequest("\(field) has no equal here, so nothing was done.", parameter: field)
    }
}

extension JSONWriter {
    /// Dollars as a number, exactly; null where there are none.
    mutating func dollars(_ name: String, _ amount: NanoUSD?) {
        key(name)
        if let amount { raw(amount.usdString.utf8) } else { null() }
    }

    mutating func names(_ name: String, _ values: [String]) {
        key(name)
        beginArray()
        for value in values { string(value) }
        endArray()
    }

    /// Names that may be used. To LiteLLM an empty list is every name: who may use none has a word of its own.
    mutating func models(_ patterns: [String]?) {
        names("models", patterns.map { $0.isEmpty ? [LiteLLMRecord.noModels] : $0 } ?? [])
    }

    /// Limits with LiteLLM's names.
    mutating func limits(_ limits: LiteLLMLimits) {
        dollars("max_budget", limits.maxBudget)
        member("budget_duration", limits.maxBudget == nil ? nil : LiteLLMLimits.duration(limits.window))
        member("rpm_limit", limits.requestsPerMinute)
        member("tpm_limit", limits.tokensPerMinute)
        member("max_parallel_requests", limits.parallel)
    }

    /// What of the request is not kept, or not the same.
    mutating func remarks(notKept: [String], _ remarks: [LiteLLMRecord.Failure]) {
        key("gboost")
        beginObject()
        names("not_kept", notKept)
        names("remarks", remarks.map { "\($0.field): \($0.message)" })
        endObject()
    }
}
