/// Token counts as an OpenAI-compatible provider states them in `usage`.
///
/// `prompt` includes `cached` and `cacheWrite`, `completion` includes `reasoning`. Not yet checked against each other.
package struct TokenCounts: Hashable, Sendable {
    package var prompt: Int64
    package var cached: Int64
    /// Written to the provider's cache, where that is charged.
    package var cacheWrite: Int64
    /// The part of `cacheWrite` that was written to live for an hour.
    package var cacheWrite1h: Int64
    package var completion: Int64
    package var reasoning: Int64
    package init(
        prompt: Int64, cached: Int64 = 0, cacheWrite: Int64 = 0, cacheWrite1h: Int64 = 0, completion: Int64,
        reasoning: Int64 = 0
    ) {
        self.prompt = prompt
        self.cached = cached
        self.cacheWrite = cacheWrite
        self.cacheWrite1h = cacheWrite1h
        self.completion = completion
        self.reasoning = reasoning
    }
}

/// A `usage` field as read.
package enum UsageField: Hashable, Sendable {
    /// Not there, or null.
    case absent
    case valid(TokenCounts)
    /// There, but not to be relied on: counts missing, negative, fractional or too large. Money must not be counted
    /// from it.
    case invalid

    /// The counts where they are valid.
    package var counts: TokenCounts? {
        if case .valid(let counts) = self { counts } else { nil }
    }

    /// Reads the `usage` member of a chunk or a body.
    init(_ value: JSONValue?) {
        guard let value, !value.isNull else {
            self = .absent
            return
        }
        guard let prompt = Self.count(value["prompt_tokens"], absent: nil),
            let completion = Self.count(value["completion_tokens"], absent: nil),
            let cached = Self.detail(value["prompt_tokens_details"], "cached_tokens"),
            let cacheWrite = Self.detail(value["prompt_tokens_details"], "cache_write_tokens"),
            let reasoning = Self.detail(value["completion_tokens_details"], "reasoning_tokens")
        else {
            self = .invalid
            return
        }
        self = .valid(
            TokenCounts(
                prompt: prompt, cached: cached, cacheWrite: cacheWrite, completion: completion, reasoning: reasoning))
    }

    private static func count(_ value: JSONValue?, absent: Int64?) -> Int64? {
        guard let value, !value.isNull else { return absent }
        guard let count = value.integer, count >= 0 else { return nil }
        return count
    }

    private static func detail(_ details: JSONValue?, _ name: String) -> Int64? {
        guard let details, !details.isNull else { return 0 }
        guard details.kind == .object else { return nil }
        return count(details[name], absent: 0)
    }
}
