/// A way in which the simulated provider misbehaves, written `KIND[:ARGUMENT][@MATCH]`.
///
/// It applies to the calls whose model's name or last message contains MATCH, or to all.
package struct SimulatedFault: Hashable, Sendable {
    /// What goes wrong. Times are milliseconds.
    package enum Kind: Hashable, Sendable {
        /// `latency:MS`: waits before the response head.
        case latency(milliseconds: Int)
        /// `first-byte:MS`: sends the head at once and waits before the body.
        case firstByte(milliseconds: Int)
        /// `trickle:MS`: waits before every chunk of the text.
        case trickle(milliseconds: Int)
        /// `drop:K`: cuts the connection after K chunks of the text. Charged for what was generated.
        case drop(afterChunks: Int)
        /// `head-only`: sends status 200 and cuts. Charged for the input.
        case headOnly
        /// `429[:N[:SECONDS]]`, `500[:N]`, `503[:N]`: refuses the first N calls that match (all, without N), with
        /// `retry-after` for 429 and 503. Not charged.
        case refuse(status: Int, times: Int?, retryAfterSeconds: Int)
        /// `hang`: never answers. Not charged.
        case hang
        /// `no-usage`: leaves the usage out, though it was asked for. Charged.
        case noUsage
        /// `usage-twice`: reports the usage so far midway and the whole at the end. Streams only.
        case usageTwice
        /// `usage-with-choices`: reports the usage in a chunk that has choices. Streams only.
        case usageWithChoices
        /// `zero-usage`: reports zero tokens, and charges the real ones.
        case zeroUsage
        /// `garbage`: puts something that is not JSON into the middle. Charged.
        case garbage
        /// `cached:N`, `cache-write:N`, `cache-write-1h:N`: so many tokens of the input, as far as there are so many,
        /// were read from the cache or written to it, and are charged as such.
        case cache(CachePart, tokens: Int)
        /// `stale-start`: the beginning of an Anthropic stream counts what its end replaces.
        case staleStart
        /// `overcharge[:N]`: reports and charges N tokens (1,000) more than `max_tokens` allows.
        case overcharge(tokens: Int)
    }

    /// How input can have to do with the cache.
    package enum CachePart: String, Hashable, Sendable {
        case cached
        case write5m = "cache-write"
        case write1h = "cache-write-1h"
    }

    package var kind: Kind
    /// nil: every call.
    package var match: String?

    package init(_ kind: Kind, match: String? = nil) {
        self.kind = kind
        self.match = match
    }

    /// Why a fault cannot be read.
    package struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
        package var description: String
    }

    /// Every form, for help texts.
    package static let forms = [
        "latency:MS", "first-byte:MS", "trickle:MS", "drop:CHUNKS", "head-only", "429[:TIMES[:RETRY_SECONDS]]",
        "500[:TIMES]", "503[:TIMES[:RETRY_SECONDS]]", "hang", "no-usage", "usage-twice", "usage-with-choices",
        "zero-usage", "garbage", "overcharge[:TOKENS]", "cached:TOKENS", "cache-write:TOKENS",
        "cache-write-1h:TOKENS", "stale-start",
    ]
    /// Names of the faults that keep a caller waiting for the response's head.
    static let waitingKinds = ["latency", "hang"]
    /// Longer waits are refused: they are hangs.
    package static let maxMilliseconds = 600_000
    private static let defaultOvercharge = 1_000
    private static let maxCount = 1_000_000

    /// Reads `KIND[:ARGUMENT][@MATCH]`.
    package init(parsing text: String) throws(ParseError) {
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        match = halves.count == 2 && !halves[1].isEmpty ? String(halves[1]) : nil
        let words = (halves.first ?? "").split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let name = words.first ?? ""
        var numbers: [Int] = []
        for word in words.dropFirst() {
            guard let number = Int(word), (0...Self.maxCount).contains(number) else {
                throw ParseError(description: "fault \"\(text)\": \"\(word)\" is not a number of 0…\(Self.maxCount)")
            }
            numbers.append(number)
        }
        kind = try Self.kind(name, numbers, text)
    }

    /// Reads a comma-separated list of faults, as the header `x-sim-fault` has it.
    package static func list(_ text: String) throws(ParseError) -> [SimulatedFault] {
        var faults: [SimulatedFault] = []
        for part in text.split(separator: ",") {
            let trimmed = part.drop { $0 == " " }
            faults.append(try SimulatedFault(parsing: String(trimmed)))
        }
        return faults
    }

    private static func kind(_ name: String, _ numbers: [Int], _ text: String) throws(ParseError) -> Kind {
        func expect(_ counts: ClosedRange<Int>) throws(ParseError) {
            guard !counts.contains(numbers.count) else { return }
            let form = forms.first { $0.hasPrefix(name) } ?? name
            throw ParseError(description: "fault \"\(text)\": write it as \(form)")
        }
        if let plain = plainKinds[name] {
            try expect(0...0)
            return plain
        }
        switch name {
        case "latency", "first-byte", "trickle":
            try expect(1...1)
            guard numbers[0] <= maxMilliseconds else {
                throw ParseError(description: "fault \"\(text)\": more than \(maxMilliseconds) ms")
            }
            return name == "latency"
                ? .latency(milliseconds: numbers[0])
                : name == "trickle" ? .trickle(milliseconds: numbers[0]) : .firstByte(milliseconds: numbers[0])
        case "cached", "cache-write", "cache-write-1h":
            try expect(1...1)
            return .cache(CachePart(rawValue: name) ?? .cached, tokens: numbers[0])
        case "drop":
            try expect(1...1)
            return .drop(afterChunks: numbers[0])
        case "429", "500", "503":
            try expect(0...(name == "500" ? 1 : 2))
            return .refuse(
                status: Int(name) ?? 500, times: numbers.first, retryAfterSeconds: numbers.count > 1 ? numbers[1] : 1)
        case "overcharge":
            try expect(0...1)
            return .overcharge(tokens: numbers.first ?? defaultOvercharge)
        default:
            throw ParseError(
                description: "unknown fault \"\(name)\"; known are: \(forms.joined(separator: ", ")), each with an "
                    + "optional @MATCH")
        }
    }

    private static let plainKinds: [String: Kind] = [
        "head-only": .headOnly, "hang": .hang, "no-usage": .noUsage, "usage-twice": .usageTwice,
        "usage-with-choices": .usageWithChoices, "zero-usage": .zeroUsage, "garbage": .garbage,
        "stale-start": .staleStart,
    ]
}
