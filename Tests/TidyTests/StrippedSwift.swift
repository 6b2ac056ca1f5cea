/// Swift text with its comments and the insides of its strings blanked out, so that rules about code see code only.
///
/// Lines stay where they were. A lexer small enough to trust: it knows line and nested block comments,
/// plain, raw and multi-line strings, and code inside interpolations. It does not know regular-expression literals.
struct StrippedSwift {
    /// A string literal: the line it starts on, and its text with interpolations left out.
    struct Literal: Equatable {
        var line: Int
        var text: String
    }

    private(set) var code = ""
    private(set) var literals: [Literal] = []

    private let input: [UInt8]
    private var output: [UInt8] = []
    private var position = 0
    private var line = 1

    init(_ text: String) {
        input = Array(text.utf8)
        output.reserveCapacity(input.count)
        readCode(untilParenthesis: false)
        code = String(decoding: output, as: UTF8.self)
    }

    private func looksAt(_ text: String) -> Bool {
        input[position...].starts(with: text.utf8)
    }

    private var isAtLineEnd: Bool { input[position] == UInt8(ascii: "\n") }

    /// Moves past bytes, keeping them or putting blanks in their place.
    private mutating func advance(_ count: Int = 1, blank: Bool) {
        for _ in 0..<count where position < input.count {
            if isAtLineEnd { line += 1 }
            output.append(blank && !isAtLineEnd ? UInt8(ascii: " ") : input[position])
            position += 1
        }
    }

    private mutating func readCode(untilParenthesis: Bool) {
        var depth = 0
        while position < input.count {
            // The byte decides first: this loop runs over every byte of the checkout, in a debug build.
            switch input[position] {
            case UInt8(ascii: "/") where looksAt("//"):
                while position < input.count, !isAtLineEnd { advance(blank: true) }
                continue
            case UInt8(ascii: "/") where looksAt("/*"):
                readBlockComment()
                continue
            case UInt8(ascii: "\""), UInt8(ascii: "#"):
                if let hashes = stringStart() {
                    readString(hashes: hashes)
                    continue
                }
            case UInt8(ascii: "("):
                depth += 1
            case UInt8(ascii: ")"):
                if untilParenthesis, depth == 0 { return }
                depth -= 1
            default:
                break
            }
            advance(blank: false)
        }
    }

    private mutating func readBlockComment() {
        var depth = 0
        repeat {
            if looksAt("/*") {
                depth += 1
                advance(2, blank: true)
            } else if looksAt("*/") {
                depth -= 1
                advance(2, blank: true)
            } else {
                advance(blank: true)
            }
        } while depth > 0 && position < input.count
    }

    /// How many `#` stand before the quote here, or nil where no string starts.
    private func stringStart() -> Int? {
        var index = position
        while index < input.count, input[index] == UInt8(ascii: "#") { index += 1 }
        return index < input.count && input[index] == UInt8(ascii: "\"") ? index - position : nil
    }

    private mutating func readString(hashes: Int) {
        let marks = String(repeating: "#", count: hashes)
        let start = line
        advance(hashes, blank: false)
        let quote = looksAt("\"\"\"") ? "\"\"\"" : "\""
        advance(quote.count, blank: false)
        var text: [UInt8] = []
        while position < input.count {
            if looksAt(quote + marks) {
                advance(quote.count + hashes, blank: false)
                break
            } else if looksAt("\\" + marks + "(") {
                advance(hashes + 2, blank: false)
                readCode(untilParenthesis: true)
                advance(blank: false)
                text.append(UInt8(ascii: "?"))
            } else if hashes == 0, looksAt("\\") {
                text.append(contentsOf: input[position..<min(position + 2, input.count)])
                advance(2, blank: true)
            } else {
                text.append(input[position])
                advance(blank: true)
            }
        }
        literals.append(Literal(line: start, text: String(decoding: text, as: UTF8.self)))
    }
}
