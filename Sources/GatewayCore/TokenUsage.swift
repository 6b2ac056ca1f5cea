/// What a provider says a call used. Counts are tokens, but for `images`.
///
/// Canonical form: `input` includes cached reads and cache writes (`cachedInput` is the part of it read from a cache,
/// `cacheWrite5m` and `cacheWrite1h` those written to one that lives so long), `output` includes `reasoning`. Vendors
/// that count otherwise are converted in their folder of `Providers`.
package struct TokenUsage: Hashable, Sendable, Codable {
    /// A longer usage object of a provider's is not kept.
    package static let maxRawBytes = 8 * 1024
    /// No call has more of anything. A sum of the counts of very many calls is then still a number of 64 bits.
    package static let mostOfOneCall: Int64 = 1 << 40

    package var input: Int64
    package var cachedInput: Int64
    package var cacheWrite5m: Int64
    package var cacheWrite1h: Int64
    package var output: Int64
    package var reasoning: Int64
    package var images: Int64
    /// The call was part of a batch, at the batch's discount.
    package var isBatch: Bool
    /// The provider's usage object as it came, as JSON text: what a later look at a charge starts from.
    package private(set) var raw: String?

    package init(
        input: Int64, cachedInput: Int64 = 0, cacheWrite5m: Int64 = 0, cacheWrite1h: Int64 = 0, output: Int64,
        reasoning: Int64 = 0, images: Int64 = 0, isBatch: Bool = false, raw: String? = nil
    ) {
        self.input = input
        self.cachedInput = cachedInput
        self.cacheWrite5m = cacheWrite5m
        self.cacheWrite1h = cacheWrite1h
        self.output = output
        self.reasoning = reasoning
        self.images = images
        self.isBatch = isBatch
        self.raw = raw.flatMap { $0.utf8.count <= Self.maxRawBytes ? $0 : nil }
    }

    /// Journals of earlier versions have `input`, `cachedInput`, `output` and `reasoning` only.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            input: try container.decode(Int64.self, forKey: .input),
            cachedInput: try container.decode(Int64.self, forKey: .cachedInput),
            cacheWrite5m: try container.decodeIfPresent(Int64.self, forKey: .cacheWrite5m) ?? 0,
            cacheWrite1h: try container.decodeIfPresent(Int64.self, forKey: .cacheWrite1h) ?? 0,
            output: try container.decode(Int64.self, forKey: .output),
            reasoning: try container.decode(Int64.self, forKey: .reasoning),
            images: try container.decodeIfPresent(Int64.self, forKey: .images) ?? 0,
            isBatch: try container.decodeIfPresent(Bool.self, forKey: .isBatch) ?? false,
            raw: try container.decodeIfPresent(String.self, forKey: .raw))
    }

    /// Whether the counts can be true together: none is negative or absurd, and no part is more than its whole.
    package var isPossible: Bool {
        let counts = [input, cachedInput, cacheWrite5m, cacheWrite1h, reasoning, images, output]
        guard counts.allSatisfy({ (0...Self.mostOfOneCall).contains($0) }), reasoning <= output, cachedInput <= input
        else { return false }
        // Taken off one after the other, so that no sum can overflow.
        return cacheWrite5m <= input - cachedInput && cacheWrite1h <= input - cachedInput - cacheWrite5m
    }

    /// Whether a charge may be worked out from the counts. No prompt has zero tokens: a provider that says so has not
    /// counted, whatever it bills.
    package var isCredible: Bool { isPossible && input > 0 }

    /// No counts, for a call whose counts are not to be relied on: what its provider said is kept as it came.
    package var uncounted: TokenUsage { TokenUsage(input: 0, output: 0, raw: raw) }
}
