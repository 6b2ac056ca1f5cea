/// Why a command ends the way it does; the numbers are part of the product's face.
enum CommandStatus: Int32, Hashable, Sendable {
    case done = 0
    case failed = 1
    case usage = 2
    case configuration = 3
    case databaseUnreachable = 4
}

/// A failure with its exit status and its one line.
struct CommandFailure: Error, Hashable, Sendable, CustomStringConvertible {
    var status: CommandStatus
    var message: String
    init(_ message: String, status: CommandStatus = .failed) {
        self.message = message
        self.status = status
    }
    /// A value that was given wrongly, by the name of its option.
    static func usage(_ field: String, _ message: String) -> CommandFailure {
        CommandFailure("\(field): \(message)", status: .usage)
    }
    var description: String { message }
}
