import Foundation
import Testing

@testable import GatewayCore

@Suite("Usage")
struct TokenUsageTests {
    @Test("What journals of earlier versions hold is still read")
    func earlierJournal() throws {
        let old = #"{"cachedInput":3,"input":10,"output":30,"reasoning":4}"#
        let usage = try JSONDecoder().decode(TokenUsage.self, from: Data(old.utf8))
        #expect(usage == TokenUsage(input: 10, cachedInput: 3, output: 30, reasoning: 4))
    }

    @Test("All parts survive the journal")
    func roundTrip() throws {
        let usage = TokenUsage(
            input: 10, cachedInput: 3, cacheWrite5m: 2, cacheWrite1h: 1, output: 30, reasoning: 4, images: 5,
            isBatch: true, raw: #"{"prompt_tokens": 10}"#)
        let data = try JSONEncoder().encode(usage)
        #expect(try JSONDecoder().decode(TokenUsage.self, from: data) == usage)
    }

    @Test("The provider's own object is kept up to its limit, and dropped beyond, not cut")
    func limit() throws {
        let long = String(repeating: "x", count: TokenUsage.maxRawBytes)
        #expect(TokenUsage(input: 0, output: 0, raw: long).raw == long)
        #expect(TokenUsage(input: 0, output: 0, raw: long + "x").raw == nil)
        let json = #"{"cachedInput":0,"input":0,"output":0,"reasoning":0,"raw":"\#(long)x"}"#
        #expect(try JSONDecoder().decode(TokenUsage.self, from: Data(json.utf8)).raw == nil)
    }

    @Test("No count is absurd, so that no sum of them is, and no prompt is nothing")
    func credible() {
        let most = TokenUsage.mostOfOneCall
        #expect(TokenUsage(input: most, cachedInput: most, output: most, reasoning: most, images: most).isCredible)
        for usage in [
            TokenUsage(input: most + 1, output: 1), TokenUsage(input: .max, output: 1),
            TokenUsage(input: 1, output: most + 1), TokenUsage(input: 1, output: .max, reasoning: .max),
            TokenUsage(input: 1, output: 1, images: most + 1),
        ] { #expect(!usage.isPossible && !usage.isCredible) }
        let nothing = TokenUsage(input: 0, output: 7, raw: "{}")
        #expect(nothing.isPossible && !nothing.isCredible)
        #expect(nothing.uncounted == TokenUsage(input: 0, output: 0, raw: "{}"))
        #expect(TokenUsage(input: 4, cachedInput: 4, output: 0).isCredible)
    }
}

@Suite("Decimal numbers")
struct DecimalNumberTests {
    @Test(
        "JSON numbers come to exact picos, and what is finer is rounded up and said",
        arguments: [
            ("1.5e-07", 150_000, true), ("0.00000015", 150_000, true), ("1E-12", 1, true), ("1e-13", 1, false),
            ("1.0000000000001e-6", 1_000_001, false), ("2.5e-06", 2_500_000, true), ("0", 0, true), ("-0.0", 0, true),
            ("0e99", 0, true), ("3", 3_000_000_000_000, true), ("1.50e+1", 15_000_000_000_000, true),
            ("9223372.036854775807", Int64.max, true), ("0.30000000000000004", 300_000_000_001, false),
            ("1e-9999", 1, false), ("7.5e-08", 75_000, true),
        ])
    func exact(_ text: String, _ picos: Int64, _ isExact: Bool) throws {
        let rounded = try #require(DecimalNumber(text)?.roundedUp(decimals: 12))
        #expect(rounded.value == picos && rounded.isExact == isExact)
    }

    @Test(
        "What is no JSON number, negative or too large is refused",
        arguments: [
            "", "-", ".5", "1.", "1e", "e5", "1e+-5", "01", "1,5", "0x1", "nan", "1e99999", "-1e-7", "1e7", "+1", "1 ",
            "-1e-13", "9223372.036854775808", "9223372.0368547758071", "99999999999999999999", "1.2.3", "١",
            "0." + String(repeating: "0", count: 99),
        ])
    func refused(_ text: String) {
        #expect(DecimalNumber(text)?.roundedUp(decimals: 12) == nil)
    }
}
