/// One symbol of a GBNF sequence and how often it stands there.
struct GrammarPart {
    /// Index of the rule or group; nil: characters or a token.
    var rule: Int?
    /// How many elements llama.cpp keeps of it, at most.
    var elements: Int
    var least = 1
    /// nil: without an end.
    var most: Int? = 1

    /// Copies that llama.cpp makes: what must be there, and a rule for each that may be.
    var copies: Int { most ?? least + 1 }
}

/// Reads GBNF as llama.cpp's parser does; groups become rules of their own.
struct GrammarParser {
    /// llama.cpp takes no more either, and takes a greater maximum for none.
    static let maxRepetitions = 2000
    /// Elements in all repetitions: 50 texts of up to 2000 characters; llama.cpp takes a tenth of a second.
    static let maxRepeatedElements = 300_000

    private let bytes: [UInt8]
    private var index = 0
    private var names: [[UInt8]: Int] = [:]
    /// Alternatives by rule; empty where a name is not defined.
    private var found: [[[GrammarPart]]] = []
    private var repeated = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func rules() throws(GrammarProblem) -> [[[GrammarPart]]] {
        skipBlanks(acrossLines: true)
        while index < bytes.count {
            let rule = reference(try name())
            skipBlanks(acrossLines: false)
            for byte in "::=".utf8 { try expect(byte) }
            skipBlanks(acrossLines: true)
            found[rule] = try alternatives(depth: 0)
            guard index == bytes.count || isAt("\n") || isAt("\r") else { throw unreadable }
            skipBlanks(acrossLines: true)
        }
        return found
    }

    private var unreadable: GrammarProblem { GrammarProblem("is no GBNF at byte \(index)") }

    private func isAt(_ scalar: Unicode.Scalar) -> Bool {
        index < bytes.count && bytes[index] == UInt8(ascii: scalar)
    }

    private mutating func expect(_ byte: UInt8) throws(GrammarProblem) {
        guard index < bytes.count, bytes[index] == byte else { throw unreadable }
        index += 1
    }

    private mutating func skipBlanks(acrossLines: Bool) {
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): index += 1
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                guard acrossLines else { return }
                index += 1
            case UInt8(ascii: "#"):
                while index < bytes.count, !isAt("\n"), !isAt("\r") { index += 1 }
            default: return
            }
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"): true
        default: isDigit(byte)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private mutating func name() throws(GrammarProblem) -> [UInt8] {
        let start = index
        while index < bytes.count, Self.isWord(bytes[index]) { index += 1 }
        guard index > start else { throw unreadable }
        return Array(bytes[start..<index])
    }

    private mutating func reference(_ name: [UInt8]) -> Int {
        if let known = names[name] { return known }
        names[name] = found.count
        found.append([])
        return found.count - 1
    }

    private mutating func alternatives(depth: Int) throws(GrammarProblem) -> [[GrammarPart]] {
        guard depth <= GrammarText.maxDepth else {
            throw GrammarProblem("nests more than \(GrammarText.maxDepth) deep")
        }
        var all = [try sequence(depth: depth)]
        while isAt("|") {
            index += 1
            skipBlanks(acrossLines: true)
            all.append(try sequence(depth: depth))
        }
        return all
    }

    private mutating func sequence(depth: Int) throws(GrammarProblem) -> [GrammarPart] {
        var parts: [GrammarPart] = []
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "["):
                let length = try quoted(until: byte == UInt8(ascii: "[") ? UInt8(ascii: "]") : byte)
                if length > 0 { parts.append(GrammarPart(rule: nil, elements: length)) }
            case UInt8(ascii: "<"), UInt8(ascii: "!"):
                while index < bytes.count, !isAt(">") { index += 1 }
                try expect(UInt8(ascii: ">"))
                parts.append(GrammarPart(rule: nil, elements: 1))
            case UInt8(ascii: "."):
                index += 1
                parts.append(GrammarPart(rule: nil, elements: 1))
            case UInt8(ascii: "("):
                index += 1
                skipBlanks(acrossLines: true)
                let group = try alternatives(depth: depth + 1)
                try expect(UInt8(ascii: ")"))
                found.append(group)
                parts.append(GrammarPart(rule: found.count - 1, elements: 1))
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"):
                guard let last = parts.popLast() else { throw unreadable }
                parts.append(try repetition(of: last))
            default:
                guard Self.isWord(byte) else { return parts }
                parts.append(GrammarPart(rule: reference(try name()), elements: 1))
            }
            skipBlanks(acrossLines: depth > 0)
        }
        return parts
    }

    /// Steps over a literal or a range of characters; its length in bytes.
    private mutating func quoted(until end: UInt8) throws(GrammarProblem) -> Int {
        index += 1
        let start = index
        while index < bytes.count, bytes[index] != end {
            // What stands behind a backslash ends nothing.
            index += isAt("\\") ? 2 : 1
        }
        guard index < bytes.count else { throw unreadable }
        index += 1
        return index - 1 - start
    }

    private mutating func repetition(of last: GrammarPart) throws(GrammarProblem) -> GrammarPart {
        var part = last
        if last.least != 1 || last.most != 1 {
            // Repeated twice: the whole of the first repetition is what the second repeats.
            found.append([[last]])
            part = GrammarPart(rule: found.count - 1, elements: last.least * last.elements + 1)
        }
        let sign = bytes[index]
        index += 1
        switch sign {
        case UInt8(ascii: "*"): (part.least, part.most) = (0, nil)
        case UInt8(ascii: "+"): (part.least, part.most) = (1, nil)
        case UInt8(ascii: "?"): (part.least, part.most) = (0, 1)
        default:
            let given = try counts()
            (part.least, part.most) = (given.least, given.most)
        }
        // The rules that llama.cpp makes of a repetition have a reference and an end besides.
        repeated += part.copies * (part.elements + 2)
        guard repeated <= Self.maxRepeatedElements else { throw GrammarProblem("repeats too much") }
        return part
    }

    /// What stands between braces, behind the first.
    private mutating func counts() throws(GrammarProblem) -> (least: Int, most: Int?) {
        skipBlanks(acrossLines: true)
        let least = try number()
        var most: Int? = least
        skipBlanks(acrossLines: true)
        if isAt(",") {
            index += 1
            skipBlanks(acrossLines: true)
            most = index < bytes.count && Self.isDigit(bytes[index]) ? try number() : nil
            skipBlanks(acrossLines: true)
        }
        try expect(UInt8(ascii: "}"))
        guard least <= Self.maxRepetitions else {
            throw GrammarProblem("repeats something at least \(least) times, more than \(Self.maxRepetitions)")
        }
        if let most, most < least {
            throw GrammarProblem("repeats something at least \(least) and at most \(most) times")
        }
        return (least, most.flatMap { $0 > Self.maxRepetitions ? nil : $0 })
    }

    /// Greater numbers are all the same: too great.
    private mutating func number() throws(GrammarProblem) -> Int {
        let start = index
        var value = 0
        while index < bytes.count, Self.isDigit(bytes[index]) {
            value = min(value * 10 + Int(bytes[index] - UInt8(ascii: "0")), Int(Int32.max))
            index += 1
        }
        guard index > start else { throw unreadable }
        return value
    }
}
