/// Finds functions and initializers in stripped Swift, with their size.
struct FunctionScanner {
    struct Function: Equatable {
        var name: String
        var line: Int
        var parameterCount: Int
        /// From the line of the name to that of the closing brace; 1 for a requirement without a body.
        var lineCount: Int
    }

    private(set) var functions: [Function] = []
    private let code: [Character]
    private let lineOf: [Int]

    init(_ stripped: String) {
        code = Array(stripped)
        var line = 1
        lineOf = code.map { character in
            defer { if character.isNewline { line += 1 } }
            return line
        }
        scan()
    }

    private mutating func scan() {
        var index = 0
        while index < code.count {
            guard isWordStart(index) else {
                index += 1
                continue
            }
            let word = self.word(at: index)
            let isMember = index > 0 && code[index - 1] == "."
            if word == "func" {
                record(nameAt: skipBlanks(index + 4))
            } else if word == "init", !isMember {
                record(nameAt: index)
            }
            index += word.count
        }
    }

    private func isPartOfWord(_ index: Int) -> Bool {
        code.indices.contains(index) && (code[index].isLetter || code[index].isNumber || code[index] == "_")
    }

    private func isWordStart(_ index: Int) -> Bool { isPartOfWord(index) && !isPartOfWord(index - 1) }

    private func word(at start: Int) -> String {
        var end = start
        while isPartOfWord(end) { end += 1 }
        return String(code[start..<end])
    }

    private func skipBlanks(_ start: Int) -> Int {
        var index = start
        while index < code.count, code[index].isWhitespace { index += 1 }
        return index
    }

    private mutating func record(nameAt start: Int) {
        guard start < code.count, let open = code[start...].firstIndex(of: "("), let close = match(open) else { return }
        let name = code[start..<open].prefix { $0 != "<" && !$0.isWhitespace && $0 != "?" && $0 != "!" }
        // `init` is also a word in calls: a declaration's parameter list follows at once, and has a colon or is empty.
        let list = code[(open + 1)..<close]
        let function = Function(
            name: String(name), line: lineOf[start], parameterCount: parameterCount(list),
            lineCount: body(after: close).map { lineOf[$0] - lineOf[start] + 1 } ?? 1)
        functions.append(function)
    }

    /// The index of the bracket that closes the one at `open`.
    private func match(_ open: Int) -> Int? {
        var depth = 0
        for index in open..<code.count {
            switch code[index] {
            case "(", "[", "{": depth += 1
            case ")", "]", "}":
                depth -= 1
                if depth == 0 { return index }
            default: break
            }
        }
        return nil
    }

    private func parameterCount(_ list: ArraySlice<Character>) -> Int {
        guard list.contains(where: { !$0.isWhitespace }) else { return 0 }
        var depth = 0
        var count = 1
        var previous: Character = " "
        for character in list {
            switch character {
            case "(", "[", "{", "<": depth += 1
            case ")", "]", "}": depth -= 1
            case ">" where previous != "-": depth -= 1
            case "," where depth == 0: count += 1
            default: break
            }
            previous = character
        }
        return count
    }

    /// The index of the body's closing brace, or nil for a requirement of a protocol.
    private func body(after close: Int) -> Int? {
        var index = close + 1
        while index < code.count {
            switch code[index] {
            case "{": return match(index)
            case "}": return nil
            case "(", "[": index = match(index) ?? code.count
            case let character where character.isNewline && !continues(after: index): return nil
            default: break
            }
            index += 1
        }
        return nil
    }

    /// Whether a signature goes on in the line after a line break.
    private func continues(after newline: Int) -> Bool {
        let next = skipBlanks(newline)
        guard next < code.count else { return false }
        if code[next] == "{" || code[next] == "-" { return true }
        return ["where", "async", "throws", "rethrows"].contains(word(at: next))
            || String(code[..<newline].suffix(3)).hasSuffix("->") || code[newline - 1] == ","
    }
}
