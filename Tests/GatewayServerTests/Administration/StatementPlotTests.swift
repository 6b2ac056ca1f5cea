import Ledger
import Testing

@testable import GatewayServer

@Suite("A statement's days as a drawing")
struct StatementPlotTests {
    private static func plot(_ lines: String = "") throws -> String {
        StatementPlot.days(
            try Statement(
                json: """
                    {"tenant":"t","month":"2026-02","time_zone":"UTC","from":"2026-02-01T00:00:00Z",
                    "until":"2026-03-01T00:00:00Z","opening_nano_usd":0,"spend_nano_usd":0,"unreconciled_nano_usd":0,
                    "corrections":[],"entries":[],"closing_nano_usd":0,"breakdown":{"day":[\(lines)]}}
                    """))
    }

    /// What the axis says, from its foot to its top.
    private static func axis(_ plot: String) -> [String] {
        plot.matches(of: /text-anchor="end">([^<]*)</).map { String($0.1) }
    }

    /// How high the days are, in their order.
    private static func heights(_ plot: String) -> [String] {
        plot.matches(of: /<rect class="paid"[^>]* height="([^"]*)"/).map { String($0.1) }
    }

    @Test("a month without charges has an axis of a cent, and no bar")
    func empty() throws {
        let plot = try Self.plot()
        #expect(Self.axis(plot) == ["0", "0.005", "0.01"])
        #expect(Self.heights(plot) == Array(repeating: "0.0", count: 28))
        #expect(!plot.lowercased().contains("nan") && !plot.contains("inf"))
        let credited = try Self.plot(
            #"{"name":"2026-02-03","nano_usd":-5,"unreconciled_nano_usd":0,"calls":0}"#)
        #expect(Self.axis(credited) == ["0", "0.005", "0.01"])
        #expect(Self.heights(credited) == Array(repeating: "0.0", count: 28))
    }

    @Test("what was charged is seen, however little it is, to a round scale")
    func scales() throws {
        func line(_ day: String, _ nano: Int64) -> String {
            #"{"name":"2026-02-\#(day)","nano_usd":\#(nano),"unreconciled_nano_usd":0,"calls":1}"#
        }
        let little = try Self.plot(line("02", 1))
        #expect(Self.axis(little) == ["0", "0.005", "0.01"])
        #expect(Self.heights(little).prefix(3) == ["0.0", "1.0", "0.0"])
        let much = try Self.plot(line("01", 4_000_000_000) + "," + line("28", 1))
        #expect(Self.axis(much) == ["0", "2.5", "5"])
        #expect(Self.heights(much).first == "96.0" && Self.heights(much).last == "1.0")
    }
}
