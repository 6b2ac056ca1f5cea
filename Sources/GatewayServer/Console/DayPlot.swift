internal import GatewayCore

/// A month's spend day by day, as places in a drawing that the server makes.
struct DayPlot: Sendable {
    struct Bar: Sendable {
        let x: String
        let y: String
        let width: String
        let height: String
        let title: String
    }

    struct Line: Sendable {
        let y: String
        /// Where its words stand.
        let textY: String
        let text: String
    }

    struct Day: Sendable {
        let x: String
        let text: String
    }

    private static let (width, height, left, top) = (720.0, 130.0, 60.0, 8.0)

    let bars: [Bar]
    let lines: [Line]
    let days: [Day]

    /// - Parameters:
    ///   - month: "2026-11".
    ///   - spend: of its days, by name: "2026-11-05".
    init(month: String, spend: [String: Int64]) {
        let names = (1...StatementPlot.daysOfMonth(month)).map { "\(month)-\($0 < 10 ? "0" : "")\($0)" }
        let scale = Self.scale(names.compactMap { spend[$0] }.max() ?? 0)
        let slot = (Self.width - Self.left) / Double(names.count)
        let bottom = Self.top + Self.height
        bars = names.enumerated().compactMap { index, name in
            guard let amount = spend[name], amount > 0 else { return nil }
            // What was spent is seen, however little of the scale it is.
            let high = max(1, min(1, Double(amount) / Double(scale)) * Self.height)
            return Bar(
                x: ConsoleText.decimal(Self.left + (Double(index) + 0.1) * slot),
                y: ConsoleText.decimal(bottom - high), width: ConsoleText.decimal(slot * 0.8),
                height: ConsoleText.decimal(high), title: "\(name): \(NanoUSD(amount).usdString) USD")
        }
        lines = [0, scale / 2, scale].map { amount in
            let y = bottom - Double(amount) / Double(scale) * Self.height
            return Line(
                y: ConsoleText.decimal(y), textY: ConsoleText.decimal(y + 3.5), text: Self.dollars(amount))
        }
        days = names.indices.filter { $0 == 0 || ($0 + 1) % 5 == 0 }.map { index in
            Day(x: ConsoleText.decimal(Self.left + (Double(index) + 0.5) * slot), text: String(index + 1))
        }
    }

    /// A cent: of less than that nobody can read an axis.
    private static let leastScale = NanoUSD.perDollar / 100

    /// The least of 1, 2 and 5 times a power of ten that is not below the amount, nor below a cent.
    static func scale(_ amount: Int64) -> Int64 {
        var step = leastScale
        while step < Int64.max / 100 {
            for factor: Int64 in [1, 2, 5] where step * factor >= amount { return step * factor }
            step *= 10
        }
        return max(amount, step)
    }

    /// Without the zeros at their end.
    static func dollars(_ nanoUSD: Int64) -> String {
        var text = Substring(NanoUSD(nanoUSD).usdString)
        while text.hasSuffix("0") { text.removeLast() }
        return String(text.hasSuffix(".") ? text.dropLast() : text)
    }
}
