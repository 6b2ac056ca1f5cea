internal import Logging

/// Makes one line of each record: texts of libpq and of the system have breaks in them, and collectors take every line
/// for a record. A record whose level is off never comes here.
struct LineLogHandler: LogHandler {
    private var stream: StreamLogHandler
    var metadataProvider: Logger.MetadataProvider?

    init(_ stream: StreamLogHandler) {
        self.stream = stream
        // Asked here, so that what it says is cleaned too.
        metadataProvider = stream.metadataProvider
        self.stream.metadataProvider = nil
    }

    static func standardError(label: String) -> LineLogHandler {
        LineLogHandler(.standardError(label: label))
    }

    var logLevel: Logger.Level {
        get { stream.logLevel }
        set { stream.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { stream.metadata }
        set { stream.metadata = newValue.mapValues(Self.cleaned) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { stream[metadataKey: key] }
        set { stream[metadataKey: key] = newValue.map(Self.cleaned) }
    }

    func log(event: LogEvent) {
        var event = event
        event.message = "\(Self.line(event.message.description))"
        var metadata = metadataProvider?.get() ?? [:]
        metadata.merge(event.metadata ?? [:]) { $1 }
        if let error = event.error {
            // By the stream's own names for them.
            metadata["error.message"] = "\(error)"
            metadata["error.type"] = "\(String(reflecting: type(of: error)))"
            event.error = nil
        }
        event.metadata = metadata.mapValues(Self.cleaned)
        stream.log(event: event)
    }

    private static func cleaned(_ value: Logger.Metadata.Value) -> Logger.Metadata.Value {
        .string(line(value.description))
    }

    /// `text` without line breaks, tabs and the spaces around them, of which one space is left between words, and
    /// without other control characters.
    static func line(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { isBreak($0) || isControl($0) }) else { return text }
        var line = String.UnicodeScalarView()
        var isGap = false
        for scalar in text.unicodeScalars {
            if isBreak(scalar) {
                isGap = true
            } else if !isControl(scalar), !(isGap && scalar == " ") {
                if isGap, !line.isEmpty, line.last != " " { line.append(" ") }
                isGap = false
                line.append(scalar)
            }
        }
        return String(line)
    }

    /// Tab to carriage return, next line, and Unicode's separators of lines and paragraphs.
    private static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0D, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    }
}
