/// A price in dollars for a million tokens, as people write it, and in pico-dollars per token, as it is stored:
/// $1 per million tokens is 1,000,000 pico-dollars per token, so that six decimals are exact.
package enum TokenRate {
    private static let decimals = 6

    /// Parses "2.50" exactly. Nil: negative, more than six decimals, an exponent, or too large.
    package static func picoPerToken(usdPerMillion text: String) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, isDigits(whole), whole.utf8.count <= 12 else { return nil }
        let fraction = parts.count == 2 ? parts[1] : "0"
        guard isDigits(fraction), fraction.utf8.count <= decimals else { return nil }
        return Int64(whole + fraction + String(repeating: "0", count: decimals - fraction.utf8.count))
    }

    /// The reverse, without trailing zeros: 2_500_000 is "2.5".
    package static func usdPerMillion(picoPerToken rate: Int64) -> String {
        let scale: Int64 = 1_000_000
        let digits = String(rate % scale)
        var fraction = String(repeating: "0", count: decimals - digits.utf8.count) + digits
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return fraction.isEmpty ? "\(rate / scale)" : "\(rate / scale).\(fraction)"
    }

    private static func isDigits(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}
