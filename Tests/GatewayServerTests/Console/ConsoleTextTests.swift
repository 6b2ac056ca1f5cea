import Foundation
import GatewayCore
import Testing

@testable import GatewayServer

@Suite("What the console makes of numbers, instants and names")
struct ConsoleTextTests {
    private static let start = Date(timeIntervalSince1970: 1_793_491_200)  // 2026-11-01T00:00:00Z
    private static let day = 86_400.0

    private static func pace(_ settled: Int64, of limit: Int64?, days: Double) -> MonthPace {
        MonthPace(
            settled: NanoUSD(settled), limit: limit.map { NanoUSD($0) }, from: start, until: start + 30 * day,
            now: start + days * day)
    }

    @Test("a month's end is foretold from what was spent by now, exactly, and not from nothing")
    func forecast() {
        let half = Self.pace(6_000_000_001, of: 10_000_000_000, days: 15)
        #expect(half.forecast == NanoUSD(12_000_000_002) && half.verdict == .ahead && half.elapsed == 0.5)
        #expect(half.shares == "60.0\u{A0}% spent, 50.0\u{A0}% of the month")
        let ahead = Self.pace(6_000_000_000, of: 10_000_000_000, days: 15)
        #expect(ahead.runsOutAt == Self.start + 25 * Self.day)
        let even = Self.pace(6_000_000_000, of: 12_000_000_000, days: 15)
        #expect(even.forecast == NanoUSD(12_000_000_000) && even.verdict == .within && even.runsOutAt == nil)
        // Two sevenths of a nano-dollar are none, six sevenths are one.
        #expect(Self.pace(1, of: nil, days: 7).forecast == NanoUSD(4))
        #expect(Self.pace(3, of: nil, days: 7).forecast == NanoUSD(13))
        let young = Self.pace(5, of: 10, days: 14.0 / 24)
        #expect(young.forecast == nil && young.verdict == .early)
        #expect(Self.pace(5, of: 10, days: 15.0 / 24).forecast == NanoUSD(240))
        #expect(Self.pace(10, of: 10, days: 0).verdict == .usedUp)
        #expect(Self.pace(11, of: 10, days: 20).verdict == .usedUp)
        #expect(Self.pace(0, of: 0, days: 20).verdict == .usedUp)
        #expect(Self.pace(0, of: 10, days: 20).verdict == .idle)
        let unbounded = Self.pace(10, of: nil, days: 10)
        #expect(unbounded.verdict == .unbounded && unbounded.forecast == NanoUSD(30) && unbounded.spentShare == nil)
        let over = Self.pace(7, of: 10, days: 31)
        #expect(over.forecast == NanoUSD(7) && over.elapsed == 1 && over.verdict == .within)
        #expect(Self.pace(7, of: 10, days: -1).elapsed == 0)
        let huge = Self.pace(.max - 1, of: .max, days: 15)
        #expect(huge.forecast == nil && huge.verdict == .ahead)
    }

    @Test(
        "dollars are rounded for people, and nothing that is something is shown as nothing",
        arguments: [
            (0, "0.00|00"), (1, "<0.0001|"), (99_999, "<0.0001|"), (100_000, "0.00|01"), (149_999, "0.00|01"),
            (150_000, "0.00|02"), (999_950_000, "1.00|00"), (1_234_567_890_123, "1,234.56|79"), (-1, ">−0.0001|"),
            (-2_500_000_000, "−2.50|00"), (Int64.max, "9,223,372,036.85|48"), (Int64.min, "−9,223,372,036.85|48"),
        ])
    func dollars(nanos: Int64, shown: String) {
        let amount = ConsoleAmount(NanoUSD(nanos))
        #expect("\(amount.text)|\(amount.rest)" == shown)
        #expect(amount.exact == "\(NanoUSD(nanos).usdString) USD")
    }

    @Test("instants are shown where the tenant is, with UTC beside them")
    func instants() {
        let moment = Date(timeIntervalSince1970: 1_796_058_312)  // 2026-11-30T17:05:12Z
        let berlin = ConsoleInstant(moment, ConsoleZone("Europe/Berlin"))
        #expect(berlin.text == "2026-11-30 18:05:12" && berlin.utc == "2026-11-30T17:05:12Z")
        #expect(ConsoleInstant(nil, .utc).text == "–")
        #expect(ConsoleZone("Pacific/Auckland").month(Date(timeIntervalSince1970: 1_796_058_312)) == "2026-12")
        #expect(TenantPage.month("2026-12", adding: 1) == "2027-01")
        #expect(TenantPage.month("2027-01", adding: -1) == "2026-12")
    }

    @Test("names of any kind are parts of paths, and numbers of the router are short")
    func names() {
        #expect(ConsoleLink.tenant("a/b <\"é%", "/refusals") == "/console/tenants/a%2Fb%20%3C%22%C3%A9%25/refusals")
        #expect(ConsoleText.number(0.123456) == "0.1235" && ConsoleText.number(-.infinity) == "−∞")
        #expect(ConsoleText.number(nil) == "–" && ConsoleText.number(.nan) == "not a number")
        #expect(ConsoleText.grouped(-1_234_567) == "-1,234,567" && ConsoleText.percent(1, of: 3) == "33.3\u{A0}%")
        #expect(ConsoleText.bytes(3 * 1_073_741_824 / 2) == "1.5 GiB" && ConsoleText.bytes(0) == "–")
        let bar = ConsoleBar(settled: NanoUSD(90), held: NanoUSD(30), limit: NanoUSD(100), elapsed: 0.5)
        #expect(bar.settled == "90.0" && bar.held == "10.0" && bar.mark == "50.0" && bar.level == "over")
        #expect(ConsoleBar(settled: NanoUSD(1), held: .zero, limit: .zero).level == "over")
        #expect(ConsoleBar(settled: .zero, held: .zero, limit: .zero).level == "fine")
    }

    @Test("JSON is only spread over lines: strings and numbers stay what they are")
    func json() {
        let text = #"{"a": 1.50, "b": [], "c": {"d": "x,{\"y\"}: z"}, "e": [1, {}]}"#
        let spread = """
            {
              "a": 1.50,
              "b": [],
              "c": {
                "d": "x,{\\"y\\"}: z"
              },
              "e": [
                1,
                {}
              ]
            }
            """
        #expect(JSONIndent.text(text) == spread)
        #expect(JSONIndent.text(spread) == spread)
        #expect(JSONIndent.text("]]}") == "\n]\n]\n}")
    }

    @Test("a month's days are drawn to a round scale")
    func plot() {
        // In tenths of a cent; an axis is of a cent at least.
        let scales = [0, 1, 10, 11, 21, 51].map { DayPlot.scale($0 * 1_000_000) / 1_000_000 }
        #expect(scales == [10, 10, 10, 20, 50, 100])
        #expect(DayPlot.dollars(50_000_000) == "0.05" && DayPlot.dollars(2_000_000_000) == "2")
        let plot = DayPlot(
            month: "2026-02", spend: ["2026-02-01": 10_000_000, "2026-02-28": 5_000_000, "2026-03-01": 99])
        #expect(plot.bars.count == 2 && plot.bars[0].height == "130.0" && plot.bars[1].height == "65.0")
        #expect(plot.bars[0].title == "2026-02-01: 0.010000000 USD")
        #expect(plot.lines.map(\.text) == ["0", "0.005", "0.01"])
        #expect(plot.days.map(\.text) == ["1", "5", "10", "15", "20", "25"])
    }
}
