internal import FoundationEssentials
internal import Glibc

/// The processes that work in one data directory, as `/proc` shows them.
///
/// Every PostgreSQL process changes into its data directory, so its working directory says whose it is. A process id in
/// `postmaster.pid` alone says nothing: after kill −9 the number may belong to another program.
struct ServerProcesses: Sendable {
    /// The data directory, without symbolic links in it.
    var data: String

    /// The main server process, if it lives.
    var postmaster: Int32? {
        guard let text = try? String(contentsOfFile: data + "/postmaster.pid", encoding: .utf8),
            let line = text.split(separator: "\n").first, let pid = Int32(line), works(pid)
        else { return nil }
        return pid
    }

    /// Every process of the cluster, orphaned ones too.
    var all: [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter(works)
    }

    private func works(_ pid: Int32) -> Bool {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) == data
    }

    /// Sends SIGKILL to all of them and waits until none is left.
    func killAll(within limit: Duration = .seconds(20)) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: limit)
        while case let pids = all, !pids.isEmpty {
            for pid in pids { kill(pid, SIGKILL) }
            guard clock.now < deadline else {
                throw EmbeddedPostgresError(.stopFailed, "PostgreSQL processes \(pids) in \(data) do not end.")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Waits for orphans to leave by themselves, then ends those that did not.
    ///
    /// A backend notices the death of the main process within moments; one inside a long computation does not.
    func clearOrphans(patience: Duration = .seconds(2)) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: patience)
        while clock.now < deadline, !all.isEmpty { try await Task.sleep(for: .milliseconds(20)) }
        try await killAll()
    }
}
