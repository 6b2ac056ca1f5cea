internal import Foundation
internal import Glibc
internal import Synchronization

/// Where tests put files that none of them removes: one directory of the process, which goes with its exit.
///
/// A journal is open for as long as its ledger is, and nobody closes those of a test that failed. What a crash leaves
/// is in the system's temporary directory, of which `ops/test` has one to itself.
package enum TestFiles {
    private static let count = Atomic<Int>(0)

    private static let directory: String = {
        let name = "gboost-\(getpid())-" + String(UInt32.random(in: 0...UInt32.max), radix: 36)
        let path = FileManager.default.temporaryDirectory.appending(path: name).path
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: TestFiles.directory) }
        return path
    }()

    /// A path that nothing else has and where nothing is yet; short, as sockets may come to lie below it.
    /// - Parameter name: what is put there; part of the path.
    package static func path(_ name: String) -> String {
        "\(directory)/\(name)-\(count.add(1, ordering: .relaxed).newValue)"
    }
}
