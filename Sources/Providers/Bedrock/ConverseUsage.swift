internal import GatewayCore
internal import WireFormat

/// Bedrock's `usage` as the canonical counts: its input is what was neither read from a cache nor written to one.
enum ConverseUsage {
    /// nil: there are no counts that could be relied on, so that the whole hold is settled.
    static func usage(_ value: JSONValue?) -> TokenUsage? {
        guard let value, let plain = count(value["inputTokens"], absent: nil),
            let output = count(value["outputTokens"], absent: nil), let read = count(value["cacheReadInputTokens"]),
            let written = count(value["cacheWriteInputTokens"])
        else { return nil }
        var hour: Int64 = 0
        for detail in value["cacheDetails"]?.elements ?? [] where detail["ttl"]?.string == "1h" {
            guard let tokens = count(detail["inputTokens"], absent: nil) else { return nil }
            hour = hour.addingReportingOverflow(tokens).partialValue
        }
        guard (0...written).contains(hour) else { return nil }
        var input = plain
        for tokens in [read, written] {
            let (sum, isTooLarge) = input.addingReportingOverflow(tokens)
            guard !isTooLarge else { return nil }
            input = sum
        }
        return TokenUsage(
            input: input, cachedInput: read, cacheWrite5m: written - hour, cacheWrite1h: hour, output: output,
            raw: String(decoding: value.rawBytes, as: UTF8.self))
    }

    private static func count(_ value: JSONValue?, absent: Int64? = 0) -> Int64? {
        guard let value, !value.isNull else { return absent }
        guard let count = value.integer, count >= 0 else { return nil }
        return count
    }
}
