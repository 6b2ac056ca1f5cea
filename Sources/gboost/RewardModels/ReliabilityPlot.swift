internal import Foundation
internal import Inference

/// A reliability diagram as SVG: what rewards promise against what came of it.
struct ReliabilityPlot {
    private static let size = 360.0
    private static let margin = 48.0
    private static let dot = " r=\"4\" fill=\"#1f5fa8\"/>"

    let evaluation: RewardEvaluation

    var svg: String {
        let most = Double(evaluation.reliability.map(\.count).max() ?? 1)
        var parts: [String] = []
        for tick in stride(from: 0.0, through: 1, by: 0.2) {
            parts.append(
                "<text x=\"\(x(tick))\" y=\"\(y(0) + 18)\" text-anchor=\"middle\">\(text(tick))</text>"
                    + "<text x=\"\(x(0) - 8)\" y=\"\(y(tick) + 4)\" text-anchor=\"end\">\(text(tick))</text>"
                    + "<path d=\"M\(x(tick)) \(y(0))V\(y(1))M\(x(0)) \(y(tick))H\(x(1))\" stroke=\"#ddd\"/>")
        }
        for bin in evaluation.reliability {
            // A quarter of the height for the fullest bin.
            let height = 0.25 * Self.size * Double(bin.count) / most
            parts.append(
                "<rect x=\"\(number(x(bin.predicted) - 8))\" y=\"\(number(y(0) - height))\" width=\"16\" "
                    + "height=\"\(number(height))\" fill=\"#cfe0f5\"><title>\(bin.count) answers</title></rect>")
        }
        parts.append("<path d=\"M\(x(0)) \(y(0))L\(x(1)) \(y(1))\" stroke=\"#888\" stroke-dasharray=\"4\"/>")
        let line = evaluation.reliability.map { "\(number(x($0.predicted))) \(number(y($0.observed)))" }
        if !line.isEmpty {
            parts.append(
                "<path d=\"M\(line.joined(separator: "L"))\" fill=\"none\" stroke=\"#1f5fa8\" "
                    + "stroke-width=\"2\"/>")
        }
        for bin in evaluation.reliability {
            parts.append(
                "<circle cx=\"\(number(x(bin.predicted)))\" cy=\"\(number(y(bin.observed)))\"" + Self.dot)
        }
        let width = Self.size + 2 * Self.margin
        let ece = evaluation.whole.map { "ECE \(number($0.ece.value, 3)), \($0.rows) answers" } ?? "no whole answers"
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(width)" font-family="sans-serif" \
            font-size="12"><rect width="\(width)" height="\(width)" fill="white"/>
            <text x="\(Self.margin)" y="20">Share of answers that end right, by predicted chance (\(ece))</text>
            \(parts.joined(separator: "\n"))
            </svg>

            """
    }

    private func x(_ value: Double) -> Double { Self.margin + Self.size * value }
    private func y(_ value: Double) -> Double { Self.margin + Self.size * (1 - value) }
    private func text(_ value: Double) -> String { number(value, 1) }

    private func number(_ value: Double, _ digits: Int = 1) -> String {
        value.formatted(.number.precision(.fractionLength(digits)).grouping(.never).locale(Locale(identifier: "en_US")))
    }
}
