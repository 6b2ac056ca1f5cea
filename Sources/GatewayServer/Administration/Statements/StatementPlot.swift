internal import GatewayCore
internal import Ledger

/// A month day by day, as SVG: what providers charged, and on top of it what local models are charged.
enum StatementPlot {
    private static let (width, height, left, top) = (700.0, 120.0, 52.0, 8.0)

    static func days(_ statement: Statement) -> String {
        let paid = Dictionary(
            (statement.breakdown["day"] ?? []).map { ($0.name, $0.nanoUSD) }, uniquingKeysWith: { $0 + $1 })
        let local = Dictionary(
            (statement.chargeback["day"] ?? []).map { ($0.name, $0.nanoUSD) }, uniquingKeysWith: { $0 + $1 })
        let names = (1...daysOfMonth(statement.month)).map { "\(statement.month)-\($0 < 10 ? "0" : "")\($0)" }
        let largest = names.map { max(0, paid[$0] ?? 0) + max(0, local[$0] ?? 0) }.max() ?? 0
        let scale = DayPlot.scale(largest)
        let slot = (width - left) / Double(names.count)
        let bars = names.enumerated().map { index, name in
            bar(name, (paid[name] ?? 0, local[name] ?? 0), x: left + Double(index) * slot, slot: slot, scale: scale)
        }
        let labels = names.indices.filter { $0 == 0 || ($0 + 1) % 5 == 0 }.map { index in
            let x = number(left + (Double(index) + 0.4) * slot)
            return "<text x=\"\(x)\" y=\"\(number(top + height + 14))\" text-anchor=\"middle\">\(index + 1)</text>"
        }
        let key =
            local.isEmpty
            ? ""
            : "<p><span class=\"key\" style=\"background:#3b6fb5\"></span>paid models "
                + "<span class=\"key\" style=\"background:#3f9c7c\"></span>local models</p>"
        return """
            <svg viewBox="0 0 \(number(width)) \(number(top + height + 18))" role="img" aria-label="USD by day">\
            \(grid(scale))\(bars.joined())\(labels.joined())</svg>\(key)
            """
    }

    private static func bar(
        _ name: String, _ amounts: (paid: Int64, local: Int64), x: Double, slot: Double, scale: Int64
    ) -> String {
        // What was charged is seen, however little of the scale it is.
        func high(_ amount: Int64) -> Double { amount > 0 ? max(1, Double(amount) / Double(scale) * height) : 0 }
        let (paid, local) = (high(amounts.paid), high(amounts.local))
        var title = "\(name): \(NanoUSD(amounts.paid).usdString) USD"
        if amounts.local != 0 { title += " paid, \(NanoUSD(amounts.local).usdString) USD local" }
        func rectangle(_ kind: String, _ from: Double, _ high: Double) -> String {
            """
            <rect class="\(kind)" x="\(number(x))" y="\(number(top + height - from - high))" \
            width="\(number(slot * 0.8))" height="\(number(high))"/>
            """
        }
        return """
            <g><title>\(title)</title>\(rectangle("paid", 0, paid))\
            \(local > 0 ? rectangle("local", paid, local) : "")</g>
            """
    }

    /// Lines at nothing, half and all of the scale.
    private static func grid(_ scale: Int64) -> String {
        [0, scale / 2, scale].map { amount in
            let y = top + height * (1 - Double(amount) / Double(scale))
            return """
                <line class="grid" x1="\(number(left - 4))" x2="\(number(width))" y1="\(number(y))" y2="\(number(y))"/>\
                <text x="\(number(left - 8))" y="\(number(y + 3))" text-anchor="end">\(DayPlot.dollars(amount))</text>
                """
        }.joined()
    }

    static func daysOfMonth(_ month: String) -> Int {
        let parts = month.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 2 else { return 31 }
        let isLeap = parts[0] % 4 == 0 && (parts[0] % 100 != 0 || parts[0] % 400 == 0)
        return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][max(0, min(11, parts[1] - 1))]
    }

    static func number(_ value: Double) -> String { String((value * 10).rounded() / 10) }
}
