internal import Foundation

/// Finds the end of a step in the bytes drafted so far.
struct BoundaryMatcher {
    enum Kind {
        case none
        case newline
        case blankLine
        case pattern(NSRegularExpression)
    }

    /// Why a pattern ends no step.
    enum Problem: Error {
        case length, syntax, slow

        /// As what is said of the pattern.
        var text: String {
            switch self {
            case .length: "must have 1 to \(RouteSettings.maxPatternLength) characters"
            case .syntax: "is no ICU regular expression, as NSRegularExpression has them"
            case .slow: "takes too long to match"
            }
        }

        func failure(_ pattern: String) -> LocalModelError {
            .unusablePattern("the step pattern '\(pattern.prefix(RouteSettings.maxPatternLength))' \(text)")
        }
    }

    /// What a pattern is matched against at most: the end of the step.
    static let maxPatternWindow = 4096
    /// One search may report progress so often beyond once for each place that it tries, each time after thousands of
    /// steps: a pattern that backtracks without end is refused, not waited for.
    static let maxPatternReports = 100

    let kind: Kind

    init(_ boundary: StepBoundary?) throws(LocalModelError) {
        switch boundary {
        case nil: kind = .none
        case .newline: kind = .newline
        case .blankLine: kind = .blankLine
        case .pattern(let pattern):
            do throws(Problem) {
                kind = .pattern(try Self.expression(pattern))
            } catch {
                throw error.failure(pattern)
            }
        }
    }

    /// Whether a pattern is neither too short nor too long.
    static func hasLength(_ pattern: String) -> Bool {
        !pattern.isEmpty && pattern.count <= RouteSettings.maxPatternLength
    }

    /// A pattern as it is run.
    static func expression(_ pattern: String) throws(Problem) -> NSRegularExpression {
        guard hasLength(pattern) else { throw .length }
        guard let expression = try? NSRegularExpression(pattern: pattern) else { throw .syntax }
        return expression
    }

    /// True where `bytes` (whole characters) contain a boundary behind their first character that is not white
    /// space. `from` is where the bytes begin that were not there at the last call.
    func matches(_ bytes: [UInt8], from: Int) throws(LocalModelError) -> Bool {
        guard let first = bytes.firstIndex(where: { !Self.isSpace($0) }) else { return false }
        switch kind {
        case .none: return false
        case .newline: return bytes[max(first, from)...].contains(0x0A)
        case .blankLine: return Self.hasBlankLine(bytes[first...])
        case .pattern(let expression):
            let lead = String(decoding: bytes[..<first], as: UTF8.self).utf16.count
            do throws(Problem) {
                return try Self.matches(expression, String(decoding: bytes, as: UTF8.self), behind: lead)
            } catch {
                throw error.failure(expression.pattern)
            }
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// A line that is empty but for blanks, its line end included.
    private static func hasBlankLine(_ bytes: ArraySlice<UInt8>) -> Bool {
        var inBlankLine = false
        for byte in bytes {
            if byte == 0x0A {
                if inBlankLine { return true }
                inBlankLine = true
            } else if !isSpace(byte) {
                inBlankLine = false
            }
        }
        return false
    }

    /// Searches the end of a text.
    ///
    /// - Parameter lead: how much white space the text begins with, in UTF-16 units.
    static func matches(
        _ expression: NSRegularExpression, _ text: String, behind lead: Int
    ) throws(Problem) -> Bool {
        let length = text.utf16.count
        let start = max(0, length - maxPatternWindow)
        let most = length - start + maxPatternReports
        var reports = 0
        var found = false
        var late = false
        unsafe expression.enumerateMatches(
            in: text, options: [.reportProgress], range: NSRange(location: start, length: length - start)
        ) { match, _, stop in
            if let match {
                // An empty match, or one within the leading white space, would make a step of nothing.
                if match.range.length > 0, match.range.location + match.range.length > lead + 1 { found = true }
                if found { unsafe stop.pointee = true }
            } else {
                reports += 1
                guard reports > most else { return }
                late = true
                unsafe stop.pointee = true
            }
        }
        if late { throw .slow }
        return found
    }
}
