import Foundation
import Testing

@testable import Inference
@testable import gboost

/// What an SLM made of answers is learned from: a record that is wrong must be read again, never be taken.
@Suite("Cache of readings") struct ReadingCacheTests {
    private static let sha = String(repeating: "c", count: 64)
    private static let keys = (0..<3).map { ReadingCache.key(question: "q\($0)", steps: ["a"]) }

    private static func with(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-readings-\(UUID())")
        defer { try? FileManager.default.removeItem(at: directory) }
        try await body(directory.path)
    }

    private static func reading(_ number: Int) -> AnswerReading {
        var likelihoods = TokenLikelihoods()
        (likelihoods.tokens, likelihoods.best) = ([-1], [-0.5])
        let value = Float(number)
        return AnswerReading(question: [value], steps: [.init(last: [value], mean: [3], likelihoods: likelihoods)])
    }

    private static func cache(_ directory: String) throws -> ReadingCache {
        try ReadingCache(directory: directory, modelSHA256: sha)
    }

    /// Writes three readings; the file, and where each record begins.
    private static func filled(_ directory: String) throws -> (file: URL, starts: [Int]) {
        let file = URL(filePath: "\(directory)/readings-\(ReadingCache.version)-\(sha.prefix(16))")
        let cache = try Self.cache(directory)
        var starts: [Int] = []
        for (number, key) in keys.enumerated() {
            starts.append(try Data(contentsOf: file).count)
            try cache.add(reading(number), for: key)
        }
        return (file, starts)
    }

    @Test("while one process has the cache another is told so, and gets it when the first is done")
    func locked() async throws {
        try await Self.with { directory in
            var first: ReadingCache? = try Self.cache(directory)
            try first?.add(Self.reading(0), for: Self.keys[0])
            let refused = #expect(throws: LabelledRowFailure.self) { try Self.cache(directory) }
            #expect(refused?.description.contains("another gboost process uses \(directory)") == true)
            await #expect(throws: LabelledRowFailure.self) {
                _ = try await ReadingCache.opened(
                    directory: directory, modelSHA256: Self.sha, patience: .milliseconds(1))
            }
            // Another model's file is another lock.
            _ = try ReadingCache(directory: directory, modelSHA256: String(repeating: "d", count: 64))
            #expect(first?.contains(Self.keys[0]) == true)
            first = nil
            let second = try await ReadingCache.opened(
                directory: directory, modelSHA256: Self.sha, patience: .zero)
            #expect(try second.reading(Self.keys[0]) == Self.reading(0))
        }
    }

    @Test("a process that is refused cuts nothing off a record that the other is writing")
    func halfWritten() async throws {
        try await Self.with { directory in
            let (file, _) = try Self.filled(directory)
            let cache = try Self.cache(directory)
            let writer = try FileHandle(forWritingTo: file)
            try writer.seekToEnd()
            try writer.write(contentsOf: Data("half a record".utf8))
            let before = try Data(contentsOf: file)
            #expect(throws: LabelledRowFailure.self) { try Self.cache(directory) }
            #expect(try Data(contentsOf: file) == before)
            #expect(cache.contains(Self.keys[2]))
        }
    }

    @Test("a damaged reading is not there, its neighbours are, and read anew it stays")
    func damaged() async throws {
        try await Self.with { directory in
            let (file, starts) = try Self.filled(directory)
            var data = try Data(contentsOf: file)
            // The last byte of the second record: a float, so the reading still decodes.
            data[starts[2] - 1] ^= 0x01
            try data.write(to: file)
            do {
                let cache = try Self.cache(directory)
                #expect(!cache.contains(Self.keys[1]))
                #expect(try cache.reading(Self.keys[1]) == nil)
                #expect(try cache.reading(Self.keys[0]) == Self.reading(0))
                #expect(try cache.reading(Self.keys[2]) == Self.reading(2))
                try cache.add(Self.reading(1), for: Self.keys[1])
            }
            let cache = try Self.cache(directory)
            for (number, key) in Self.keys.enumerated() { #expect(try cache.reading(key) == Self.reading(number)) }
        }
    }

    @Test("a record written over another's key, as two processes without a lock did, is not taken for it")
    func overwritten() async throws {
        try await Self.with { directory in
            let (file, starts) = try Self.filled(directory)
            var data = try Data(contentsOf: file)
            // The first record's key and length before the third one's checksum and reading.
            let other = Data(data[(starts[2] + 36)...])
            data.replaceSubrange(36..<starts[1], with: other)
            try data.write(to: file)
            let cache = try Self.cache(directory)
            #expect(try cache.reading(Self.keys[0]) == nil)
            #expect(try cache.reading(Self.keys[2]) == Self.reading(2))
        }
    }

    @Test("whatever byte of the file is wrong, no reading comes out wrong")
    func everyByte() async throws {
        try await Self.with { directory in
            let (file, _) = try Self.filled(directory)
            let whole = try Data(contentsOf: file)
            for index in whole.indices {
                var data = whole
                data[index] ^= 0x11
                try data.write(to: file)
                let cache = try Self.cache(directory)
                for (number, key) in Self.keys.enumerated() {
                    let found = try cache.reading(key)
                    #expect(found == nil || found == Self.reading(number), "byte \(index)")
                }
            }
        }
    }

    @Test("files from before there were checksums are not read")
    func oldVersion() async throws {
        try await Self.with { directory in
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let body = Self.reading(0).encoded
            let length = Data([UInt8(truncatingIfNeeded: body.count), 0, 0, 0])
            let old = URL(filePath: "\(directory)/readings-1-\(Self.sha.prefix(16))")
            let record = Self.keys[0] + length + body
            try record.write(to: old)
            #expect(try !Self.cache(directory).contains(Self.keys[0]))
            #expect(try Data(contentsOf: old) == record)
        }
    }
}
