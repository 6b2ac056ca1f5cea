internal import Foundation
internal import Glibc

/// The adapters that one engine host may read, under the only directory where it may look for them.
///
/// A host is confined to what it was told at its start, and adapters are registered later, anywhere: each is linked, or
/// copied from another file system, when it is first used. The files go with the directory.
actor AdapterShelf {
    nonisolated let directory: String
    private var placed: [String: Task<String, any Error>] = [:]
    /// Never falls: a number that came back would put one adapter where a host has been told to find another.
    private var lastNumber = 0
    private let fetch: @Sendable (String, String) async throws -> String

    /// - Parameter fetch: brings a file to its place on the shelf, and says where that is; tests hold it up.
    init(
        directory: String,
        fetch: @escaping @Sendable (String, String) async throws -> String = { try AdapterShelf.bring($0, to: $1) }
    ) {
        self.directory = directory
        self.fetch = fetch
        mkdir(directory, 0o700)
    }

    /// Where the host finds an adapter's file.
    func place(_ file: String, sha256: String) async throws -> String {
        let key = "\(sha256) \(file)"
        if let known = placed[key] { return try await known.value }
        lastNumber += 1
        let target = "\(directory)/\(lastNumber)-\(URL(filePath: file).lastPathComponent)"
        let work = Task.detached { [fetch] in try await fetch(file, target) }
        placed[key] = work
        do {
            return try await work.value
        } catch {
            placed[key] = nil
            throw error
        }
    }

    static func bring(_ file: String, to target: String) throws -> String {
        let source = URL(filePath: file).resolvingSymlinksInPath().path
        if link(source, target) == 0 { return target }
        let partial = target + ".part"
        try? FileManager.default.removeItem(atPath: partial)
        do {
            try FileManager.default.copyItem(atPath: source, toPath: partial)
            guard rename(partial, target) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            return target
        } catch {
            try? FileManager.default.removeItem(atPath: partial)
            try? FileManager.default.removeItem(atPath: target)
            throw error
        }
    }
}
