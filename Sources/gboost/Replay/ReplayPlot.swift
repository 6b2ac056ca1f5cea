internal import Foundation
internal import Router

/// The curves of a replay as an SVG picture: share of the gap gained over the share of the LLM-only cost spent.
struct ReplayPlot: Sendable {
    private static let colors = [
        "adaptive": "#c0392b", "hindsight": "#2c3e50", "tuned": "#2980b9", "fixed-0.7": "#16a085",
        "query-only": "#8e44ad", "random": "#95a5a6", "llm-only": "#d4ac0d",
    ]
    private static let left = 60.0
    private static let top = 24.0
    private static let width = 480.0
    private static let height = 360.0

    private let report: ReplayReport

    init(_ report: ReplayReport) { self.report = report }

    /// The whole picture.
    var svg: String {
        let names = ["adaptive"] + report.baselines.keys.sorted()
        var text = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 440" font-family="sans-serif" font-size="12">
            <rect width="700" height="440" fill="white"/>

            """
        text += axes
        text += band
        for (place, name) in names.enumerated() {
            let curve = name == "adaptive" ? report.curve : report.baselines[name] ?? .init()
            text += line(curve, name: name)
            let y = Self.top + 12 + Double(place) * 20
            text += """
                <rect x="556" y="\(Self.text(y - 9))" width="14" height="4" fill="\(color(name))"/>\
                <text x="576" y="\(Self.text(y))">\(name) \(Self.text(curve.apgr, 3))</text>

                """
        }
        return text + "</svg>\n"
    }

    private func color(_ name: String) -> String { Self.colors[name] ?? "#7f8c8d" }

    private static func x(_ share: Double) -> Double { left + width * min(max(share, 0), 1) }
    /// A little room above 1: a router that leaves the LLM out where it is worse gains more than the whole gap.
    private static func y(_ pgr: Double) -> Double { top + height * (1 - min(max(pgr, 0), 1.1) / 1.1) }

    private static func text(_ value: Double, _ digits: Int = 1) -> String {
        let style = FloatingPointFormatStyle<Double>(locale: Locale(identifier: "en_US_POSIX"))
        return value.formatted(style.precision(.fractionLength(digits)).grouping(.never))
    }

    private var axes: String {
        var text = ""
        for tick in [0, 0.2, 0.4, 0.6, 0.8, 1.0] {
            let (x, y) = (Self.text(Self.x(tick)), Self.text(Self.y(tick)))
            let (right, bottom) = (Self.text(Self.x(1)), Self.text(Self.y(0)))
            text += """
                <path d="M\(Self.text(Self.left)) \(y)H\(right)M\(x) \(Self.text(Self.top))V\(bottom)" \
                stroke="#e5e5e5" fill="none"/>
                <text x="\(x)" y="402" text-anchor="middle">\(Int(tick * 100)) %</text>
                <text x="\(Self.text(Self.left - 8))" y="\(y)" text-anchor="end">\(Self.text(tick))</text>

                """
        }
        return text + """
            <text x="300" y="426" text-anchor="middle">budget, of what the LLM alone would cost</text>
            <text x="64" y="16">share of the gap in quality gained (APGR at the right); \(report.rows) requests, \
            \(report.seeds) seeds, \(report.order.rawValue)</text>

            """
    }

    private func points(_ values: [(Double, Double)]) -> String {
        values.map { "\(Self.text(Self.x($0.0))),\(Self.text(Self.y($0.1)))" }.joined(separator: " ")
    }

    private static func budgets(_ curve: ReplayReport.Curve) -> [(share: Double, key: String)] {
        curve.pgr.keys.compactMap { key in Double(key).map { ($0, key) } }.sorted { $0.0 < $1.0 }
    }

    private func line(_ curve: ReplayReport.Curve, name: String) -> String {
        let values = [(0.0, 0.0)] + Self.budgets(curve).map { ($0.share, curve.pgr[$0.key] ?? 0) }
        let width = name == "adaptive" ? 3 : 1.5
        return """
            <polyline points="\(points(values))" fill="none" stroke="\(color(name))" \
            stroke-width="\(Self.text(width))"><title>\(name)</title></polyline>

            """
    }

    /// The interval around the controller's own curve.
    private var band: String {
        let budgets = Self.budgets(report.curve)
        let interval = { (key: String, end: Int) -> Double in
            let ends = report.curve.pgrInterval[key] ?? []
            return ends.count == 2 ? ends[end] : 0
        }
        let lower = [(0.0, 0.0)] + budgets.map { ($0.share, interval($0.key, 0)) }
        let upper = [(0.0, 0.0)] + budgets.map { ($0.share, interval($0.key, 1)) }
        return """
            <polygon points="\(points(lower + upper.reversed()))" fill="\(color("adaptive"))" fill-opacity="0.15"/>

            """
    }
}
