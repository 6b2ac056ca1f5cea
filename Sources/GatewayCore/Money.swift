/// An amount of money in integer nano-dollars (10⁻⁹ USD): the unit of budgets, holds and ledger entries.
///
/// Arithmetic is checked: an overflow is reported, never wrapped, since a wrapped sum would open a budget.
package struct NanoUSD: RawRepresentable, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(_ nanos: Int64) { self.rawValue = nanos }
    package static let zero = NanoUSD(0)
    package static let perDollar: Int64 = 1_000_000_000

    package static func < (a: NanoUSD, b: NanoUSD) -> Bool { a.rawValue < b.rawValue }

    /// The sum, or nil on overflow.
    package func adding(_ other: NanoUSD) -> NanoUSD? {
        let (value, overflow) = rawValue.addingReportingOverflow(other.rawValue)
        return overflow ? nil : NanoUSD(value)
    }

    /// The difference, or nil on overflow.
    package func subtracting(_ other: NanoUSD) -> NanoUSD? {
        let (value, overflow) = rawValue.subtractingReportingOverflow(other.rawValue)
        return overflow ? nil : NanoUSD(value)
    }
}

extension NanoUSD: CustomStringConvertible {
    /// Parses a decimal dollar amount exactly: "12", "0.000000001", "-3.5". More than nine decimals, an exponent, or
    /// an amount that does not fit is nil.
    package init?(usd text: String) {
        var digits = Substring(text)
        let isNegative = digits.first == "-"
        if isNegative { digits = digits.dropFirst() }
        let parts = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, !whole.isEmpty, whole.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        let fraction = parts.count == 2 ? parts[1] : "0"
        guard !fraction.isEmpty, fraction.utf8.count <= 9, fraction.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let padded = fraction + String(repeating: "0", count: 9 - fraction.utf8.count)
        guard let dollars = Int64(whole), let nanos = Int64(padded) else { return nil }
        let (scaled, overflow) = dollars.multipliedReportingOverflow(by: Self.perDollar)
        guard !overflow else { return nil }
        let (sum, overflow2) = scaled.addingReportingOverflow(nanos)
        guard !overflow2 else { return nil }
        self.init(isNegative ? -sum : sum)
    }

    /// Decimal dollars with nine places, e.g. "0.001234567". Exact.
    package var usdString: String {
        let magnitude = rawValue.magnitude
        let scale = UInt64(Self.perDollar)
        let fraction = String(magnitude % scale)
        let padding = String(repeating: "0", count: 9 - fraction.utf8.count)
        return "\(rawValue < 0 ? "-" : "")\(magnitude / scale).\(padding)\(fraction)"
    }

    package var description: String { usdString }
    /// For display and for the router's arithmetic only; never for accounting.
    package var approximateUSD: Double { Double(rawValue) / Double(Self.perDollar) }
}
