internal import Foundation
internal import Glibc

/// A directory of this process's own, for the sockets of its engine hosts and what lies beside them.
///
/// A process that is killed leaves its directory behind, and the next one removes it. It lives for as long as it holds
/// the lock on a file in there, which the kernel takes from it at its end, however it ends.
struct EngineDirectory: Sendable {
    static let prefix = "gboost-engine-"
    static let lockName = "gboost-engine.lock"

    let path: String
    /// Kept until the directory is removed or the process ends: who has a socket in there may outlive whoever made it.
    let lock: CInt

    /// Makes one, once those of dead predecessors are removed.
    ///
    /// - Returns: nil where none can be made.
    static func make(in parent: String = "/tmp") -> EngineDirectory? {
        removeAbandoned(in: parent)
        var template = Array("\(parent)/\(prefix)XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { return nil }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Locked before it has its name: at no time is there a file of that name whose lock is free while we live.
        let unnamed = "\(path)/\(lockName).new"
        let lock = open(unnamed, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0, rename(unnamed, "\(path)/\(lockName)") == 0 else {
            if lock >= 0 { close(lock) }
            try? FileManager.default.removeItem(atPath: path)
            return nil
        }
        return EngineDirectory(path: path, lock: lock)
    }

    /// Removes it, and lets go of its lock. Once: the descriptor may be another file's afterwards.
    func remove() {
        try? FileManager.default.removeItem(atPath: path)
        close(lock)
    }

    /// Removes the directories of this user's processes that are gone. One without a lock's file is left alone: it is
    /// just being made, or of a version that made no such file.
    static func removeAbandoned(in parent: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        for name in names where name.hasPrefix(prefix) {
            let path = "\(parent)/\(name)"
            guard isOwn(path) else { continue }
            let lock = open("\(path)/\(lockName)", O_RDWR | O_NOFOLLOW | O_CLOEXEC)
            guard lock >= 0 else { continue }
            if flock(lock, LOCK_EX | LOCK_NB) == 0, isStill(lock, "\(path)/\(lockName)") { clear(path) }
            close(lock)
        }
    }

    /// A directory, not a link to one, that nobody else has put here or can put anything into.
    private static func isOwn(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && status.st_mode & 0o077 == 0
            && status.st_uid == geteuid()
    }

    /// Whether the path still is the open file's: another process may have removed it, and its directory, meanwhile.
    private static func isStill(_ descriptor: CInt, _ path: String) -> Bool {
        var (opened, named) = (stat(), stat())
        return fstat(descriptor, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino
            && opened.st_dev == named.st_dev
    }

    /// The lock's file goes last: what a second kill leaves of the rest is found again.
    private static func clear(_ path: String) {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        for entry in entries where entry != lockName {
            try? FileManager.default.removeItem(atPath: "\(path)/\(entry)")
        }
        unlink("\(path)/\(lockName)")
        rmdir(path)
    }
}
