/// One file of the checkout, as the rules see it.
struct SourceFile {
    /// Relative to the checkout, with forward slashes.
    let path: String
    let text: String
    /// The text as code; empty for anything but Swift.
    let stripped: StrippedSwift

    init(path: String, text: String) {
        self.path = path
        self.text = text
        stripped = StrippedSwift(path.hasSuffix(".swift") ? text : "")
    }

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }
    var isSwift: Bool { path.hasSuffix(".swift") }
    var isSource: Bool { path.hasPrefix("Sources/") }

    /// The package target the file belongs to, or nil outside `Sources` and `Tests`.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && (parts[0] == "Sources" || parts[0] == "Tests") ? String(parts[1]) : nil
    }
}

/// A place where the house rules are not kept.
struct Violation: CustomStringConvertible, Equatable {
    var path: String
    var line: Int
    var message: String

    var description: String { "\(path):\(line): \(message)" }
}
