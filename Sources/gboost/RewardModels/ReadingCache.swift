internal import Crypto
internal import Foundation
internal import Inference

/// What a model made of answers, kept in a file: to read a thousand answers takes minutes, to train on them seconds,
/// and whoever interrupts the reading goes on where it stopped.
///
/// One file a model, and one process a file: each remembers where its own records end, so two would write over each
/// other's. Records are appended: 32 bytes of SHA-256 of the question and the steps, four bytes of length, eight of a
/// checksum of all the rest, the reading. What a crash cut short at the end is dropped when the file is opened next,
/// what is damaged in the middle when it is asked for: a wrong state would be learned from, a missing one is read anew.
final class ReadingCache {
    /// Changed whenever readings come out differently for the same text, or records are written differently.
    static let version = 2
    /// A file that grows beyond this is begun anew.
    static let maxBytes = 4 << 30
    /// How long another process is waited for: one that trains is done with the file by then, one that reads is not.
    static let patience = Duration.seconds(60)

    private static let headBytes = 44

    private struct Place {
        var offset: UInt64
        var length: Int
        var checksum: Data
    }

    private let file: FileHandle
    private let path: String
    private var places: [Data: Place] = [:]
    private var end: UInt64

    /// Opens the cache once no other process has it. On a terminal it says what it waits for.
    ///
    /// - Parameter modelSHA256: of the model that reads.
    static func opened(
        directory: String, modelSHA256: String, patience: Duration = ReadingCache.patience
    ) async throws -> ReadingCache {
        let path = try Self.path(directory, modelSHA256)
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: patience)
        var isTold = false
        while true {
            if let file = try locked(path) { return try ReadingCache(locked: file, path) }
            guard clock.now < deadline else { throw inUse(path) }
            if !isTold, isatty(STDERR_FILENO) == 1 {
                CommandOutput.printError("waiting for another gboost process that uses \(path)\n")
            }
            isTold = true
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Opens the cache; another process that has it is an error at once.
    convenience init(directory: String, modelSHA256: String) throws {
        let path = try Self.path(directory, modelSHA256)
        guard let file = try Self.locked(path) else { throw Self.inUse(path) }
        try self.init(locked: file, path)
    }

    private init(locked file: FileHandle, _ path: String) throws {
        self.file = file
        self.path = path
        end = 0
        let size = try file.seekToEnd()
        let head = UInt64(Self.headBytes)
        while end + head <= size, size <= Self.maxBytes {
            try file.seek(toOffset: end)
            guard let bytes = try file.read(upToCount: Self.headBytes), bytes.count == Self.headBytes else { break }
            let length = bytes.dropFirst(32).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            guard end + head + UInt64(length) <= size else { break }
            places[Data(bytes.prefix(32))] = Place(
                offset: end + head, length: length, checksum: Data(bytes.suffix(8)))
            end += head + UInt64(length)
        }
        try file.truncate(atOffset: end)
    }

    /// Unlocks by name: a child that is just being forked shares the descriptor until it has become its program.
    deinit { _ = flock(file.fileDescriptor, LOCK_UN) }

    private static func path(_ directory: String, _ modelSHA256: String) throws -> String {
        try OutputFile.makeDirectory(directory, option: "--cache")
        return "\(directory)/readings-\(version)-\(modelSHA256.prefix(16))"
    }

    /// The file, locked until it is closed; nil where another has it.
    private static func locked(_ path: String) throws -> FileHandle? {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw OutputFile.refusal(path, "--cache", FileFailure.reason(errno)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            if code == EWOULDBLOCK || code == EINTR { return nil }
            throw LabelledRowFailure("\(path) cannot be locked: error \(code) of the file system")
        }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    private static func inUse(_ path: String) -> LabelledRowFailure {
        LabelledRowFailure("another gboost process uses \(path): try again when it is done, or give another --cache")
    }

    /// Where readings are kept: beside everything else that can be made again.
    static var defaultDirectory: String {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["GBOOST_CACHE"] { return path + "/readings" }
        if let path = environment["XDG_CACHE_HOME"] { return path + "/gboost/readings" }
        return FileManager.default.homeDirectoryForCurrentUser.path + "/.cache/gboost/readings"
    }

    static func key(question: String, steps: [String]) -> Data {
        var hash = SHA256()
        for text in [question] + steps {
            // The length goes first: steps cut elsewhere are another answer.
            hash.update(data: Data("\(text.utf8.count):\(text)".utf8))
        }
        return Data(hash.finalize())
    }

    /// Whether there is a sound reading: one that is damaged is forgotten, so that it is read again.
    func contains(_ key: Data) -> Bool { (try? reading(key)) != nil }

    func reading(_ key: Data) throws -> AnswerReading? {
        guard let place = places[key] else { return nil }
        try file.seek(toOffset: place.offset)
        guard let body = try file.read(upToCount: place.length), body.count == place.length,
            Self.checksum(key, body) == place.checksum, let reading = AnswerReading(data: body)
        else {
            places[key] = nil
            return nil
        }
        return reading
    }

    func add(_ reading: AnswerReading, for key: Data) throws {
        let body = reading.encoded
        let checksum = Self.checksum(key, body)
        let record: Data = key + Self.length(body) + checksum + body
        do {
            try file.seek(toOffset: end)
            try file.write(contentsOf: record)
        } catch {
            throw OutputFile.failure(error, of: path, option: "--cache")
        }
        places[key] = Place(offset: end + UInt64(Self.headBytes), length: body.count, checksum: checksum)
        end += UInt64(record.count)
    }

    private static func length(_ body: Data) -> Data {
        Data(stride(from: 0, to: 32, by: 8).map { UInt8(truncatingIfNeeded: body.count >> $0) })
    }

    private static func checksum(_ key: Data, _ body: Data) -> Data {
        var hash = SHA256()
        hash.update(data: key + length(body))
        hash.update(data: body)
        return Data(Data(hash.finalize()).prefix(8))
    }
}
