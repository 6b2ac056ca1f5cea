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
    private static let newline = UInt8(ascii: "\n")
    private let code: [UInt8]
    private let lineOf: [Int]

    init(_ stripped: String) {
        code = Array(stripped.utf8)
        var line = 1
        lineOf = code.map { byte in
            defer { if byte == Self.newline { line += 1 } }
            return line
        }
        scan()
    }

    private mutating func scan() {
        var index = 0
        while index < code.count {
            guard isPartOfWord(index) else {
                index += 1
                continue
            }
            let start = index
            while isPartOfWord(index) { index += 1 }
            guard index - start == 4 else { continue }
            let word = text(start..<index)
            if word == "func" {
                record(nameAt: skipBlanks(index))
            } else if word == "init", start == 0 || code[start - 1] != UInt8(ascii: ".") {
                record(nameAt: start)
            }
        }
    }

    private func isPartOfWord(_ index: Int) -> Bool {
        guard index < code.count else { return false }
        switch code[index] {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            return true
        default:
            return false
        }
    }

    private func text(_ range: Range<Int>) -> String { String(decoding: code[range], as: UTF8.self) }

    private func word(at start: Int) -> String {
        var end = start
        while isPartOfWord(end) { end += 1 }
        return text(start..<end)
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == Self.newline }

    private func skipBlanks(_ start: Int) -> Int {
        var index = start
        while index < code.count, isBlank(code[index]) { index += 1 }
        return index
    }

    private mutating func record(nameAt start: Int) {
        guard start < code.count, let open = code[start...].firstIndex(of: UInt8(ascii: "(")), let close = match(open)
        else { return }
        // Generic parameters follow the name, and `init` may be failable.
        let name = text(start..<open).prefix { $0 != "<" && $0 != " " && $0 != "?" && $0 != "!" }
        let function = Function(
            name: String(name), line: lineOf[start], parameterCount: parameterCount(text((open + 1)..<close)),
            lineCount: body(after: close).map { lineOf[$0] - lineOf[start] + 1 } ?? 1)
        functions.append(function)
    }

    /// The index of the bracket that closes the one at `open`.
    private func match(_ open: Int) -> Int? {
        var depth = 0
        for index in open..<code.count {
            switch code[index] {
            case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                if depth == 0 { return index }
            default: break
            }
        }
        return nil
    }

    private func parameterCount(_ list: String) -> Int {
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
            case UInt8(ascii: "{"): return match(index)
            case UInt8(ascii: "}"): return nil
            case UInt8(ascii: "("), UInt8(ascii: "["): index = match(index) ?? code.count
            case Self.newline where !continues(after: index): return nil
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
        if code[next] == UInt8(ascii: "{") || code[next] == UInt8(ascii: "-") { return true }
        if ["where", "async", "throws", "rethrows"].contains(word(at: next)) { return true }
        let line = code[..<newline]
        return line.last == UInt8(ascii: ",") || line.suffix(2).elementsEqual("->".utf8)
    }
}
