internal import Foundation

/// An amount of money as an export writes it, a JSON number or decimal text: digits and a power of ten, since the way
/// through floating point would change it, and `Decimal` has not every exponent that is written ("0E-6176").
struct BilledAmount: Decodable, Hashable {
    /// What it counts: nano-dollars by their power of ten.
    enum Unit: Int {
        case dollars = 9
        case cents = 7
    }

    private static let exponents = -10_000...10_000
    /// Digits of the largest `Int64`.
    private static let maxPlaces = 19

    private let isNegative: Bool
    /// ASCII, without zeros in front.
    private let digits: [UInt8]
    private let exponent: Int

    /// Nil: the text is no decimal number.
    init?(_ text: String) {
        let parts = text.utf8.split(maxSplits: 1, omittingEmptySubsequences: false) { byte in
            byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
        }
        guard var number = parts.first, let power = parts.count == 1 ? 0 : Int(Substring(parts[1])),
            Self.exponents.contains(power)
        else { return nil }
        isNegative = number.first == UInt8(ascii: "-")
        if isNegative || number.first == UInt8(ascii: "+") { number = number.dropFirst() }
        let sides = number.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        let all = sides.flatMap { Array($0) }
        guard !all.isEmpty, all.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        digits = Array(all.drop { $0 == UInt8(ascii: "0") })
        exponent = power - (sides.count == 2 ? sides[1].count : 0)
    }

    /// What is no amount, or not one of any bill, makes the file none: nothing of a bill is left out in silence.
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text: String
        if let written = try? container.decode(String.self) {
            text = written
        } else {
            text = try container.decode(Decimal.self).description
        }
        guard let amount = Self(text), amount.nanoUSD(.dollars) != nil else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no amount of money")
        }
        self = amount
    }

    /// Whole nano-dollars, halves away from zero; nil: more than there can be.
    func nanoUSD(_ unit: Unit) -> Int64? {
        let places = exponent + unit.rawValue
        let kept = digits.count + places
        guard !digits.isEmpty, kept >= 0 else { return 0 }
        guard kept <= Self.maxPlaces else { return nil }
        let zeros = [UInt8](repeating: UInt8(ascii: "0"), count: max(0, places))
        let whole = String(decoding: [UInt8(ascii: "0")] + digits.prefix(kept) + zeros, as: UTF8.self)
        let half: Int64 = kept < digits.count && digits[kept] >= UInt8(ascii: "5") ? 1 : 0
        guard let (sum, isOver) = Int64(whole)?.addingReportingOverflow(half), !isOver else { return nil }
        return isNegative ? -sum : sum
    }
}
