internal import Foundation
internal import GatewayCore
internal import Glibc
internal import Synchronization

/// One model's place in the store: who it is, and what it is expected to take.
struct ModelResidence: Sendable {
    let store: ModelStore
    let key: String
    /// Before the first load has been measured.
    let expectedBytes: Int64
    let verifier: FileVerifier
    /// As registered; nil: any file will do.
    let sha256: String?

    func acquire() async throws -> UInt64 { try await store.acquire(key, bytes: expectedBytes) }
    func release(_ lease: UInt64) { store.release(lease) }
    func measured(_ bytes: Int64) { store.measured(key, bytes: bytes) }

    /// Checks the file before llama.cpp sees it.
    func verify(_ path: String) async throws(LocalModelError) {
        do throws(ModelFailure) { _ = try await GGUFFile.checked(path) } catch { throw .unavailable(error.description) }
        if let sha256 { try await verifier.verify(path, sha256: sha256) }
    }
}

/// Compares files with what was registered. A file that has not changed since is not read again.
final class FileVerifier: Sendable {
    private struct Stamp: Hashable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var seconds: Int
        var nanoseconds: Int
    }

    /// Files whose digests are remembered.
    private static let maxKnown = 4096

    private let digest: (@Sendable (String) async throws -> String)?
    private let known = Mutex<[Stamp: String]>([:])

    init(digest: (@Sendable (String) async throws -> String)?) { self.digest = digest }

    func verify(_ path: String, sha256: String) async throws(LocalModelError) {
        guard let digest else { return }
        let before = Self.stamp(path)
        if let before, known.withLock({ $0[before] }) == sha256 { return }
        let found: String
        do { found = try await digest(path) } catch { throw .unavailable("\(path) cannot be read") }
        guard found == sha256 else {
            throw .unavailable("\(path) is not the file that was registered: its SHA-256 is \(found.prefix(12))…")
        }
        // Read while it changed: it is read again the next time.
        guard let before, before == Self.stamp(path) else { return }
        known.withLock { known in
            if known.count >= Self.maxKnown { known.removeAll() }
            known[before] = found
        }
    }

    /// Checks an adapter's file; one that has been checked and has not changed is taken for good.
    ///
    /// - Parameter sha256: as registered; nil: any adapter will do.
    func verifyAdapter(_ path: String, sha256: String?) async throws(LocalModelError) {
        if digest != nil, let sha256, let stamp = Self.stamp(path), known.withLock({ $0[stamp] }) == sha256 {
            return
        }
        do throws(ModelFailure) { _ = try await GGUFFile.checked(path, for: .adapter) } catch {
            throw .unavailable(error.description)
        }
        if let sha256 { try await verify(path, sha256: sha256) }
    }

    private static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Stamp(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }
}

/// What a process takes of the machine's memory.
package enum ProcessMemory {
    /// Bytes of a process that are in memory, its part of mapped files included; nil where there is no such process.
    package static func residentBytes(_ pid: Int32) -> Int64? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8) else { return nil }
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int64(fields[1]) else { return nil }
        return pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
