internal import FoundationEssentials
internal import Glibc
internal import Synchronization

/// A cluster that one gateway has to itself, from before its start to its end; commands come and go beside it.
///
/// The claim is a lock on a file of its own: the cluster's other lock is held only while it is started or stopped. The
/// file goes at an orderly end. So one that is there without a lock on it tells of a gateway that was killed, and a
/// server that still runs is what that one left behind.
package final class OccupiedCluster: Sendable {
    /// The cluster's URL, as libpq understands it.
    package let url: String
    private let cluster: EmbeddedCluster
    private let claim: FileLock
    /// Whether this gateway started the server, or one that was killed. Anybody else's is stopped only where nobody is
    /// left in it: it may have been a command's, or a gateway's that was killed before there were claims.
    private let isOwn: Mutex<Bool>

    init(_ cluster: EmbeddedCluster, claim: consuming FileLock, url: String, isOwn: Bool) {
        self.cluster = cluster
        self.claim = claim
        self.url = url
        self.isOwn = Mutex(isOwn)
    }

    /// Whether the main server process lives.
    package var isRunning: Bool { cluster.isRunning }

    /// Starts the server again after it has died.
    package func revive() async throws {
        // Before it is known whether the start succeeds: one that is broken off may leave a server behind.
        isOwn.withLock { $0 = true }
        _ = try await cluster.start()
    }

    /// The gateway's orderly end, once its connections are closed: stops the server, unless it was somebody else's and
    /// is in use, and gives up the claim.
    package func leave() async {
        do {
            if isOwn.withLock({ $0 }) { try await cluster.stop() } else { try await cluster.stopIfUnused() }
        } catch { return }
        // The lock on it is still held: whoever comes from now on makes another file.
        _ = unsafe unlink(cluster.claimPath)
    }
}

extension EmbeddedCluster {
    /// The file whose lock says that a gateway works with the cluster.
    var claimPath: String { directory + ".gateway.lock" }

    /// Claims the cluster for a gateway, then makes and starts it where need be and waits until it answers.
    ///
    /// - Throws: `occupied` where another gateway has it, before anything is done to it.
    package func occupy() async throws -> OccupiedCluster {
        try makeParent()
        let wasLeft = FileManager.default.fileExists(atPath: claimPath)
        guard let claim = try FileLock.attempt(claimPath) else {
            throw EmbeddedPostgresError(.occupied, "The cluster in \(directory) is in use by another gateway.")
        }
        let (url, wasRunning) = try await attach()
        return OccupiedCluster(self, claim: claim, url: url, isOwn: !wasRunning || wasLeft)
    }
}
