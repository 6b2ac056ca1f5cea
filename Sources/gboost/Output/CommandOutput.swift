internal import Foundation
internal import GatewayServer
internal import Synchronization

/// Where a command's result goes: text for people, one JSON document for scripts. Errors go to standard error as one
/// line; nothing else is ever printed there except progress on a terminal, and what a long wait is for.
enum CommandOutput {
    /// Takes what a test's commands would print.
    @TaskLocal static var capture: Capture?

    final class Capture: Sendable {
        private let text = Mutex((output: "", errors: ""))
        var output: String { text.withLock { $0.output } }
        var errors: String { text.withLock { $0.errors } }
        func add(output: String) { text.withLock { $0.output += output } }
        func add(error: String) { text.withLock { $0.errors += error } }
    }

    static func print(_ text: String) {
        if let capture { return capture.add(output: text) }
        write(text, to: FileHandle.standardOutput)
    }

    /// Prints a part of something long. It fails where it cannot be written: half of it must not look like the whole.
    static func stream(_ text: String) throws(CommandFailure) {
        if let capture { return capture.add(output: text) }
        do { try FileHandle.standardOutput.write(contentsOf: Data(text.utf8)) } catch {
            throw CommandFailure("standard output: cannot be written")
        }
    }

    static func printError(_ text: String) {
        if let capture { return capture.add(error: text) }
        write(text, to: FileHandle.standardError)
    }

    static func print(json value: some Encodable) throws { print(try json(value) + "\n") }

    /// One line; keys sorted, in snake case; instants in ISO 8601.
    static func json(_ value: some Encodable) throws -> String {
        String(decoding: try AdminJSON.bytes(value), as: UTF8.self)
    }

    /// An instant in a table: UTC, to the second.
    static func time(_ date: Date?) -> String { date.map { $0.formatted(.iso8601) } ?? "" }

    /// A reader that went away early (`gboost … | head`) is not an error worth a trace.
    private static func write(_ text: String, to file: FileHandle) {
        try? file.write(contentsOf: Data(text.utf8))
    }
}

extension CommandOutput {
    /// Progress on a terminal; nothing where nobody watches.
    static func progress(_ what: String, _ done: Int, of total: Int) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        printError("\r\(what): \(done) of \(total)\(done == total ? "\n" : "")")
    }
}
