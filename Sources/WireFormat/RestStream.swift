/// The rest of an answer while a general LLM writes it, cleaned so that the client can read along.
///
/// To a reply that is still coming this does what `EscalationPrompt.clean` does to a whole one: nothing is let out that
/// might turn out to be a restated step, the mark of the end, white space around the answer or a stop string of the
/// client's. What was let out is never taken back. Pure: no clock, no I/O.
package struct RestStream: Sendable {
    private let prompt: EscalationPrompt
    private let stopStrings: [String]
    private let stops: [[UInt8]]
    /// Normalized; what the reply may begin by restating.
    private let accepted: [String]
    private let separator: [UInt8]
    /// The most that is let out; nil: all.
    private let mostBytes: Int?
    /// The end of the answer so far: a stop string may have begun there.
    private var before: [UInt8]
    /// White space that the reply begins with.
    private var leading: [UInt8] = []
    /// What parts the reply from the accepted steps, until there is something to part.
    private var seam: [UInt8] = []
    /// The client's own beginning where the reply says it again, with the white space before it; nil: not known yet.
    private var opening: [UInt8]?
    /// Came, and is not let out yet.
    private var pending: [UInt8] = []
    /// Whether it is known what the reply begins with.
    private var hasBegun = false
    /// Behind a restated step: blank lines there belong to nothing.
    private var skipsBlank = false
    /// The stop string of the client's that was met: nothing after it counts.
    package private(set) var stop: String?
    /// There was more than may be let out.
    package private(set) var isCut = false
    /// Everything that was let out.
    package private(set) var text = ""

    /// - Parameters:
    ///   - stop: the client's stop strings.
    ///   - mostBytes: after so many nothing more is let out.
    package init(_ prompt: EscalationPrompt, stop: [String], mostBytes: Int? = nil) {
        self.prompt = prompt
        self.mostBytes = mostBytes
        stopStrings = stop.filter { !$0.isEmpty }
        stops = stopStrings.map { Array($0.utf8) }
        before = prompt.endOfSteps(for: stops)
        separator = Array((prompt.separator ?? "").utf8)
        accepted = prompt.acceptedPieces
    }

    /// Takes the next piece of the reply; gives what may go to the client now, which may be nothing.
    package mutating func take(_ piece: String) -> String {
        guard stop == nil, !isCut else { return "" }
        pending += piece.utf8
        if !hasBegun {
            dropOpening()
            guard opening != nil, !pending.isEmpty, let restated = restatedBytes() else { return "" }
            let begun = String(decoding: pending, as: UTF8.self)
            let white = String(decoding: leading, as: UTF8.self)
            seam = Array(prompt.seam(white, before: begun, isRestated: restated > 0).utf8)
            pending.removeFirst(restated)
            hasBegun = true
            skipsBlank = restated > 0
        }
        while skipsBlank, pending.starts(with: separator) { pending.removeFirst(separator.count) }
        skipsBlank = skipsBlank && pending.isEmpty
        if !pending.isEmpty {
            pending = seam + pending
            seam = []
        }
        return release(isLast: false)
    }

    /// The reply has ended properly; gives the last of it.
    package mutating func finish(_ finish: EscalationPrompt.Finish) -> String {
        guard stop == nil, !isCut else { return "" }
        if !hasBegun {
            hasBegun = true
            let reply = String(decoding: (opening ?? []) + leading + pending, as: UTF8.self)
            let whole = prompt.clean(reply, ask: .rest, finish: finish)
            pending = []
            guard case .rest(let rest) = whole else { return "" }
            let cut = prompt.cut(rest, at: stopStrings)
            stop = cut?.stop
            text = bounded(cut?.text ?? rest)
            return text
        }
        return release(isLast: true)
    }

    // MARK: The beginning

    /// Takes white space off the beginning, and the client's own words where they are said again.
    private mutating func dropOpening() {
        takeBlank()
        guard opening == nil, !pending.isEmpty, let again = prompt.restatedOpening(pending, isWhole: false) else {
            return
        }
        opening = again == 0 ? [] : leading + pending[..<again]
        guard again > 0 else { return }
        leading = []
        pending.removeFirst(again)
        takeBlank()
    }

    private mutating func takeBlank() {
        let blank = pending.prefix { Self.isSpace($0) }
        leading += blank
        pending.removeFirst(blank.count)
    }

    /// Bytes of accepted steps that the reply begins with; nil: it cannot be said yet.
    private func restatedBytes() -> Int? {
        guard !accepted.isEmpty else { return 0 }
        // Nothing but restated steps may stand before the mark, which belongs to none of them.
        guard !isMarked(trimmed(pending.count)) else { return nil }
        guard !separator.isEmpty else {
            let said = EscalationPrompt.normalized(String(decoding: pending[..<clearEnd(isLast: false)], as: UTF8.self))
            return accepted.contains { $0.hasPrefix(said) } ? nil : 0
        }
        let (ends, rest) = completePieces()
        let said = ends.map { EscalationPrompt.normalized(String(decoding: pending[$0], as: UTF8.self)) }
        let end = max(rest, clearEnd(isLast: false))
        let begun = EscalationPrompt.normalized(String(decoding: pending[rest..<end], as: UTF8.self))
        if said.starts(with: accepted) { return ends[accepted.count - 1].upperBound + separator.count }
        if accepted.starts(with: said), accepted[said.count].hasPrefix(begun) { return nil }
        // Or only the last one, as models do that go on from a quotation.
        if let first = said.first {
            return first == accepted.last ? ends[0].upperBound + separator.count : 0
        }
        return accepted.last.map { $0.hasPrefix(begun) } ?? false ? nil : 0
    }

    /// Where the pieces stand that a separator ends, blank ones left out, and where the unfinished one begins.
    private func completePieces() -> (pieces: [Range<Int>], rest: Int) {
        var pieces: [Range<Int>] = []
        var (start, index) = (0, 0)
        while index + separator.count <= pending.count {
            guard pending[index..<(index + separator.count)].elementsEqual(separator) else {
                index += 1
                continue
            }
            if !pending[start..<index].allSatisfy(Self.isSpace) { pieces.append(start..<index) }
            index += separator.count
            start = index
        }
        return (pieces, start)
    }

    // MARK: The end

    private mutating func release(isLast: Bool) -> String {
        var end = pending.count
        if let found = EscalationPrompt.firstStop(stops, in: pending, after: before) {
            stop = stopStrings[found.index]
            end = found.at
        } else {
            end = clearEnd(isLast: isLast)
        }
        let piece = bounded(String(decoding: pending[..<end], as: UTF8.self))
        before += pending[..<end]
        before.removeFirst(max(0, before.count - (stops.map(\.count).max() ?? 0)))
        pending.removeFirst(end)
        text += piece
        return piece
    }

    /// What of a piece may still be let out. A stop string behind that is none that was met.
    private mutating func bounded(_ piece: String) -> String {
        guard let mostBytes, text.utf8.count + piece.utf8.count > mostBytes else { return piece }
        isCut = true
        stop = nil
        return piece.prefix(bytes: mostBytes - text.utf8.count)
    }

    /// Where that ends which may be let out: before white space, and what is or may become the mark of the end or a
    /// stop string.
    private func clearEnd(isLast: Bool) -> Int {
        var end = pending.count
        if !isLast {
            let text = (before + pending)[...]
            end = max(0, end - (stops.map { Self.overlap(text, $0) }.max() ?? 0))
        }
        end = trimmed(end)
        let mark = Array(EscalationPrompt.endMark.utf8)
        let held = isMarked(end) ? mark.count : isLast ? 0 : Self.overlap(pending[..<end], mark)
        return held > 0 ? trimmed(end - held) : end
    }

    /// Whether the mark of the end stands before `end`.
    private func isMarked(_ end: Int) -> Bool {
        let mark = EscalationPrompt.endMark.utf8
        return pending[..<end].suffix(mark.count).elementsEqual(mark)
    }

    /// `end`, moved back over white space.
    private func trimmed(_ end: Int) -> Int {
        end - pending[..<end].reversed().prefix { Self.isSpace($0) }.count
    }

    /// How many bytes at the end of `bytes` may be the beginning of `text`.
    private static func overlap(_ bytes: ArraySlice<UInt8>, _ text: [UInt8]) -> Int {
        for count in stride(from: min(text.count - 1, bytes.count), to: 0, by: -1)
        where bytes.suffix(count).elementsEqual(text.prefix(count)) { return count }
        return 0
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}

extension String {
    /// Its beginning of at most so many bytes, in whole characters.
    package func prefix(bytes most: Int) -> String {
        guard most > 0 else { return "" }
        guard utf8.count > most else { return self }
        var end = utf8.index(startIndex, offsetBy: most)
        while end > startIndex, end.samePosition(in: self) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
