/// A decimal number as JSON spells it, kept exactly: money must not pass through a `Double` (1.5e-07 has none).
package struct DecimalNumber: Hashable, Sendable {
    /// A longer text is no price.
    package static let maxBytes = 64

    private let isNegative: Bool
    private let digits: String
    /// The number is its digits times ten to this power.
    private let power: Int

    /// Parses "-12.5e-07". Nil: not a JSON number, or too long.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maxBytes else { return nil }
        var rest = Substring(text)
        isNegative = rest.first == "-"
        if isNegative { rest = rest.dropFirst() }
        let parts = rest.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
        var exponent = 0
        if parts.count == 2 {
            let text = parts[1].hasPrefix("+") ? parts[1].dropFirst() : parts[1]
            guard Self.isDigits(text.hasPrefix("-") ? text.dropFirst() : text), let value = Int(text),
                value.magnitude < 10_000, !(parts[1].hasPrefix("+") && text.hasPrefix("-"))
            else { return nil }
            exponent = value
        }
        let mantissa = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = mantissa.first, Self.isDigits(whole), whole.utf8.count == 1 || !whole.hasPrefix("0"),
            mantissa.count == 1 || Self.isDigits(mantissa[1])
        else { return nil }
        let fraction = mantissa.count == 2 ? mantissa[1] : ""
        digits = String(whole + fraction)
        power = exponent - fraction.utf8.count
    }

    /// The number in units of so many decimals (12: picos), rounded up where it is no whole number of them, since a
    /// price must not be made smaller. Nil: negative, or too large.
    package func roundedUp(decimals: Int) -> (value: Int64, isExact: Bool)? {
        var whole = Substring(digits)
        let shift = power + decimals
        var isExact = true
        if shift < 0 {
            isExact = whole.suffix(-shift).allSatisfy { $0 == "0" }
            whole = whole.dropLast(-shift)
        }
        whole = whole.drop { $0 == "0" }
        let isZero = whole.isEmpty && isExact
        guard isZero || !isNegative else { return nil }
        // No Int64 has more than 19 digits.
        guard !whole.isEmpty else { return (isExact ? 0 : 1, isExact) }
        guard whole.utf8.count + max(0, shift) <= 19,
            let value = Int64(whole + String(repeating: "0", count: max(0, shift)))
        else { return nil }
        let (sum, overflow) = value.addingReportingOverflow(isExact ? 0 : 1)
        return overflow ? nil : (sum, isExact)
    }

    private static func isDigits(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}
