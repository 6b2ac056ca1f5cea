internal import GatewayCore
internal import WireFormat

/// Gemini's `usageMetadata` as the canonical counts.
///
/// Prompts include what was read from a cache; thoughts are charged as output and are not among the candidates' tokens;
/// what tools brought into the prompt is counted beside it. A count of zero may be left out.
enum GeminiUsage {
    /// nil: there are no counts that could be relied on, so that the whole hold is settled.
    static func usage(_ value: JSONValue?) -> TokenUsage? {
        guard let value, value.kind == .object, value["promptTokenCount"] != nil,
            let prompt = count(value["promptTokenCount"]), let cached = count(value["cachedContentTokenCount"]),
            let candidates = count(value["candidatesTokenCount"]), let thoughts = count(value["thoughtsTokenCount"]),
            let tools = count(value["toolUsePromptTokenCount"])
        else { return nil }
        let (input, isLarge) = prompt.addingReportingOverflow(tools)
        let (output, isLong) = candidates.addingReportingOverflow(thoughts)
        guard !isLarge, !isLong else { return nil }
        return TokenUsage(
            input: input, cachedInput: cached, output: output, reasoning: thoughts,
            raw: String(decoding: value.rawBytes, as: UTF8.self))
    }

    private static func count(_ value: JSONValue?) -> Int64? {
        guard let value, !value.isNull else { return 0 }
        guard let count = value.integer, count >= 0 else { return nil }
        return count
    }
}
