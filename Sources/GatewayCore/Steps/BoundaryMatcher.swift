internal import Foundation

/// Finds the end of a step in the bytes drafted so far.
struct BoundaryMatcher {
    enum Kind {
        case none
        case newline
        case blankLine
        case pattern(NSRegularExpression)
    }

    /// Longest pattern taken, in characters.
    static let maxPatternLength = 512
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
            guard !pattern.isEmpty, pattern.count <= Self.maxPatternLength else {
                throw .invalid("step pattern must have 1 to \(Self.maxPatternLength) characters")
            }
            do {
                kind = .pattern(try NSRegularExpression(pattern: pattern))
            } catch {
                throw .invalid("step pattern is no regular expression: \(pattern)")
            }
        }
    }

    /// True where `bytes` (whole characters) contain a boundary behind their first character that is not white
    /// space. `from` is where the bytes begin that were not there at the last call.
    func matches(_ bytes: [UInt8], from: Int) throws(LocalModelError) -> Bool {
        guard let first = bytes.firstIndex(where: { !Self.isSpace($0) }) else { return false }
        switch kind {
        case .none: return false
        case .newline: return bytes[max(first, from)...].contains(0x0A)
        case .blankLine: return Self.hasBlankLine(bytes[first...])
        case .pattern(let expression): return try Self.matches(expression, bytes, behind: first)
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

    private static func matches(
        _ expression: NSRegularExpression, _ bytes: [UInt8], behind first: Int
    ) throws(LocalModelError) -> Bool {
        let lead = String(decoding: bytes[..<first], as: UTF8.self).utf16.count
        let text = String(decoding: bytes, as: UTF8.self)
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
        if late { throw .invalid("step pattern takes too long to match") }
        return found
    }
}
