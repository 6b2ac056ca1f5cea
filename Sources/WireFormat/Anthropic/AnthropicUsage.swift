/// Token counts as Anthropic states them: `input_tokens` is only what was neither read from a cache nor written to one.
///
/// A stream states them twice: `message_start` with the input, `message_delta` with everything so far. What the later
/// one names replaces what the earlier one said, zero included; counts are never added up.
package struct AnthropicUsage: Hashable, Sendable {
    private var input: Int64?
    private var cacheRead: Int64?
    private var cacheWrite: Int64?
    private var cacheWrite1h: Int64?
    private var cacheWrite5m: Int64?
    private var output: Int64?
    private var thinking: Int64?
    /// Searches and the like, which cost by the piece: no price here covers them.
    private var serverTools: Int64 = 0
    private var isInvalid = false
    /// The usage objects as they came.
    package private(set) var texts: [String] = []

    /// Reads a `usage` member; nil where it is absent or null.
    init?(_ value: JSONValue?) {
        guard let value, !value.isNull else { return nil }
        guard value.kind == .object else {
            isInvalid = true
            return
        }
        texts = [String(decoding: value.rawBytes, as: UTF8.self)]
        input = count(value["input_tokens"])
        cacheRead = count(value["cache_read_input_tokens"])
        cacheWrite = count(value["cache_creation_input_tokens"])
        cacheWrite5m = count(value["cache_creation"]?["ephemeral_5m_input_tokens"])
        cacheWrite1h = count(value["cache_creation"]?["ephemeral_1h_input_tokens"])
        output = count(value["output_tokens"])
        thinking = count(value["output_tokens_details"]?["thinking_tokens"])
        for (_, number) in value["server_tool_use"]?.members ?? [] {
            let times = count(number) ?? 0
            serverTools = max(serverTools, times)
        }
    }

    private mutating func count(_ value: JSONValue?) -> Int64? {
        guard let value, !value.isNull else { return nil }
        guard let number = value.integer, number >= 0 else {
            isInvalid = true
            return nil
        }
        return number
    }

    /// What holds once `later` was said too.
    package func replaced(by later: AnthropicUsage) -> AnthropicUsage {
        var result = later
        result.input = later.input ?? input
        result.cacheRead = later.cacheRead ?? cacheRead
        result.cacheWrite = later.cacheWrite ?? cacheWrite
        result.cacheWrite5m = later.cacheWrite5m ?? cacheWrite5m
        result.cacheWrite1h = later.cacheWrite1h ?? cacheWrite1h
        result.output = later.output ?? output
        result.thinking = later.thinking ?? thinking
        result.serverTools = max(serverTools, later.serverTools)
        result.isInvalid = isInvalid || later.isInvalid
        // A stream with ever new counts does not grow this without bound.
        result.texts = texts.prefix(1) + later.texts
        return result
    }

    /// In OpenAI's terms, where the prompt includes the cache; invalid where counts are missing or cannot be true.
    package var field: UsageField {
        guard !isInvalid, serverTools == 0, let input, let output else { return .invalid }
        let named = (cacheWrite5m ?? 0).addingReportingOverflow(cacheWrite1h ?? 0)
        guard !named.overflow else { return .invalid }
        // Without a total the parts are it. A total that was replaced by a later one keeps the dearer part first.
        let write = cacheWrite ?? named.partialValue
        let hour = min(cacheWrite1h ?? 0, write)
        let read = cacheRead ?? 0
        let (some, overflow) = input.addingReportingOverflow(read)
        let (prompt, overflows) = some.addingReportingOverflow(write)
        guard !overflow, !overflows else { return .invalid }
        return .valid(
            TokenCounts(
                prompt: prompt, cached: read, cacheWrite: write, cacheWrite1h: hour, completion: output,
                reasoning: min(thinking ?? 0, output)))
    }

    /// The usage objects for the record: one as it came, two in an array.
    package var raw: String? {
        texts.count > 1 ? "[\(texts.joined(separator: ","))]" : texts.first
    }
}

extension TokenCounts {
    /// A `usage` object in Anthropic's form, as far as counts are known by then.
    package var anthropicJSON: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("input_tokens", max(0, prompt &- cached &- cacheWrite))
        writer.member("cache_creation_input_tokens", cacheWrite)
        writer.member("cache_read_input_tokens", cached)
        writer.member("output_tokens", completion)
        if reasoning > 0 {
            writer.key("output_tokens_details")
            writer.beginObject()
            writer.member("thinking_tokens", reasoning)
            writer.endObject()
        }
        writer.endObject()
        return writer.bytes
    }
}
