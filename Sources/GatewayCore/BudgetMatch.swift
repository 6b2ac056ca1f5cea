/// A pattern of paid models, "openai/gpt-4*": `*` stands for any characters, also none.
package enum ModelPattern {
    /// The longest pattern, in bytes.
    package static let maxLength = 255
    private static let star = UInt8(ascii: "*")

    /// Whether `text` may be a pattern: letters, digits and `* . _ : / @ -`, beginning with a letter, digit or `*`.
    package static func isValid(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= maxLength else { return false }
        return (isAlphanumeric(first) || first == star)
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == star || "._:/@-".utf8.contains($0) }
    }

    /// Whether `model` matches. Takes time in proportion to the product of both lengths at worst.
    package static func matches(_ pattern: String, _ model: ModelReference) -> Bool {
        matches(pattern, name: model.description)
    }

    /// Whether `name`, a route's or a model's, matches.
    package static func matches(_ pattern: String, name: String) -> Bool {
        let (pattern, text) = (Array(pattern.utf8), Array(name.utf8))
        var (p, t) = (0, 0)
        // Where the last star was, and how much of the text it has taken.
        var retry: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == star {
                retry = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                (p, t) = (p + 1, t + 1)
            } else if let last = retry {
                retry = (last.pattern, last.text + 1)
                (p, t) = (last.pattern + 1, last.text + 1)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == star }
    }
}

/// A word that a request carries (header `x-gboost-tags`), for budgets and reports.
package enum RequestTag {
    /// The most tags of a request.
    package static let maxCount = 16
    private static let maxLength = 63

    /// Whether `text` may be a tag: letters, digits and `. _ : -`, beginning with a letter or digit.
    package static func isValid(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= maxLength else { return false }
        return isAlphanumeric(first) && text.utf8.allSatisfy { isAlphanumeric($0) || "._:-".utf8.contains($0) }
    }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: false
    }
}
