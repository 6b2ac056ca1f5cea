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
    /// The end of the answer: the rest as asked, or a step that completes it, or a whole solution given for a step.
    case rest(String)
    case refused(Refusal)
}

extension EscalationPrompt {
    /// Why the provider stopped writing: what it says as `finish_reason`.
    package enum Finish: Hashable, Sendable {
        /// By itself, or at the stop text ("stop").
        case stopped
        /// At `max_tokens`, or for a reason that this code does not know.
        case cut
        package init(reason: String?) { self = reason == "stop" ? .stopped : .cut }
    }

    /// Checks a reply against what was asked.
    ///
    /// White space around it and accepted steps restated at its start are dropped. Asked for a step, it is cut at the
    /// first separator; several steps that the provider ended by itself are a whole solution, taken as the rest, since
    /// it is paid for. A step followed by `endMark` ends the answer.
    package func clean(_ reply: String, ask: Ask, finish: Finish) -> EscalationReply {
        var text = Self.trimmed(reply[...])
        var isEnd = false
        if text.hasSuffix(Self.endMark) {
            isEnd = true
            text = Self.trimmed(text.dropLast(Self.endMark.count))
        }
        guard !text.isEmpty else { return .refused(.empty) }
        guard let separator, !separator.isEmpty else {
            if isRepetition(text) { return .refused(.repetition) }
            return isEnd || ask == .rest ? .rest(String(text)) : .step(String(text))
        }
        let said = Self.split(text, at: separator)
        let pieces = withoutRestated(said)
        guard let first = pieces.first else { return .refused(.repetition) }
        // Untouched where nothing was restated: its blank lines are its own.
        let whole = pieces.count == said.count ? String(text) : pieces.joined(separator: separator)
        if ask == .rest || isEnd || (pieces.count > 1 && finish == .stopped) { return .rest(whole) }
        if isRepetition(first[...]) { return .refused(.repetition) }
        return .step(first + separator)
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
