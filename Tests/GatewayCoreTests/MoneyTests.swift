import Testing

@testable import GatewayCore

@Suite("Money")
struct MoneyTests {
    @Test("Sums and differences that do not fit are nil, never wrapped")
    func overflow() {
        let most = NanoUSD(Int64.max)
        let least = NanoUSD(Int64.min)
        #expect(most.adding(NanoUSD(1)) == nil)
        #expect(least.adding(NanoUSD(-1)) == nil)
        #expect(least.subtracting(NanoUSD(1)) == nil)
        #expect(NanoUSD.zero.subtracting(least) == nil)
        #expect(most.adding(least) == NanoUSD(-1))
        #expect(most.subtracting(most) == .zero)
    }

    @Test("What is printed is parsed back to the same amount, up to both ends")
    func roundTrip() {
        var generator = SeededGenerator(seed: 1)
        var amounts: [Int64] = [0, 1, -1, 999_999_999, 1_000_000_000, -1_000_000_001, .max, .min + 1, .min]
        for _ in 0..<20_000 {
            amounts.append(
                Int64.random(in: .min ... .max, using: &generator) >> Int64.random(in: 0..<63, using: &generator))
        }
        for amount in amounts {
            let text = NanoUSD(amount).usdString
            // The lowest of all has no positive counterpart, and is refused rather than misread.
            #expect(NanoUSD(usd: text) == (amount == .min ? nil : NanoUSD(amount)), "\(amount)")
        }
    }

    @Test(
        "Decimal dollars are read exactly",
        arguments: [
            ("12", 12_000_000_000), ("0.000000001", 1), ("-3.5", -3_500_000_000), ("0.1", 100_000_000), ("-0", 0),
            ("007", 7_000_000_000), ("9223372036.854775807", Int64.max),
        ])
    func parse(_ text: String, _ nanos: Int64) {
        #expect(NanoUSD(usd: text)?.rawValue == nanos)
    }

    @Test(
        "What is no exact amount is refused",
        arguments: [
            "", "-", ".", "1.", ".5", "1e3", "+1", " 1", "1 ", "1,5", "0.0000000001", "--1", "1.-5", "0x1", "nan",
            "9223372036.854775808", "99999999999999999999", "1.2.3", "١",
        ])
    func refuse(_ text: String) {
        #expect(NanoUSD(usd: text) == nil)
    }
}
