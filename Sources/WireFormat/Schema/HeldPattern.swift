/// Whether the grammar of a `pattern` allows only texts that the pattern matches.
///
/// llama.cpp writes a pattern over into its own notation, where other things are known and other things bind: of what
/// is not in the subset below some is dropped ("accepting any string") and some gets another meaning. The grammar is
/// also one of the JSON text and not of the string in it, so that nothing may match a quote, a backslash or a control
/// character. Backtracking is not needed: a character tells what it begins.
struct HeldPattern {
    /// Groups in one another.
    private static let maxDepth = 32
    private static let quantifiers: Set<Unicode.Scalar> = ["*", "+", "?", "{"]
    /// What a literal character may not be without a backslash.
    private static let special: Set<Unicode.Scalar> = [
        "|", ".", "(", ")", "[", "]", "{", "}", "*", "+", "?", "^", "$",
    ]

    private let scalars: [Unicode.Scalar]
    private var index = 0
    /// Characters that the converter takes together as one literal: a repetition behind them repeats them all.
    private var run = 0

    static func holds(_ pattern: String) -> Bool {
        let scalars = Array(pattern.unicodeScalars)
        guard scalars.count >= 2, scalars.first == "^", scalars.last == "$" else { return false }
        var reader = HeldPattern(scalars: Array(scalars.dropFirst().dropLast()))
        return reader.alternatives(depth: 0) && reader.index == reader.scalars.count
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        index += 1
        return true
    }

    /// Up to the end or to the parenthesis that closes the group.
    private mutating func alternatives(depth: Int) -> Bool {
        guard depth <= Self.maxDepth else { return false }
        run = 0
        while let scalar = next, scalar != ")" {
            if take("|") {
                run = 0
                continue
            }
            guard atom(scalar, depth: depth) else { return false }
            guard let quantifier = next, Self.quantifiers.contains(quantifier) else { continue }
            // Of a character that is no ASCII the converter would repeat the last byte.
            guard run <= 1, run == 0 || scalar.isASCII, repetition() else { return false }
            run = 0
        }
        return true
    }

    private mutating func atom(_ scalar: Unicode.Scalar, depth: Int) -> Bool {
        index += 1
        switch scalar {
        case "(":
            if take("?"), !take(":") { return false }
            guard alternatives(depth: depth + 1), take(")") else { return false }
            run = 0
            return true
        case "[":
            run = 0
            return characterClass()
        case "\\":
            // An escape joins the characters before it, whatever stands behind.
            run += 1
            guard let escaped = next, escaped == "-" || Self.special.contains(escaped) else { return false }
            index += 1
            return true
        default:
            guard !Self.special.contains(scalar), Self.isPlain(scalar) else { return false }
            run = run > 0 && next.map(Self.special.contains) == true ? 1 : run + 1
            return true
        }
    }

    /// Behind an atom. A `?` or `+` behind a repetition would mean another thing in a grammar.
    private mutating func repetition() -> Bool {
        if take("{") {
            guard let least = number() else { return false }
            var most: Int? = least
            if take(",") { most = next == "}" ? nil : number() ?? -1 }
            guard take("}"), most.map({ $0 >= max(least, 1) }) ?? true else { return false }
        } else {
            index += 1
        }
        return next.map { !Self.quantifiers.contains($0) } ?? true
    }

    private mutating func number() -> Int? {
        var digits = ""
        while let scalar = next, ("0"..."9").contains(scalar), digits.utf8.count < 6 {
            digits.unicodeScalars.append(scalar)
            index += 1
        }
        return Int(digits)
    }

    /// Behind the bracket: ranges and single characters, none of them a quote or a backslash.
    private mutating func characterClass() -> Bool {
        guard next != "^", next != "]" else { return false }
        while let first = member() {
            guard Self.isPlain(first) else { return false }
            if next == "-", index + 1 < scalars.count, scalars[index + 1] != "]" {
                index += 1
                guard let last = member(), Self.isRange(first, last) else { return false }
            }
            if take("]") { return true }
        }
        return false
    }

    private mutating func member() -> Unicode.Scalar? {
        guard let scalar = next else { return nil }
        index += 1
        guard scalar == "\\" else { return scalar }
        guard let escaped = next, ["[", "]", "-"].contains(escaped) else { return nil }
        index += 1
        return escaped
    }

    private static func isRange(_ first: Unicode.Scalar, _ last: Unicode.Scalar) -> Bool {
        guard first <= last, isPlain(last) else { return false }
        let range = first...last
        return !range.contains("\"") && !range.contains("\\")
    }

    /// Stands in a JSON string as it is.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value >= 0x20 && scalar != "\"" && scalar != "\\" && scalar.value != 0x7F
    }
}
