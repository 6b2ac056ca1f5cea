internal import Crypto
internal import Foundation
internal import Inference

/// What a model made of answers, kept in a file: to read a thousand answers takes minutes, to train on them seconds,
/// and whoever interrupts the reading goes on where it stopped.
///
/// One file a model. Records are appended: 32 bytes of SHA-256 of the question and the steps, four bytes of length,
/// the reading. What a crash cut short at the end is dropped when the file is opened next.
final class ReadingCache {
    /// Changed whenever readings come out differently for the same text.
    static let version = 1
    /// A file that grows beyond this is begun anew.
    static let maxBytes = 4 << 30

    private struct Place {
        var offset: UInt64
        var length: Int
    }

    private let file: FileHandle
    private var places: [Data: Place] = [:]
    private var end: UInt64

    /// - Parameter modelSHA256: of the model that reads.
    init(directory: String, modelSHA256: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let path = "\(directory)/readings-\(Self.version)-\(modelSHA256.prefix(16))"
        if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(filePath: path)) }
        guard let file = FileHandle(forUpdatingAtPath: path) else {
            throw LabelledRowFailure("\(path) cannot be opened for writing")
        }
        self.file = file
        end = 0
        let size = try file.seekToEnd()
        while end + 36 <= size, size <= Self.maxBytes {
            try file.seek(toOffset: end)
            guard let head = try file.read(upToCount: 36), head.count == 36 else { break }
            let length = head.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            guard end + 36 + UInt64(length) <= size else { break }
            places[Data(head.prefix(32))] = Place(offset: end + 36, length: length)
            end += 36 + UInt64(length)
        }
        try file.truncate(atOffset: end)
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

    func contains(_ key: Data) -> Bool { places[key] != nil }

    func reading(_ key: Data) throws -> AnswerReading? {
        guard let place = places[key] else { return nil }
        try file.seek(toOffset: place.offset)
        guard let data = try file.read(upToCount: place.length), data.count == place.length else { return nil }
        return AnswerReading(data: data)
    }

    func add(_ reading: AnswerReading, for key: Data) throws {
        let body = reading.encoded
        var record = key
        for shift in stride(from: 0, to: 32, by: 8) { record.append(UInt8(truncatingIfNeeded: body.count >> shift)) }
        record.append(body)
        try file.seek(toOffset: end)
        try file.write(contentsOf: record)
        places[key] = Place(offset: end + 36, length: body.count)
        end += UInt64(record.count)
    }
}
