/// One event of a server-sent event stream.
package struct SSEEvent: Hashable, Sendable {
    /// The bytes as they came, terminator included. The raw bytes of all events in turn are the stream.
    package var raw: [UInt8]
    /// The `data` lines joined by a line feed. Empty: a block that dispatches nothing, such as a keep-alive comment.
    package var data: [UInt8]
    /// The `event` field.
    package var name: String?
    package init(raw: [UInt8], data: [UInt8], name: String? = nil) {
        self.raw = raw
        self.data = data
        self.name = name
    }
    /// Whether this is OpenAI's end mark `[DONE]`.
    package var isDone: Bool { data.elementsEqual("[DONE]".utf8) }
}

/// Cuts a byte stream into server-sent events (WHATWG HTML, 9.2), wherever its chunks are cut.
///
/// A blank line that ends in CR completes its event at once; a LF that then follows is counted to the next event's raw
/// bytes, so that nothing waits for a byte that may never come.
package struct SSEParser: Sendable {
    /// Default bound of one event.
    package static let defaultMaxEventBytes = 4 * 1024 * 1024
    private static let dataField = Array("data".utf8)
    private static let eventField = Array("event".utf8)
    private let maxEventBytes: Int
    /// Bytes of the unfinished event.
    private var pending: [UInt8] = []
    /// How far `pending` was searched for line ends.
    private var scanned = 0
    private var lineStart = 0
    private var data: [UInt8] = []
    private var hasData = false
    private var name: String?
    private var wasCarriageReturn = false
    private var isAtStart = true

    package init(maxEventBytes: Int = Self.defaultMaxEventBytes) { self.maxEventBytes = maxEventBytes }

    /// Takes the next chunk, gives all events it completes. Throws `limitExceeded` when an event outgrows its bound; a
    /// stream that threw is to be given up.
    package mutating func push(_ chunk: [UInt8]) throws(WireFormatError) -> [SSEEvent] {
        pending.append(contentsOf: chunk)
        var events: [SSEEvent] = []
        var eventStart = 0
        while scanned < pending.count {
            if !wasCarriageReturn { scanned = lineEnd(from: scanned) }
            guard scanned < pending.count else { break }
            let byte = pending[scanned]
            scanned += 1
            if byte == 0x0A, wasCarriageReturn {
                wasCarriageReturn = false
                lineStart = scanned
                continue
            }
            wasCarriageReturn = byte == 0x0D
            guard byte == 0x0A || byte == 0x0D else { continue }
            let line = lineStart..<(scanned - 1)
            lineStart = scanned
            if takeLine(line) {
                try checkBound(scanned - eventStart)
                events.append(takeEvent(raw: Array(pending[eventStart..<scanned])))
                eventStart = scanned
            }
        }
        pending.removeFirst(eventStart)
        scanned -= eventStart
        lineStart -= eventStart
        try checkBound(pending.count)
        return events
    }

    /// Ends the stream: what is left is given as an event although its blank line is missing, since a provider that
    /// closes early may have sent the usage in it. nil: nothing was left but white space.
    package mutating func finish() -> SSEEvent? {
        if lineStart < pending.count { _ = takeLine(lineStart..<pending.count) }
        let raw = pending
        pending = []
        (scanned, lineStart) = (0, 0)
        let event = takeEvent(raw: raw)
        return event.data.isEmpty ? nil : event
    }

    private func lineEnd(from start: Int) -> Int {
        let span = pending.span
        var index = start
        while index < span.count, span[index] != 0x0A, span[index] != 0x0D { index += 1 }
        return index
    }

    private func checkBound(_ count: Int) throws(WireFormatError) {
        guard count <= maxEventBytes else {
            throw WireFormatError(.limitExceeded, "An event of the stream is longer than \(maxEventBytes) bytes.")
        }
    }

    private mutating func takeEvent(raw: [UInt8]) -> SSEEvent {
        let event = SSEEvent(raw: raw, data: data, name: name)
        data = []
        hasData = false
        name = nil
        return event
    }

    /// Takes one line of `pending`; true: it is blank, the event is complete.
    private mutating func takeLine(_ range: Range<Int>) -> Bool {
        var line = pending[range]
        if isAtStart {
            isAtStart = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
        }
        if line.isEmpty { return true }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        let field = line[..<colon]
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == 0x20 { value = value.dropFirst() }
        if field.elementsEqual(Self.dataField) {
            if hasData { data.append(0x0A) }
            hasData = true
            data.append(contentsOf: value)
        } else if field.elementsEqual(Self.eventField) {
            name = String(decoding: value, as: UTF8.self)
        }
        return false
    }
}
