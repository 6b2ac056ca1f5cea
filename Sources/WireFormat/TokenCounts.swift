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

    /// The same of a request that has a mark for an hour: where it is not said which writes live for how long, all may.
    package var withHourWrites: TokenCounts {
        guard cacheWrite1h == 0 else { return self }
        var counts = self
        counts.cacheWrite1h = cacheWrite
        return counts
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
            let total = Self.count(value["total_tokens"], absent: 0),
            // Embeddings have none, and their total says so.
            let completion = Self.count(value["completion_tokens"], absent: total == prompt ? 0 : nil),
            let hits = Self.count(value["prompt_cache_hit_tokens"], absent: 0),
            let cached = Self.detail(value["prompt_tokens_details"], "cached_tokens", absent: hits),
            let cacheWrite = Self.detail(value["prompt_tokens_details"], "cache_write_tokens"),
            let kept = Self.longWrites(value["prompt_tokens_details"]),
            let reasoning = Self.detail(value["completion_tokens_details"], "reasoning_tokens")
        else {
            self = .invalid
            return
        }
        // Some leave reasoning out of the completion and count it in the total, which is what they charge for.
        let (said, overflow) = prompt.addingReportingOverflow(completion)
        let hidden = overflow ? 0 : max(0, total - said)
        self = .valid(
            TokenCounts(
                prompt: prompt, cached: cached, cacheWrite: cacheWrite, cacheWrite1h: min(kept, cacheWrite),
                completion: completion + hidden,
                reasoning: max(reasoning, hidden)))
    }

    /// Reads the `usage` of OpenAI's Responses API.
    init(responses value: JSONValue?) {
        guard let value, !value.isNull else {
            self = .absent
            return
        }
        guard let input = Self.count(value["input_tokens"], absent: nil),
            let output = Self.count(value["output_tokens"], absent: nil),
            let cached = Self.detail(value["input_tokens_details"], "cached_tokens"),
            let cacheWrite = Self.detail(value["input_tokens_details"], "cache_write_tokens"),
            let kept = Self.longWrites(value["input_tokens_details"]),
            let reasoning = Self.detail(value["output_tokens_details"], "reasoning_tokens")
        else {
            self = .invalid
            return
        }
        self = .valid(
            TokenCounts(
                prompt: input, cached: cached, cacheWrite: cacheWrite, cacheWrite1h: min(kept, cacheWrite),
                completion: output, reasoning: reasoning))
    }

    /// Reads a `usage` object that was cut out of a body.
    package init(text: [UInt8]) {
        guard let document = try? JSONDocument(text, limits: .provider) else {
            self = .invalid
            return
        }
        self.init(document.root)
    }

    private static func count(_ value: JSONValue?, absent: Int64?) -> Int64? {
        guard let value, !value.isNull else { return absent }
        guard let count = value.integer, count >= 0 else { return nil }
        return count
    }

    /// Cache writes that live longer than the usual ones: the dearer of the two kinds that prices know.
    private static func longWrites(_ details: JSONValue?) -> Int64? {
        guard let details, details.kind == .object else { return 0 }
        return detail(details["cache_write_tokens_details"], "ttl_12h_tokens")
    }

    private static func detail(_ details: JSONValue?, _ name: String, absent: Int64 = 0) -> Int64? {
        guard let details, !details.isNull else { return absent }
        guard details.kind == .object else { return nil }
        return count(details[name], absent: absent)
    }
}
