internal import Glibc

/// An advisory lock on a file, let go when this value goes or the process ends, however it ends.
struct FileLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Takes the lock, looking again every 20 ms. The wait suspends: it never blocks a thread.
    static func acquire(_ path: String, within limit: Duration) async throws -> FileLock {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: limit)
        while true {
            if let lock = try attempt(path) { return lock }
            guard clock.now < deadline else {
                throw EmbeddedPostgresError(.locked, "Another process has held \(path) for more than \(limit).")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Takes the lock if it is free.
    static func attempt(_ path: String) throws -> FileLock? {
        // Closed on exec, so that no server started under the lock inherits it.
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw EmbeddedPostgresError(
                .directoryUnusable, "The lock file \(path) cannot be opened: \(systemMessage(errno)).")
        }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0, isCurrent(descriptor, path) {
            return FileLock(descriptor: descriptor)
        }
        close(descriptor)
        return nil
    }

    /// Whether the path still names the file that was opened: a holder may have removed it, and the lock with it.
    private static func isCurrent(_ descriptor: Int32, _ path: String) -> Bool {
        var opened = stat()
        var named = stat()
        return unsafe fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino
            && opened.st_dev == named.st_dev
    }

    deinit {
        close(descriptor)
    }

    /// Keeps the lock until the process ends.
    consuming func keepForever() {
        discard self
    }
}

/// The operating system's words for an error number.
func systemMessage(_ code: Int32) -> String {
    unsafe String(cString: strerror(code))
}
