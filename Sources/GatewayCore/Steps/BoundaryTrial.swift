internal import Foundation

/// Has a step pattern search texts that are made for the purpose: one that backtracks without end does so here, where
/// whoever sets it is told, and not in every request of its route.
enum BoundaryTrial {
    /// Characters of a text such as steps are: what takes time by their square passes, what takes more does not.
    private static let length = 600
    /// Characters of a text such as no step is, where only what doubles with each character takes too long.
    private static let oddLength = 64

    static func run(_ expression: NSRegularExpression) throws(BoundaryMatcher.Problem) {
        for text in texts(for: expression.pattern) {
            // Once more with an end that hardly a pattern takes: one that takes the whole text is tried no further.
            for text in [text, text + "\n\u{1}"] {
                _ = try BoundaryMatcher.matches(expression, text, behind: 0)
            }
        }
    }

    private static func texts(for pattern: String) -> [String] {
        // What a pattern repeats is mostly something that it names.
        let named = Set(pattern).sorted().map { String($0) }
        let odd = named + ["abcdefghijklmnopqrstuvwxyz", "0123456789", " \t\n ", "-*=.,;:!?()"]
        let usual = [
            "so the sum of all the apples and pears is then ",
            "1. We have 3 * 14 = 42, and (a + b) is \"fine\": is it? Yes!\n\n- x: 5.50;\n",
        ]
        return odd.map { repeated($0, to: oddLength) } + usual.map { repeated($0, to: length) }
    }

    private static func repeated(_ unit: String, to length: Int) -> String {
        String(repeating: unit, count: max(1, length / unit.count))
    }
}
