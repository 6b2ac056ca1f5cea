import Foundation
import Synchronization

/// A running `gboost` process whose standard error is read line by line.
final class Program: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let process: Process
    private let lines = Mutex<[String]>([])
    private let partial = Mutex(Data())

    /// Starts `gboost` with these arguments in `directory`.
    init(_ arguments: [String], in directory: String, environment: [String: String] = [:]) throws {
        process = Process()
        process.executableURL = URL(filePath: try Self.executable())
        process.arguments = arguments
        process.currentDirectoryURL = URL(filePath: directory)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        errors.fileHandleForReading.readabilityHandler = { [self] handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            take(data)
        }
        try process.run()
    }

    private func take(_ data: Data) {
        let text = partial.withLock { rest -> [String] in
            rest.append(data)
            guard let end = rest.lastIndex(of: 0x0A) else { return [] }
            let whole = String(decoding: rest[...end], as: UTF8.self)
            rest = Data(rest[rest.index(after: end)...])
            return whole.split(separator: "\n").map(String.init)
        }
        lines.withLock { $0 += text }
    }

    var processID: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var log: [String] { lines.withLock { $0 } }

    /// Waits for a line that holds `mark`, and gives it.
    func line(with mark: String, seconds: Double = 60) async throws -> String {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if let line = log.first(where: { $0.contains(mark) }) { return line }
            guard isRunning else { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Failure(
            description: "no line with '\(mark)'; the program said: \(log.suffix(12).joined(separator: "\n"))")
    }

    /// The port in a line such as "listening on http://127.0.0.1:1234, …".
    func port(after mark: String) async throws -> Int {
        let line = try await line(with: mark)
        let digits = line.components(separatedBy: "127.0.0.1:").last?.prefix { $0.isNumber } ?? ""
        guard let port = Int(digits) else { throw Failure(description: "no port in: \(line)") }
        return port
    }

    func kill() async {
        Foundation.kill(processID, SIGKILL)
        await ended()
    }

    /// SIGTERM, then waits; the exit status.
    @discardableResult func stop() async -> Int32 {
        process.terminate()
        await ended()
        return process.terminationStatus
    }

    /// Waits for its end, whatever that is; false after a minute.
    func died() async -> Bool {
        for _ in 0..<6000 where process.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
        return !process.isRunning
    }

    private func ended() async {
        while process.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
    }

    /// Runs a command to its end and gives its standard output; a failure is thrown with its error line.
    @discardableResult static func run(_ arguments: [String], in directory: String) async throws -> String {
        try await output(of: try executable(), arguments, in: directory)
    }

    /// Runs any program to its end and gives its standard output.
    static func output(
        of program: String, _ arguments: [String], in directory: String, environment: [String: String] = [:]
    ) async throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(filePath: directory)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let place = FileManager.default.temporaryDirectory.appending(path: "gboost-out-\(UUID().uuidString)")
        let errorPlace = place.appendingPathExtension("err")
        for url in [place, errorPlace] { _ = FileManager.default.createFile(atPath: url.path, contents: nil) }
        defer { for url in [place, errorPlace] { try? FileManager.default.removeItem(at: url) } }
        process.standardOutput = try FileHandle(forWritingTo: place)
        process.standardError = try FileHandle(forWritingTo: errorPlace)
        try process.run()
        while process.isRunning { try await Task.sleep(for: .milliseconds(10)) }
        let text = try String(contentsOf: place, encoding: .utf8)
        guard process.terminationStatus == 0 else {
            let errors = try String(contentsOf: errorPlace, encoding: .utf8)
            throw Failure(
                description: "\(arguments.prefix(3)) ended with \(process.terminationStatus): \(errors)\n\(text)")
        }
        return text
    }

    /// The built program: named by the environment, or beside the test bundle.
    static func executable() throws -> String {
        if let path = ProcessInfo.processInfo.environment["GBOOST_EXECUTABLE"] { return path }
        var directory = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
        while directory.path != "/" {
            let candidate = directory.appending(path: "gboost").path
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isDirectory), !isDirectory.boolValue {
                return candidate
            }
            directory.deleteLastPathComponent()
        }
        throw Failure(description: "gboost is not built: swift build --product gboost")
    }
}
