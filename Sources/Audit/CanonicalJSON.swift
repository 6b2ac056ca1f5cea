/// JSON in the one form in which it is hashed: members in ascending order of their names' bytes, no white space,
/// strings with as few escapes as there must be, numbers as they were written.
package enum CanonicalJSON {
    /// Deeper values are refused.
    package static let maxDepth = 64

    /// The canonical form of `text`; nil when it is no JSON, or names a member twice.
    package static func of(_ text: [UInt8]) -> [UInt8]? {
        var out: [UInt8] = []
        var scanner = Scanner()
        return scanner.append(text.span, to: &out) ? out : nil
    }

    /// Adds `text` as a JSON string, with its quotes.
    static func append(string text: Span<UInt8>, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        var start = 0
        while true {
            let end = ByteSearch.special(text, from: start)
            out.append(text.extracting(start..<end))
            guard end < text.count else { break }
            let byte = text[end]
            out.append(UInt8(ascii: "\\"))
            if byte < 0x20 {
                out.append(UInt8(ascii: "u"))
                out.append(UInt8(ascii: "0"))
                out.append(UInt8(ascii: "0"))
                out.append(AuditHash.digit(byte >> 4))
                out.append(AuditHash.digit(byte & 15))
            } else {
                out.append(byte)
            }
            start = end + 1
        }
        out.append(UInt8(ascii: "\""))
    }

    /// Reads values one after another; its space is kept, so that a value costs no allocation.
    struct Scanner: Sendable {
        /// A member of an object that is open: where its name is in `names`, where it was written.
        private struct Member {
            var name: Range<Int>
            var written: Range<Int>
        }
        private static let fewMembers = 16
        private var position = 0
        private var members: [Member] = []
        private var names: [UInt8] = []
        private var spare: [UInt8] = []

        /// Adds the canonical form of `text`; false when it has none: then what was added means nothing.
        mutating func append(_ text: Span<UInt8>, to out: inout [UInt8]) -> Bool {
            position = 0
            members.removeAll(keepingCapacity: true)
            names.removeAll(keepingCapacity: true)
            guard value(text, &out, depth: 0) else { return false }
            skipSpace(text)
            return position == text.count
        }

        private mutating func skipSpace(_ text: Span<UInt8>) {
            while position < text.count, Self.isSpace(text[position]) { position += 1 }
        }

        private static func isSpace(_ byte: UInt8) -> Bool {
            byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
        }

        private mutating func take(_ text: Span<UInt8>, _ byte: UInt8) -> Bool {
            skipSpace(text)
            guard position < text.count, text[position] == byte else { return false }
            position += 1
            return true
        }

        private mutating func value(_ text: Span<UInt8>, _ out: inout [UInt8], depth: Int) -> Bool {
            skipSpace(text)
            guard position < text.count, depth < CanonicalJSON.maxDepth else { return false }
            switch text[position] {
            case UInt8(ascii: "{"): return object(text, &out, depth: depth)
            case UInt8(ascii: "["): return array(text, &out, depth: depth)
            case UInt8(ascii: "\""):
                let start = names.count
                guard string(text, &out) else { return false }
                names.removeSubrange(start...)
                return true
            default: return word(text, &out)
            }
        }

        /// Adds the string at `position` to `out`, and what it says to `names`.
        private mutating func string(_ text: Span<UInt8>, _ out: inout [UInt8]) -> Bool {
            guard position < text.count, text[position] == UInt8(ascii: "\"") else { return false }
            let end = ByteSearch.special(text, from: position + 1)
            if end < text.count, text[end] == UInt8(ascii: "\"") {
                // Without an escape it is its own form.
                names.append(text.extracting((position + 1)..<end))
                out.append(text.extracting(position...end))
                position = end + 1
                return true
            }
            let start = names.count
            guard JSONString.append(text, &position, to: &names) else { return false }
            CanonicalJSON.append(string: names.span.extracting(start...), to: &out)
            return true
        }

        private mutating func object(_ text: Span<UInt8>, _ out: inout [UInt8], depth: Int) -> Bool {
            position += 1
            let (first, firstName, start) = (members.count, names.count, out.count)
            out.append(UInt8(ascii: "{"))
            if !take(text, UInt8(ascii: "}")) {
                repeat {
                    skipSpace(text)
                    if members.count > first { out.append(UInt8(ascii: ",")) }
                    let (name, written) = (names.count, out.count)
                    guard string(text, &out), take(text, UInt8(ascii: ":")) else { return false }
                    let nameEnd = names.count
                    out.append(UInt8(ascii: ":"))
                    guard value(text, &out, depth: depth + 1) else { return false }
                    members.append(Member(name: name..<nameEnd, written: written..<out.count))
                } while take(text, UInt8(ascii: ","))
                guard take(text, UInt8(ascii: "}")), order(from: first, start, &out) else { return false }
            }
            out.append(UInt8(ascii: "}"))
            members.removeSubrange(first...)
            names.removeSubrange(firstName...)
            return true
        }

        /// Puts the members from `first` on in order, of which `out` has the object from `start` on; false when two
        /// have the same name.
        private mutating func order(from first: Int, _ start: Int, _ out: inout [UInt8]) -> Bool {
            guard let isMoved = sort(from: first) else { return false }
            guard isMoved else { return true }
            spare.removeAll(keepingCapacity: true)
            for index in first..<members.count {
                spare.append(UInt8(ascii: index == first ? "{" : ","))
                spare.append(out.span.extracting(members[index].written))
            }
            out.removeSubrange(start...)
            out.append(spare.span)
            return true
        }

        /// Sorts the members from `first` on by their names, and says whether one moved; nil when two have the same
        /// name. By insertion while they are few, as they nearly always are.
        private mutating func sort(from first: Int) -> Bool? {
            var isMoved = false
            if members.count - first > Self.fewMembers {
                members.replaceSubrange(first..., with: members[first...].sorted { precedes($0, $1) })
                isMoved = true
            }
            for index in stride(from: first + 1, to: members.count, by: 1) {
                let member = members[index]
                var place = index
                while place > first, !precedes(members[place - 1], member) {
                    guard precedes(member, members[place - 1]) else { return nil }
                    members[place] = members[place - 1]
                    place -= 1
                }
                if place < index {
                    members[place] = member
                    isMoved = true
                }
            }
            return isMoved
        }

        private func precedes(_ a: Member, _ b: Member) -> Bool {
            let (a, b) = (a.name, b.name)
            for offset in 0..<min(a.count, b.count) {
                let (x, y) = (names[a.lowerBound + offset], names[b.lowerBound + offset])
                if x != y { return x < y }
            }
            return a.count < b.count
        }

        private mutating func array(_ text: Span<UInt8>, _ out: inout [UInt8], depth: Int) -> Bool {
            position += 1
            out.append(UInt8(ascii: "["))
            if !take(text, UInt8(ascii: "]")) {
                var isFirst = true
                repeat {
                    if !isFirst { out.append(UInt8(ascii: ",")) }
                    isFirst = false
                    guard value(text, &out, depth: depth + 1) else { return false }
                } while take(text, UInt8(ascii: ","))
                guard take(text, UInt8(ascii: "]")) else { return false }
            }
            out.append(UInt8(ascii: "]"))
            return true
        }

        /// A number, true, false or null, as it stands.
        private mutating func word(_ text: Span<UInt8>, _ out: inout [UInt8]) -> Bool {
            let start = position
            while position < text.count, Self.isWord(text[position]) { position += 1 }
            guard position > start else { return false }
            out.append(text.extracting(start..<position))
            return true
        }

        private static func isWord(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
    }
}

/// A string in JSON text.
enum JSONString {
    /// Adds what the string at `position` says to `out`, and goes past it; false when there is no string.
    static func append(_ text: Span<UInt8>, _ position: inout Int, to out: inout [UInt8]) -> Bool {
        guard position < text.count, text[position] == UInt8(ascii: "\"") else { return false }
        var start = position + 1
        while true {
            let end = ByteSearch.special(text, from: start)
            guard end < text.count else { return false }
            out.append(text.extracting(start..<end))
            switch text[end] {
            case UInt8(ascii: "\""):
                position = end + 1
                return true
            case UInt8(ascii: "\\"):
                start = end + 1
                guard escape(text, &start, &out) else { return false }
            default: return false
            }
        }
    }

    private static func escape(_ text: Span<UInt8>, _ position: inout Int, _ value: inout [UInt8]) -> Bool {
        guard position < text.count else { return false }
        let byte = text[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): value.append(byte)
        case UInt8(ascii: "b"): value.append(0x08)
        case UInt8(ascii: "f"): value.append(0x0C)
        case UInt8(ascii: "n"): value.append(0x0A)
        case UInt8(ascii: "r"): value.append(0x0D)
        case UInt8(ascii: "t"): value.append(0x09)
        case UInt8(ascii: "u"):
            guard var unit = unit(text, &position) else { return false }
            if (0xD800..<0xDC00).contains(unit) {
                guard position + 1 < text.count, text[position] == UInt8(ascii: "\\"),
                    text[position + 1] == UInt8(ascii: "u")
                else { return false }
                position += 2
                guard let low = self.unit(text, &position), (0xDC00..<0xE000).contains(low) else { return false }
                unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(unit) else { return false }
            value.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
        default: return false
        }
        return true
    }

    /// Four hexadecimal digits.
    private static func unit(_ text: Span<UInt8>, _ position: inout Int) -> UInt32? {
        guard position + 4 <= text.count else { return nil }
        var unit: UInt32 = 0
        for index in position..<(position + 4) {
            switch text[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 | UInt32(text[index] - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): unit = unit << 4 | UInt32(text[index] - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): unit = unit << 4 | UInt32(text[index] - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        position += 4
        return unit
    }
}
