/// What came back from an escalation, checked: ready to be appended to the answer, or refused.
package enum EscalationReply: Hashable, Sendable {
    /// Why a reply is of no use.
    package enum Refusal: String, Hashable, Sendable {
        /// Nothing but white space.
        case empty
        /// Only steps that were accepted already.
        case repetition
    }

    /// One step, with the separator behind it, so that it can be appended as it is.
    case step(String)
    /// A step that was cut off before its end: it stays open, and whoever goes on finishes it.
    case cut(String)
    /// The end of the answer: the rest as asked, or a step that completes it, or a whole solution given for a step.
    case rest(String)
    case refused(Refusal)
}

extension EscalationPrompt {
    /// Why the provider stopped writing: what it says as `finish_reason`.
    package enum Finish: Hashable, Sendable {
        /// By itself, or at the stop text: "stop", and Together's own word.
        case stopped
        /// At `max_tokens`, or for a reason that this code does not know.
        case cut
        /// A filter of its own ended the reply ("content_filter"; Anthropic's refusal).
        case filtered
        package init(reason: String?) {
            switch reason {
            case "stop", "eos": self = .stopped
            case "content_filter": self = .filtered
            default: self = .cut
            }
        }
    }

    /// Checks a reply against what was asked.
    ///
    /// White space around it and what it says again at its start, accepted steps or the client's own beginning, are
    /// dropped, but for what parts it from them. Asked for a step, it is cut at the first separator; several steps that
    /// the provider ended by itself are a whole solution, taken as the rest, since it is paid for. A step followed by
    /// `endMark` ends the answer, and so does whatever the provider's filter let through.
    package func clean(_ reply: String, ask: Ask, finish: Finish) -> EscalationReply {
        let reply = withoutOpening(reply)
        var text = Self.trimmed(reply[...])
        let leading = String(reply[..<text.startIndex])
        let trailing = String(reply[text.endIndex...])
        var isEnd = false
        if text.hasSuffix(Self.endMark) {
            isEnd = true
            text = Self.trimmed(text.dropLast(Self.endMark.count))
        }
        guard !text.isEmpty else { return .refused(.empty) }
        guard let separator, !separator.isEmpty else {
            if isRepetition(text) { return .refused(.repetition) }
            let whole = seam(leading, before: String(text), isRestated: false) + String(text)
            if isEnd || ask == .rest || finish == .filtered { return .rest(whole) }
            return finish == .cut ? .cut(whole + trailing) : .step(whole)
        }
        let said = Self.split(text, at: separator)
        let pieces = withoutRestated(said)
        guard let first = pieces.first else { return .refused(.repetition) }
        // Untouched where nothing was restated: its blank lines are its own.
        let isRestated = pieces.count < said.count
        let whole = isRestated ? pieces.joined(separator: separator) : String(text)
        let gap = seam(leading, before: first, isRestated: isRestated)
        let isWhole = isEnd || finish == .filtered || pieces.count > 1 && finish == .stopped
        if ask == .rest || isWhole { return .rest(gap + whole) }
        if isRepetition(first[...]) { return .refused(.repetition) }
        // A separator would close what the provider did not: the SLM would reason on from half a sentence.
        let isClosed = Array(trailing.utf8).position(of: Array(separator.utf8), from: 0) != nil
        guard finish == .cut, pieces.count == 1, !isClosed else { return .step(gap + first + separator) }
        return .cut(gap + first + trailing)
    }

    private func withoutOpening(_ reply: String) -> String {
        let text = Self.trimmed(reply[...])
        let again = restatedOpening(Array(text.utf8), isWhole: true) ?? 0
        return again == 0 ? reply : String(decoding: reply[text.startIndex...].utf8.dropFirst(again), as: UTF8.self)
    }

    /// Bytes of the client's own beginning, or of its last line, that a reply begins with.
    /// - Parameters:
    ///   - reply: what has come of it, without white space before it.
    ///   - isWhole: all of it has come.
    /// - Returns: nil where that cannot be said yet.
    func restatedOpening(_ reply: [UInt8], isWhole: Bool) -> Int? {
        guard let opening else { return 0 }
        let whole = Self.trimmed(opening[...])
        for text in [whole, Self.trimmed(whole.split(whereSeparator: \.isNewline).last ?? "")] {
            let mark = Array(text.utf8)
            guard mark.count >= Self.leastRestated || Self.brackets.contains(String(text)) else { continue }
            if reply.starts(with: mark) { return mark.count }
            if !isWhole, mark.starts(with: reply) { return nil }
        }
        return 0
    }

    /// Bytes of a beginning that are hardly meant to stand twice; "1" and "15" may be 115.
    private static let leastRestated = 4
    /// Shorter ones that do not stand twice where a client begins with them: an object's, and an option's of a
    /// question.
    private static let brackets: Set<String> = ["{", "("]

    /// White space between the accepted steps and what a reply adds to them.
    ///
    /// Where the steps end in white space, that parts them. Else the reply's own stays. Where it has none either, a
    /// step that was cut at its bound of tokens meets a model that begins afresh: tokens end with words far more often
    /// than within them, and two words glued together read worse than one word in two, so words get a space. Two digits
    /// may be one number, and scripts from Thai eastwards put no spaces between words: they get none.
    /// - Parameter leading: white space that the reply begins with.
    func seam(_ leading: String, before text: String, isRestated: Bool) -> String {
        guard let last = acceptedSteps.last(where: { !$0.isEmpty })?.unicodeScalars.last,
            !last.properties.isWhitespace
        else { return "" }
        if isRestated { return separator ?? "" }
        guard leading.isEmpty, let first = text.unicodeScalars.first else { return leading }
        let digits: ClosedRange<Unicode.Scalar> = "0"..."9"
        func isWord(_ scalar: Unicode.Scalar) -> Bool {
            scalar.value < 0x0E00 && (scalar.properties.isAlphabetic || digits.contains(scalar))
        }
        let isNumber = digits.contains(last) && digits.contains(first)
        return isWord(last) && isWord(first) && !isNumber ? " " : ""
    }

    /// Cuts `text`, which goes on from the accepted steps, at the first of the client's stop strings; nil: none is in
    /// it. One that begins in the steps counts: the client reads both as one text.
    package func cut(_ text: String, at stops: [String]) -> (text: String, stop: String)? {
        let stops = stops.filter { !$0.isEmpty }
        let marks = stops.map { Array($0.utf8) }
        let bytes = Array(text.utf8)
        guard let found = Self.firstStop(marks, in: bytes, after: endOfSteps(for: marks)) else { return nil }
        return (String(decoding: bytes[..<found.at], as: UTF8.self), stops[found.index])
    }

    /// The end of the accepted steps in which one of `stops` may have begun.
    func endOfSteps(for stops: [[UInt8]]) -> [UInt8] {
        Array(acceptedSteps.joined().utf8.suffix(max(0, (stops.map(\.count).max() ?? 0) - 1)))
    }

    /// Which of `stops` stands first in `bytes`, and where. One that has begun in `before` cuts at 0; one that lies
    /// there as a whole was let pass.
    static func firstStop(
        _ stops: [[UInt8]], in bytes: [UInt8], after before: [UInt8]
    ) -> (index: Int, at: Int)? {
        let text = before + bytes
        var first: (index: Int, start: Int)?
        for (index, stop) in stops.enumerated() {
            let from = max(0, before.count - stop.count + 1)
            guard let start = text.position(of: stop, from: from), start < (first?.start ?? .max) else { continue }
            first = (index, start)
        }
        return first.map { ($0.index, max(0, $0.start - before.count)) }
    }

    /// Drops the accepted steps that a reply repeats in order from the answer's start.
    private func withoutRestated(_ pieces: [String]) -> [String] {
        let accepted = acceptedPieces
        let said = pieces.map(Self.normalized)
        if !accepted.isEmpty, said.starts(with: accepted) { return Array(pieces.dropFirst(accepted.count)) }
        // Or only the last one, as models do that go on from a quotation.
        if let last = accepted.last, said.first == last { return Array(pieces.dropFirst()) }
        return pieces
    }

    /// What a reply may restate, normalized: the accepted steps, as the separator divides them.
    var acceptedPieces: [String] {
        guard let separator, !separator.isEmpty else {
            return acceptedSteps.map(Self.normalized).filter { !$0.isEmpty }
        }
        return Self.split(acceptedSteps.joined()[...], at: separator).map(Self.normalized)
    }

    private func isRepetition(_ text: Substring) -> Bool {
        let said = Self.normalized(String(text))
        return acceptedSteps.contains { Self.normalized($0) == said }
    }

    /// Pieces between separators, without blank ones.
    private static func split(_ text: Substring, at separator: String) -> [String] {
        var pieces: [String] = []
        var rest = Array(text.utf8)[...]
        let mark = Array(separator.utf8)
        func add(_ bytes: ArraySlice<UInt8>) {
            let piece = String(decoding: bytes, as: UTF8.self)
            if !trimmed(piece[...]).isEmpty { pieces.append(piece) }
        }
        var start = rest.startIndex
        while start + mark.count <= rest.endIndex {
            if rest[start..<start + mark.count].elementsEqual(mark) {
                add(rest[..<start])
                rest = rest[(start + mark.count)...]
                start = rest.startIndex
            } else {
                start += 1
            }
        }
        add(rest)
        return pieces
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// One space for any white space, so that layout does not hide a repetition.
    static func normalized(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
