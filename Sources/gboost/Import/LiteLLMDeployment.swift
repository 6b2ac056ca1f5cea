internal import GatewayCore
internal import GatewayServer

/// What an import cannot carry over, by its place in LiteLLM's file or table.
struct ImportRemark: Hashable, Sendable, Encodable {
    var path: String
    var reason: String
    static let noEqual = "has no equal here"
}

/// One entry of LiteLLM's `model_list`.
struct LiteLLMDeployment: Sendable {
    var path: String
    /// What clients put into `model`.
    var name: String
    var vendor: String
    /// The model's name at the vendor.
    var model: String
    var base: LiteLLMReference?
    var key: LiteLLMReference?
    var timeout: String?
    /// What it may cost and do; its remarks are among the deployment's.
    var limits = LiteLLMLimits()
    /// Its share of its name's calls, in millionths; nil: none is given.
    var weight: Int64?
    /// Fields of a price of its own, as a price file writes them.
    var price: [String: String] = [:]
    var mode: String?
    var remarks: [ImportRemark] = []

    init(_ value: FieldValue, path: String) throws(LiteLLMRecord.Failure) {
        self.path = path
        guard let fields = value.fields else { throw LiteLLMRecord.Failure(field: "", message: "is not a mapping") }
        var entry = LiteLLMRecord(fields)
        guard let name = try entry.text("model_name") else {
            throw LiteLLMRecord.Failure(field: "model_name", message: "is missing")
        }
        self.name = name
        guard let parameters = entry.take("litellm_params")?.fields else {
            throw LiteLLMRecord.Failure(field: "litellm_params", message: "is missing")
        }
        (vendor, model) = ("", "")
        var record = LiteLLMRecord(parameters)
        try read(&record)
        for field in record.left { remark("litellm_params.\(field)") }
        if let information = entry.take("model_info") {
            guard let fields = information.fields else {
                throw LiteLLMRecord.Failure(field: "model_info", message: "is not a mapping")
            }
            var record = LiteLLMRecord(fields)
            mode = try record.text("mode")
            takePrice(&record, in: "model_info")
            for field in record.left where !["id", "db_model"].contains(field) { remark("model_info.\(field)") }
        }
        for field in entry.left { remark(field) }
    }

    private mutating func remark(_ field: String, _ reason: String = ImportRemark.noEqual) {
        remarks.append(ImportRemark(path: "\(path).\(field)", reason: reason))
    }

    private mutating func read(_ record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) {
        guard let full = try record.text("model") else {
            throw LiteLLMRecord.Failure(field: "litellm_params.model", message: "is missing")
        }
        let given = try record.text("custom_llm_provider")
        let parts = full.split(separator: "/", maxSplits: 1).map(String.init)
        if let given {
            vendor = given
            model = full.hasPrefix(given + "/") ? String(full.dropFirst(given.count + 1)) : full
        } else if parts.count == 2 {
            (vendor, model) = (parts[0], parts[1])
        } else {
            vendor = full.hasPrefix("claude") ? "anthropic" : "openai"
            model = full
            remark("litellm_params.model", "names no vendor: \(vendor) is taken for it")
        }
        base = try record.text("api_base").map(LiteLLMReference.init)
        if let other = try record.text("base_url"), base == nil { base = LiteLLMReference(other) }
        key = try record.text("api_key").map(LiteLLMReference.init)
        try takeLimits(&record)
        takeWeight(&record)
        timeout = try record.text("timeout")
        if vendor == "azure", record.take("api_version") != nil {
            remark("litellm_params.api_version", "is not sent: Azure's /openai/v1 needs none")
        }
        takePrice(&record, in: "litellm_params")
    }

    /// LiteLLM's names of a deployment's limits, with those that it has for the same of keys and teams.
    private static let limitFields = [
        "max_budget": "max_budget", "budget_duration": "budget_duration", "rpm": "rpm_limit", "tpm": "tpm_limit",
        "max_parallel_requests": "max_parallel_requests",
    ]

    private mutating func takeLimits(_ record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) {
        var own = LiteLLMRecord([:])
        for (name, field) in Self.limitFields {
            if let value = record.take(name) { own.put(field, value) }
        }
        do throws(LiteLLMRecord.Failure) { limits = try LiteLLMLimits(&own) } catch {
            throw LiteLLMRecord.Failure(field: Self.place(ofLimit: error.field), message: error.message)
        }
        for remark in limits.remarks { self.remark(Self.place(ofLimit: remark.field), remark.message) }
        limits.remarks = []
    }

    private static func place(ofLimit field: String) -> String {
        "litellm_params.\(limitFields.first { $0.value == field }?.key ?? field)"
    }

    private mutating func takeWeight(_ record: inout LiteLLMRecord) {
        guard let value = record.take("weight") else { return }
        guard let text = value.text, let (share, isExact) = DecimalNumber(text)?.roundedUp(decimals: 6), isExact else {
            return remark("litellm_params.weight", "is not a number from 0 of at most six decimals: it is not taken")
        }
        weight = share
    }

    /// Rates that stand beside a model instead of in a price file. A number in quotes is one all the same.
    private mutating func takePrice(_ record: inout LiteLLMRecord, in place: String) {
        for field in record.left where field.contains("cost_per_") || field.hasSuffix("_token_cost") {
            guard let value = record.take(field) else { continue }
            if let text = value.text, DecimalNumber(text) != nil {
                price[field] = text
            } else {
                let shown = value.text.map { "'\($0.prefix(40))'" } ?? "what stands there"
                remark("\(place).\(field)", "\(shown) is not a decimal number: no rate is made of it")
            }
        }
    }
}

/// A value that LiteLLM's file gives, or that it says is in the environment.
enum LiteLLMReference: Hashable, Sendable {
    case literal(String)
    case environment(String)
    private static let prefix = "os.environ/"

    init(_ text: String) {
        self = text.hasPrefix(Self.prefix) ? .environment(String(text.dropFirst(Self.prefix.count))) : .literal(text)
    }
}
