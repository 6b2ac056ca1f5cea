/// Cuts a text into the tokens that `ArithmeticReading` works on. Works on bytes: the texts are up to a whole
/// conversation long.
struct ArithmeticLexer {
    private let bytes: [UInt8]
    private var index = 0
    private var lastWasNumber = false

    private static let operationWords: [String: ArithmeticReading.Token] = [
        "plus": .operation(.plus), "minus": .operation(.minus), "times": .operation(.times),
        "x": .operation(.times), "divided": .operation(.divided), "equals": .equals, "is": .equals,
    ]

    init(_ text: String) {
        // The typographic operators become their ASCII forms.
        var plain = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "×", "·", "∙": plain.append("*")
            case "÷": plain.append("/")
            case "−", "–": plain.append("-")
            default: plain.unicodeScalars.append(scalar)
            }
        }
        bytes = Array(plain.utf8)
    }

    private func byte(_ at: Int) -> UInt8? { bytes.indices.contains(at) ? bytes[at] : nil }
    private func isDigit(_ at: Int) -> Bool { byte(at).map { (0x30...0x39).contains($0) } ?? false }
    private func isLetter(_ at: Int) -> Bool {
        byte(at).map { (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 >= 0x80 } ?? false
    }

    mutating func next() -> ArithmeticReading.Token? {
        while let byte = byte(index) {
            if isDigit(index) {
                lastWasNumber = true
                return number()
            }
            if isLetter(index) {
                if let token = word() { return token }
                continue
            }
            defer { lastWasNumber = byte == 0x20 && lastWasNumber }
            index += 1
            switch byte {
            case UInt8(ascii: "="): return .equals
            case UInt8(ascii: "+"): return .operation(.plus)
            case UInt8(ascii: "/"): return .operation(.divided)
            case UInt8(ascii: "*"):
                // "**" is emphasis.
                if self.byte(index) == UInt8(ascii: "*") { index += 1 } else { return .operation(.times) }
            case UInt8(ascii: "-"):
                return .operation(.minus)
            case UInt8(ascii: "."), UInt8(ascii: "\n"), UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "?"),
                UInt8(ascii: "!"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: ","):
                return .end
            default: break
            }
        }
        return nil
    }

    private mutating func number() -> ArithmeticReading.Token {
        var digits: [UInt8] = []
        var hasPoint = false
        while let byte = byte(index) {
            if isDigit(index) {
                digits.append(byte)
            } else if byte == UInt8(ascii: "."), !hasPoint, isDigit(index + 1) {
                hasPoint = true
                digits.append(byte)
            } else if byte == UInt8(ascii: ","), !hasPoint, isThousandsGroup(index + 1) {
                // A comma between groups of three digits belongs to the number.
            } else {
                break
            }
            index += 1
        }
        return .number(Double(String(decoding: digits, as: UTF8.self)) ?? .infinity)
    }

    private func isThousandsGroup(_ at: Int) -> Bool {
        isDigit(at) && isDigit(at + 1) && isDigit(at + 2) && !isDigit(at + 3)
    }

    private mutating func word() -> ArithmeticReading.Token? {
        let start = index
        while isLetter(index) { index += 1 }
        let text = String(decoding: bytes[start..<index], as: UTF8.self).lowercased()
        let token = Self.operationWords[text]
        // "x" is a multiplication only right after a number; else it is a variable.
        if text == "x", !lastWasNumber {
            return .word
        }
        lastWasNumber = false
        if text == "by" || text == "equal" || text == "to" { return nil }
        return token ?? .word
    }
}
