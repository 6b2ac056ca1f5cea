/// Decides, token by token, where a drafted step ends.
///
/// A step is cut between tokens, never inside one: the token that completes a boundary belongs to the step as a
/// whole, so that going on from the step's tokens is exactly what the model would have done in one go. A step never
/// ends inside a character, and has something in it that is not white space unless the answer ends there. Only a
/// client's stop string cuts inside a token: the answer is over then.
package struct StepSplitter {
    /// What a piece makes of the step.
    package enum Verdict: Equatable {
        case more
        /// The step ends; its first `tokens` tokens and `text` belong to it.
        case ends(DraftEnd, tokens: Int, text: String)
    }

    /// Tokens that may follow `maxTokens` to finish a character.
    package static let maxExtraTokens = 8
    package static let maxStops = 16
    package static let maxStopBytes = 256

    private let matcher: BoundaryMatcher
    private let maxTokens: Int
    private let stops: [[UInt8]]
    /// End of the answer so far: a stop string may have begun there.
    private var carried: [UInt8]
    private var bytes: [UInt8] = []
    /// Length of `bytes` after each token.
    private var ends: [Int] = []
    private var checked = 0
    /// A boundary was met here (tokens), but the text behind it may yet turn out to be a stop string.
    private var heldBoundary: Int?
    /// The stop string that the step ended before; nil: none was met.
    package private(set) var stop: String?

    /// - Parameter answerBytes: the end of the answer so far, in which a stop string may have begun.
    package init(
        boundary: StepBoundary?, stops: [String], maxTokens: Int, answerBytes: [UInt8] = []
    ) throws(LocalModelError) {
        matcher = try BoundaryMatcher(boundary)
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
        guard self.stops.count <= Self.maxStops, self.stops.allSatisfy({ $0.count <= Self.maxStopBytes }) else {
            throw .invalid("at most \(Self.maxStops) stop strings of \(Self.maxStopBytes) bytes")
        }
        self.maxTokens = maxTokens
        carried = Array(answerBytes.suffix(max(0, (self.stops.map(\.count).max() ?? 0) - 1)))
    }

    /// Takes the bytes of one more token.
    package mutating func push(_ piece: [UInt8]) throws(LocalModelError) -> Verdict {
        bytes += piece
        ends.append(bytes.count)
        if let found = firstStop() {
            stop = String(decoding: found.stop, as: UTF8.self)
            return stopped(at: found.kept)
        }
        let isWhole = UTF8Tail.unfinishedCount(bytes) == 0
        if heldBoundary == nil, isWhole {
            if try matcher.matches(bytes, from: checked) { heldBoundary = ends.count }
            checked = bytes.count
        }
        if let boundary = heldBoundary, !mayBeginStop(from: boundary) { return cut(.boundary, at: boundary) }
        if ends.count >= maxTokens {
            if let boundary = heldBoundary { return cut(.boundary, at: boundary) }
            if isWhole || ends.count >= maxTokens + Self.maxExtraTokens { return cut(.length, at: ends.count) }
        }
        return .more
    }

    /// The bytes that belong to the step whatever comes: whole characters, before a boundary that was met, and
    /// before what may yet turn out to be a stop string.
    package var settled: ArraySlice<UInt8> {
        var length = bytes.count
        if let heldBoundary { length = min(length, ends[heldBoundary - 1]) }
        let text = stops.isEmpty ? [] : carried + bytes
        for stop in stops {
            let begun = (1..<max(1, stop.count)).last { count in
                count <= text.count && text.suffix(count).elementsEqual(stop.prefix(count))
            }
            if let begun { length = min(length, max(0, bytes.count - begun)) }
        }
        return bytes[..<(length - UTF8Tail.unfinishedCount(bytes[..<length]))]
    }

    /// The model ended its answer.
    package func finish() -> Verdict {
        if let boundary = heldBoundary { return cut(.boundary, at: boundary) }
        return cut(.answer, at: ends.count)
    }

    /// No room for another token.
    package func exhaust() -> Verdict {
        if let boundary = heldBoundary { return cut(.boundary, at: boundary) }
        return cut(.length, at: ends.count)
    }

    private func cut(_ end: DraftEnd, at tokens: Int) -> Verdict {
        let length = tokens == 0 ? 0 : ends[tokens - 1]
        return .ends(end, tokens: tokens, text: String(decoding: bytes[..<length], as: UTF8.self))
    }

    private func stopped(at length: Int) -> Verdict {
        let tokens = ends.prefix { $0 <= length }.count
        return .ends(.answer, tokens: tokens, text: String(decoding: bytes[..<length], as: UTF8.self))
    }

    /// The first stop string, and how many bytes stand before it; nil without one.
    private func firstStop() -> (stop: [UInt8], kept: Int)? {
        guard !stops.isEmpty else { return nil }
        let text = carried + bytes
        var first: (stop: [UInt8], start: Int)?
        for stop in stops {
            // One that lies in the earlier answer as a whole is not this step's.
            let rest = text[min(text.count, max(0, carried.count - stop.count + 1))...]
            guard let start = rest.firstRange(of: stop)?.lowerBound, start < (first?.start ?? .max) else { continue }
            first = (stop, start)
        }
        return first.map { ($0.stop, max(0, $0.start - carried.count)) }
    }

    /// True where the end of the text is the beginning of a stop string that starts at or before the boundary.
    private func mayBeginStop(from boundary: Int) -> Bool {
        guard !stops.isEmpty else { return false }
        let text = carried + bytes
        let latestStart = carried.count + ends[boundary - 1]
        return stops.contains { stop in
            (1..<max(1, stop.count)).contains { length in
                length <= text.count && text.count - length < latestStart
                    && text.suffix(length).elementsEqual(stop.prefix(length))
            }
        }
    }
}
