package import GatewayCore
package import Ledger
internal import WireFormat

/// What LiteLLM's limit fields, which keys, teams and budgets have in common, are here.
package struct LiteLLMLimits: Sendable, Hashable {
    package var maxBudget: NanoUSD?
    package var window: BudgetWindow = .total
    /// Whether a duration was given: where none was, a budget that is there keeps its window.
    package var namesWindow = false
    /// Percent of the budget at which to alert: what `soft_budget` is.
    package var alertAt: Int?
    package var requestsPerMinute: Int64?
    package var tokensPerMinute: Int64?
    package var parallel: Int64?
    /// Fields, each with what is not the same here.
    package var remarks: [LiteLLMRecord.Failure] = []

    private static let fields = [
        "max_budget", "soft_budget", "budget_duration", "rpm_limit", "tpm_limit", "max_parallel_requests",
    ]

    /// Fewer tokens a minute let next to no call through: each is held for a bound of its prompt, and that begins with
    /// what a chat template may add.
    private static let leastTokensPerMinute: Int64 = 1_000

    package init() {}

    /// Takes the fields out of `record`, for somebody who may have limits already. LiteLLM's null takes a limit away,
    /// which is not done here, and is said; clients write it for whatever they do not mean, too. So it is with the list
    /// of models, which is left for others to take: an empty one allows every model.
    package init(changing record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) {
        let nulls = (Self.fields + ["models"]).filter { record.isNull($0) }
        try self.init(&record)
        for name in nulls { remark(name, "null changes nothing: no limit is taken away by this path") }
    }

    /// Takes the fields out of `record`.
    package init(_ record: inout LiteLLMRecord) throws(LiteLLMRecord.Failure) {
        maxBudget = try record.amount("max_budget")
        let soft = try record.amount("soft_budget")
        if let duration = try record.text("budget_duration") {
            guard let (window, isSame) = Self.window(duration) else {
                throw LiteLLMRecord.Failure(
                    field: "budget_duration", message: "'\(duration)' is not a duration like 30d")
            }
            (self.window, namesWindow) = (window, true)
            if maxBudget == nil {
                remark("budget_duration", "says nothing without max_budget")
            } else if !isSame {
                remark(
                    "budget_duration", "\(duration) became the next longer window, \(window.rawValue): it is stricter")
            }
        }
        requestsPerMinute = try record.count("rpm_limit")
        tokensPerMinute = try record.count("tpm_limit")
        if let tokensPerMinute, tokensPerMinute < Self.leastTokensPerMinute {
            let template = PromptBound.tokensPerRequest + PromptBound.tokensPerMessage
            remark(
                "tpm_limit",
                "\(tokensPerMinute) lets next to no call through: each is held for \(template) tokens, one for every "
                    + "byte that is sent, and all that it may write; give it \(Self.leastTokensPerMinute) at least")
        }
        parallel = try record.count("max_parallel_requests")
        guard let soft else { return }
        guard let maxBudget, maxBudget > .zero, soft > .zero else {
            remark("soft_budget", "alerts are percentages of a budget, and there is no max_budget")
            return
        }
        let percent = Int(Int128(soft.rawValue) * 100 / Int128(maxBudget.rawValue))
        guard (1...100).contains(percent) else {
            remark("soft_budget", "is not between 1 and 100 percent of max_budget")
            return
        }
        alertAt = percent
    }

    private mutating func remark(_ field: String, _ message: String) {
        remarks.append(LiteLLMRecord.Failure(field: field, message: message))
    }

    /// The window of a duration such as "30s", "24h", "30d", "1mo"; the next longer one where there is no such.
    package static func window(_ duration: String) -> (window: BudgetWindow, isSame: Bool)? {
        let digits = duration.prefix { ("0"..."9").contains($0) }
        guard let count = Int(digits), count > 0, count < 1_000_000 else { return nil }
        let hours: Int
        switch duration.dropFirst(digits.count) {
        case "s", "m": return (.day, false)
        case "h": hours = count
        case "d": hours = count * 24
        case "w": hours = count * 24 * 7
        case "mo":
            if count == 1 { return (.month, true) }
            return count <= 3 ? (.quarter, count == 3) : (.total, false)
        default: return nil
        }
        switch hours {
        case ...24: return (.day, hours == 24)
        case ...(7 * 24): return (.week, hours == 7 * 24)
        // LiteLLM itself resets what lasts 30 days at the first of a month.
        case ...(31 * 24): return (.month, hours >= 30 * 24)
        case ...(92 * 24): return (.quarter, hours >= 90 * 24)
        default: return (.total, false)
        }
    }

    /// Takes from others what is not set here.
    package mutating func fill(from others: LiteLLMLimits) {
        if maxBudget == nil {
            (maxBudget, alertAt) = (others.maxBudget, others.alertAt)
            (window, namesWindow) = (others.window, others.namesWindow)
        }
        // Of a limit that is not taken nothing is to be said.
        let isTokenLimitTaken = tokensPerMinute == nil
        requestsPerMinute = requestsPerMinute ?? others.requestsPerMinute
        tokensPerMinute = tokensPerMinute ?? others.tokensPerMinute
        parallel = parallel ?? others.parallel
        remarks += others.remarks.filter { isTokenLimitTaken || $0.field != "tpm_limit" }
    }

    /// A window as LiteLLM writes it; nil: it never resets.
    package static func duration(_ window: BudgetWindow) -> String? {
        switch window {
        case .day: "24h"
        case .week: "7d"
        case .month: "1mo"
        case .quarter: "3mo"
        case .total, .request: nil
        }
    }

    /// The rate limits that are set.
    package var rates: [(unit: LimitUnit, limit: Int64)] {
        [(LimitUnit.requests, requestsPerMinute), (.tokens, tokensPerMinute), (.parallel, parallel)]
            .compactMap { unit, limit in limit.map { (unit, $0) } }
    }
}

/// Names of LiteLLM's as names that are allowed here.
package enum LiteLLMName {
    private static let maxLength = 63

    /// For a tenant or a team: letters, digits and `. _ -`.
    package static func plain(_ text: String) -> String {
        var name = ""
        for scalar in text.unicodeScalars.prefix(maxLength) {
            let isAllowed = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
            if isAllowed || (!name.isEmpty && "._-".unicodeScalars.contains(scalar)) {
                name.unicodeScalars.append(scalar)
            } else if !name.isEmpty {
                name += "-"
            }
        }
        while name.hasSuffix("-") { name.removeLast() }
        return name
    }

    /// For a route: slashes, colons and `@` too.
    package static func isRoute(_ text: String) -> Bool {
        ModelPattern.isValid(text) && !text.contains("*") && text.utf8.count <= 127
    }
}
