internal import GatewayCore
internal import HTTPTypes
internal import WireFormat

/// One step of an answer as it was decided, for the client's `gboost` object.
struct StepTrace: Sendable {
    enum Source: String, Sendable { case slm, llm }
    var index: Int
    var source: Source
    var text: String
    var reward: ProcessReward?
    /// What the router chose for this step, and why.
    var action: StepAction?
    var reason: String?
    /// Cost of the paid call that wrote it, if one did.
    var cost: NanoUSD?
}

/// Whether an answer came from the cache.
enum CacheUse: String, Sendable { case hit, miss }

/// What is known of an answer at its end: headers, the stream's last chunk and the request's row are made of it.
struct AnswerReport: Sendable {
    var requestID: String
    var servedBy: ServedBy
    var steps: [StepTrace] = []
    var escalations = 0
    var cost: NanoUSD = .zero
    /// What of it was paid for calls of which nothing stands in the steps.
    var unusedCost: NanoUSD = .zero
    var budget: BudgetState?
    var degraded: DegradedReason?
    /// nil: the tenant has nothing cached.
    var cache: CacheUse?
    var finishReason = "stop"
    /// The client's stop string that ended it, where that is known.
    var stop: String?
    var promptTokens: Int64 = 0
    var completionTokens: Int64 = 0
    var slmInputTokens: Int64 = 0
    var slmOutputTokens: Int64 = 0
    var overheadMilliseconds: Double?

    /// Everything that INTERFACE names as a response header.
    var headers: HTTPFields {
        var fields = HTTPFields()
        fields[.servedBy] = servedBy.rawValue
        fields[.steps] = String(steps.count)
        fields[.escalations] = String(escalations)
        fields[.costUSD] = cost.usdString
        if let budget { fields[.budgetRemainingUSD] = budget.remaining.usdString }
        if let degraded { fields[.degraded] = degraded.rawValue }
        if let cache { fields[.cache] = cache.rawValue }
        if let overheadMilliseconds { fields[.overheadMilliseconds] = Self.decimal(overheadMilliseconds) }
        return fields
    }

    /// The `gboost` object beside `usage`.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("request_id", requestID)
        writer.member("served_by", servedBy.rawValue)
        writer.member("escalations", Int64(escalations))
        writer.member("cost_usd", cost.usdString)
        writer.member("cost_nano_usd", cost.rawValue)
        writer.member("unused_cost_usd", unusedCost.usdString)
        writer.member("budget_remaining_usd", budget?.remaining.usdString)
        writer.member("degraded", degraded?.rawValue)
        writer.member("cache", cache?.rawValue)
        writer.key("steps")
        writer.beginArray()
        for step in steps { Self.write(step, to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private static func write(_ step: StepTrace, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("index", Int64(step.index))
        writer.member("source", step.source.rawValue)
        writer.member("text", step.text)
        if let reward = step.reward {
            writer.key("reward")
            writer.double(reward.calibrated)
            writer.key("reward_raw")
            writer.double(reward.raw)
        }
        writer.member("action", step.action?.rawValue)
        writer.member("reason", step.reason)
        writer.member("cost_usd", step.cost?.usdString)
        writer.endObject()
    }

    private static func decimal(_ value: Double) -> String {
        let hundredths = Int64((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
