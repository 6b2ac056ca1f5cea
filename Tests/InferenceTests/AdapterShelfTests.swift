import Foundation
import Testing

@testable import Inference

@Suite("Where a host finds adapters")
struct AdapterShelfTests {
    @Test("No adapter comes to lie where another was placed, whatever fails meanwhile, and failures leave no files")
    func failures() async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "shelf-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        let shelf = AdapterShelf(directory: root.appending(path: "shelf").path)
        var files: [String] = []
        for number in 0..<200 {
            let folder = root.appending(path: "\(number)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let file = folder.appending(path: "adapter.gguf")
            // Of every three, two are not there any more.
            if number % 3 == 0 { try Data("adapter \(number)".utf8).write(to: file) }
            files.append(file.path)
        }
        let placed = await withTaskGroup(of: (Int, String?).self) { group in
            for (number, file) in files.enumerated() {
                group.addTask { (number, try? await shelf.place(file, sha256: "\(number)")) }
            }
            return await group.reduce(into: [Int: String]()) { $0[$1.0] = $1.1 }
        }
        #expect(placed.count == 67)
        #expect(Set(placed.values).count == placed.count)
        for (number, path) in placed {
            #expect(number % 3 == 0)
            #expect(FileManager.default.contents(atPath: path) == Data("adapter \(number)".utf8))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: shelf.directory).count == placed.count)
        // What is there is found again; what failed is tried again.
        #expect(try await shelf.place(files[0], sha256: "0") == placed[0])
        try Data("late".utf8).write(to: URL(filePath: files[1]))
        let late = try await shelf.place(files[1], sha256: "1")
        #expect(FileManager.default.contents(atPath: late) == Data("late".utf8))
        #expect(!placed.values.contains(late))
    }
}
