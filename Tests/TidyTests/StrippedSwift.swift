/// Swift text with its comments and the insides of its strings blanked out, so that rules about code see code only.
///
/// Lines and columns stay where they were. A lexer small enough to trust: it knows line and nested block comments,
/// plain, raw and multi-line strings, and code inside interpolations. It does not know regular-expression literals.
struct StrippedSwift {
    /// A string literal: the line it starts on, and its text with interpolations left out.
    struct Literal: Equatable {
        var line: Int
        var text: String
    }

    private(set) var code = ""
    private(set) var literals: [Literal] = []

    private let input: [Character]
    private var position = 0
    private var line = 1

    init(_ text: String) {
        input = Array(text)
        code.reserveCapacity(text.utf8.count)
        readCode(untilParenthesis: false)
    }

    private func looksAt(_ text: String) -> Bool {
        var index = position
        for character in text {
            guard index < input.count, input[index] == character else { return false }
            index += 1
        }
        return true
    }

    /// Moves past characters, keeping them or putting blanks in their place.
    private mutating func advance(_ count: Int = 1, blank: Bool) {
        for _ in 0..<count where position < input.count {
            let character = input[position]
            if character.isNewline { line += 1 }
            code.append(blank && !character.isNewline ? " " : character)
            position += 1
        }
    }

    private mutating func readCode(untilParenthesis: Bool) {
        var depth = 0
        while position < input.count {
            if looksAt("//") {
                while position < input.count, !input[position].isNewline { advance(blank: true) }
            } else if looksAt("/*") {
                readBlockComment()
            } else if let hashes = stringStart() {
                readString(hashes: hashes)
            } else {
                if input[position] == "(" { depth += 1 }
                if input[position] == ")" {
                    if untilParenthesis, depth == 0 { return }
                    depth -= 1
                }
                advance(blank: false)
            }
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
        while index < input.count, input[index] == "#" { index += 1 }
        return index < input.count && input[index] == "\"" ? index - position : nil
    }

    private mutating func readString(hashes: Int) {
        let marks = String(repeating: "#", count: hashes)
        let start = line
        advance(hashes, blank: false)
        let quote = looksAt("\"\"\"") ? "\"\"\"" : "\""
        advance(quote.count, blank: false)
        var text = ""
        while position < input.count {
            if looksAt(quote + marks) {
                advance(quote.count + hashes, blank: false)
                break
            } else if looksAt("\\" + marks + "(") {
                advance(hashes + 2, blank: false)
                readCode(untilParenthesis: true)
                advance(blank: false)
                text += "?"
            } else if hashes == 0, looksAt("\\") {
                text.append(contentsOf: input[position..<min(position + 2, input.count)])
                advance(2, blank: true)
            } else {
                text.append(input[position])
                advance(blank: true)
            }
        }
        literals.append(Literal(line: start, text: text))
    }
}
