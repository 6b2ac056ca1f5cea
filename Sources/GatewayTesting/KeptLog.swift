package import Logging
internal import Synchronization

/// A log that keeps what is written to it, for tests to look at.
package final class KeptLog: Sendable {
    /// What was written at once.
    package struct Line: Sendable {
        package var level: Logger.Level
        package var message: String
        package var metadata: [String: String]
        /// Both, to look for words in.
        package var text: String { "\(message) \(metadata)" }
    }

    private let kept = Mutex<[Line]>([])

    package init() {}

    /// All that was written so far, in order.
    package var lines: [Line] { kept.withLock { $0 } }

    /// What was written at `level`.
    package func lines(_ level: Logger.Level) -> [Line] { lines.filter { $0.level == level } }

    /// Writes to it.
    package var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: KeptLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = Line(
                level: event.level, message: "\(event.message)",
                metadata: (event.metadata ?? [:]).mapValues { "\($0)" })
            log.kept.withLock { $0.append(line) }
        }
    }
}
