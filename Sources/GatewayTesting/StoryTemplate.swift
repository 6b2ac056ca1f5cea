/// One sentence with places for a subject, a thing and numbers (see `Story`), told and read back.
struct StoryTemplate: Sendable {
    private enum Part: Hashable {
        case literal([UInt8])
        case subject, object, first, second, equation
    }
    private let parts: [Part]
    /// Where the sentence begins with fixed words: most places of a text are ruled out by one byte.
    private let firstByte: UInt8?

    /// Numbers of more digits are not a problem's.
    static let maxDigits = 12

    init(_ pattern: String) {
        var parts: [Part] = []
        var rest = Substring(pattern)
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            if open > rest.startIndex { parts.append(.literal(Array(rest[..<open].utf8))) }
            switch rest[open...close] {
            case "{N}": parts.append(.subject)
            case "{o}": parts.append(.object)
            case "{n}": parts.append(.first)
            case "{m}": parts.append(.second)
            default: parts.append(.equation)
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.literal(Array(rest.utf8))) }
        self.parts = parts
        if case .literal(let bytes) = parts.first { firstByte = bytes.first } else { firstByte = nil }
    }

    /// What stands in the places of a sentence.
    struct Values: Hashable, Sendable {
        var subject: String?
        var object: String?
        var first: Int?
        var second: Int?
    }

    func tell(_ values: Values, equation: String = "") -> String {
        var text = ""
        for part in parts {
            switch part {
            case .literal(let bytes): text += String(decoding: bytes, as: UTF8.self)
            case .subject: text += values.subject ?? ""
            case .object: text += values.object ?? ""
            case .first: text += values.first.map(String.init) ?? ""
            case .second: text += values.second.map(String.init) ?? ""
            case .equation: text += equation
            }
        }
        return text
    }

    /// Reads the sentence at `start` of `text`: what stands in its places and where it ends. `known` binds a
    /// subject or a thing that was already named.
    func read(_ text: [UInt8], at start: Int, known: Values, story: Story?) -> (values: Values, end: Int)? {
        guard start < text.count, firstByte == nil || firstByte == text[start] else { return nil }
        var values = Values(subject: known.subject, object: known.object)
        var index = start
        for part in parts {
            switch part {
            case .literal(let bytes):
                guard let next = Self.match(bytes, text, at: index) else { return nil }
                index = next
            case .subject:
                guard let found = Self.oneOf(values.subject.map { [$0] } ?? story?.subjects ?? [], text, at: index)
                else { return nil }
                (values.subject, index) = (found.word, found.end)
            case .object:
                guard let found = Self.oneOf(values.object.map { [$0] } ?? story?.objects ?? [], text, at: index)
                else { return nil }
                (values.object, index) = (found.word, found.end)
            case .first:
                guard let found = Self.number(text, at: index) else { return nil }
                (values.first, index) = (found.value, found.end)
            case .second:
                guard let found = Self.number(text, at: index) else { return nil }
                (values.second, index) = (found.value, found.end)
            case .equation:
                return nil
            }
        }
        return (values, index)
    }

    private static func match(_ literal: [UInt8], _ text: [UInt8], at index: Int) -> Int? {
        let end = index + literal.count
        guard end <= text.count else { return nil }
        for (offset, byte) in literal.enumerated() where text[index + offset] != byte { return nil }
        return end
    }

    private static func oneOf(_ words: [String], _ text: [UInt8], at index: Int) -> (word: String, end: Int)? {
        guard index < text.count else { return nil }
        for word in words where word.utf8.first == text[index] {
            if let end = match(Array(word.utf8), text, at: index) { return (word, end) }
        }
        return nil
    }

    private static func number(_ text: [UInt8], at index: Int) -> (value: Int, end: Int)? {
        var end = index
        var value = 0
        while end < text.count, (0x30...0x39).contains(text[end]) {
            guard end - index < maxDigits else { return nil }
            value = value * 10 + Int(text[end] - 0x30)
            end += 1
        }
        return end > index ? (value, end) : nil
    }
}
