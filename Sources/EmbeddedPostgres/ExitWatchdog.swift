internal import Synchronization

/// Ends a cluster when this process ends, by exit, crash or kill −9.
///
/// The process holds a lock on a file for as long as it lives. A small shell in a session of its own waits for that
/// lock; the kernel gives it to the shell the moment the process is gone. No polling, and no process id to be
/// mistaken about.
enum ExitWatchdog {
    private static let armed = Mutex<Set<String>>([])

    /// Arguments: the lock file, the data directory, then what to remove.
    private static let script = #"""
        exec 9<>"$1" && flock -x 9 || exit 1
        export data="$2"
        shift
        workers() {
            find /proc/[0-9]*/cwd -maxdepth 0 -printf '%h\t%l\n' 2>/dev/null |
                awk -F '\t' '$2 == ENVIRON["data"] { print substr($1, 7) }'
        }
        while pids="$(workers)" && [ -n "$pids" ]; do
            kill -9 $pids 2>/dev/null
            sleep 0.05
        done
        rm -rf -- "$@"
        """#

    /// Puts a cluster under watch; a second time for the same one does nothing.
    static func arm(_ location: ClusterLocation) async throws {
        guard armed.withLock({ $0.insert(location.root).inserted }) else { return }
        let path = location.named + ".alive"
        let lock = try await FileLock.acquire(path, within: .seconds(20))
        lock.keepForever()
        try await watch(location, lockFile: path)
    }

    /// Starts the shell that waits for the lock file to come free and then clears the location away.
    static func watch(_ location: ClusterLocation, lockFile: String) async throws {
        // The shell must not keep this process's pipes open: whoever reads them would wait for it.
        let command = Command(
            "sh", "-c", #"exec setsid --fork sh -c "$@" </dev/null >/dev/null 2>&1"#, "sh", script, "gboost-watchdog",
            lockFile, location.data, location.root, location.sockets, location.named, location.named + ".lock",
            location.named + ".gateway.lock", lockFile)
        guard try await command.run().succeeded else {
            throw EmbeddedPostgresError(.startFailed, "The watchdog for \(location.named) did not start.")
        }
    }
}
