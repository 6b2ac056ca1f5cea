import Foundation
import GatewayTesting
import Testing

@testable import Inference

@Suite("Where a host finds adapters")
struct AdapterShelfTests {
    private let root = URL(filePath: TestFiles.path("shelf"))
    private var directory: String { root.appending(path: "shelf").path }

    init() throws { try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true) }

    /// A file in a directory of its own: all of them have one name.
    private func path(_ number: Int) -> String { root.appending(path: "\(number)/adapter.gguf").path }

    private func write(_ number: Int) throws {
        let file = URL(filePath: path(number))
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data("adapter \(number)".utf8).write(to: file)
    }

    /// Each has a place of its own, with itself in it, and nothing else is there.
    private func check(_ placed: [Int: String]) throws {
        #expect(Set(placed.values).count == placed.count)
        for (number, path) in placed {
            #expect(FileManager.default.contents(atPath: path) == Data("adapter \(number)".utf8))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == placed.count)
    }

    @Test("No adapter comes to lie where another was placed, whatever fails meanwhile, and failures leave no files")
    func failures() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let (begun, beginning) = AsyncStream.makeStream(of: Void.self)
        let (allowed, allowing) = AsyncStream.makeStream(of: Void.self)
        let shelf = AdapterShelf(directory: directory) { file, target in
            if !FileManager.default.fileExists(atPath: file) {
                beginning.yield()
                for await _ in allowed { break }
            }
            return try AdapterShelf.bring(file, to: target)
        }
        var starts = begun.makeAsyncIterator()
        var placed: [Int: String] = [:]
        for number in stride(from: 0, to: 60, by: 3) {
            for one in [number, number + 2] { try write(one) }
            // One that is not there has its place while the next one is put down, and fails before the one after that.
            let missing = path(number + 1)
            let failing = Task { try await shelf.place(missing, sha256: "\(number + 1)") }
            _ = await starts.next()
            placed[number] = try await shelf.place(path(number), sha256: "\(number)")
            allowing.yield()
            await #expect(throws: (any Error).self) { try await failing.value }
            placed[number + 2] = try await shelf.place(path(number + 2), sha256: "\(number + 2)")
        }
        #expect(placed.count == 40)
        try check(placed)
        // What is there is found again; what failed is tried again.
        #expect(try await shelf.place(path(0), sha256: "0") == placed[0])
        try write(1)
        placed[1] = try await shelf.place(path(1), sha256: "1")
        try check(placed)
    }

    @Test("Many at once get a place each, or fail")
    func atOnce() async throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let shelf = AdapterShelf(directory: directory)
        // Of every three, two are not there.
        for number in stride(from: 0, to: 200, by: 3) { try write(number) }
        let files = (0..<200).map(path)
        let placed = await withTaskGroup(of: (Int, String?).self) { group in
            for (number, file) in files.enumerated() {
                group.addTask { (number, try? await shelf.place(file, sha256: "\(number)")) }
            }
            return await group.reduce(into: [Int: String]()) { $0[$1.0] = $1.1 }
        }
        #expect(placed.count == 67 && placed.keys.allSatisfy { $0 % 3 == 0 })
        try check(placed)
    }
}
