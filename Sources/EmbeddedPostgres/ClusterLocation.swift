internal import FoundationEssentials
internal import Glibc

/// Where a cluster's files are, and which account owns them.
///
/// An ordinary user keeps the cluster in the directory named. Root cannot run PostgreSQL, and the account that can may
/// be unable to reach a checkout under a private home directory: there the files are in
/// `/var/lib/gboost/<hash of the path>`, and the directory named is a symbolic link to it. Who removes that link parts
/// with the cluster, as who removes the directory does: a checkout made anew at the same path gets a cluster of its
/// own, since the pepper of the old one's keys went with the old checkout. The old one's files stay, they may be money.
struct ClusterLocation: Sendable {
    /// The parent of root's clusters; a constant, since it must be reachable by every account.
    static let systemRoot = "/var/lib/gboost"
    /// The longest path `sockaddr_un` takes, its final zero byte not counted.
    static let socketPathLimit = 107

    /// The directory that holds `data`, `run` and the log. No symbolic links in it.
    var root: String
    /// The path the caller named: the same, or a link to it.
    var named: String
    var account: ServerAccount

    var data: String { root + "/data" }
    /// `initdb` works here; renamed to `data` once complete, so that `data` is whole whenever it exists.
    var unfinished: String { root + "/data.new" }
    var log: String { root + "/server.log" }

    /// The directory of the server's socket: beside the data, or in a private place with a short name.
    var sockets: String {
        let beside = root + "/run"
        let plain = beside.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        // The server's list of socket directories gives commas, blanks and quotes a meaning: such a path is not used.
        if plain, beside.utf8.count + "/.s.PGSQL.65535.lock".utf8.count <= Self.socketPathLimit { return beside }
        return "/tmp/gboost-\(account.uid)-\(Self.hash(root))"
    }

    /// A short name for a path: 64-bit FNV-1a in hexadecimal. It separates checkouts; it need not resist anyone.
    static func hash(_ path: String) -> String {
        var value: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in path.utf8 { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    /// An absolute path, without a trailing slash and without "." or ".." in it.
    static func absolute(_ path: String) -> String {
        let full = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        var parts: [Substring] = []
        for part in full.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}

extension ClusterLocation {
    /// The location behind a path, if a cluster was placed there before.
    static func existing(_ named: String) -> ClusterLocation? {
        guard let root = realPath(named), let owner = owner(of: root), owner.uid != 0 else { return nil }
        return ClusterLocation(root: root, named: named, account: owner)
    }

    /// The location for a path, its directories made. Idempotent; the caller holds the cluster's lock.
    static func prepare(_ named: String) throws -> ClusterLocation {
        if let location = existing(named) {
            guard geteuid() == 0 || geteuid() == location.account.uid else {
                throw EmbeddedPostgresError(
                    .directoryUnusable,
                    "\(named) belongs to user \(location.account.uid), not to the one who starts it "
                        + "(\(geteuid())): start it as that user or as root, or remove it.")
            }
            try location.makeDirectories()
            return location
        }
        let account = try ServerAccount.forNewCluster()
        guard account != .current else {
            try makeDirectory(named, mode: 0o700)
            return try finish(ClusterLocation(root: realPath(named) ?? named, named: named, account: account))
        }
        let root = freeRoot(for: named)
        try makeDirectory(systemRoot, mode: 0o755)
        try makeDirectory(root, mode: 0o700, owner: account)
        // Only an empty directory or a dangling link can be in the way; anything else is somebody's and stays.
        if unsafe rmdir(named) != 0, errno != ENOENT, unsafe unlink(named) != 0 {
            throw EmbeddedPostgresError(
                .directoryUnusable, "\(named) holds files of root that are no cluster: move or remove it.")
        }
        guard unsafe symlink(root, named) == 0 else {
            throw EmbeddedPostgresError(.directoryUnusable, "\(named) cannot be made: \(systemMessage(errno)).")
        }
        return try finish(ClusterLocation(root: root, named: named, account: account))
    }

    /// The first of root's places for a path that holds no data yet. What is there without data was left by a start
    /// that failed, and is taken up again.
    private static func freeRoot(for named: String) -> String {
        var path = named
        while isDirectory(systemRoot + "/" + hash(path) + "/data") { path += "/" }
        return systemRoot + "/" + hash(path)
    }

    private static func finish(_ location: ClusterLocation) throws -> ClusterLocation {
        try location.makeDirectories()
        return location
    }

    private func makeDirectories() throws {
        try Self.makeDirectory(sockets, mode: 0o700, owner: account)
        guard let owner = Self.owner(of: sockets), owner.uid == account.uid else {
            throw EmbeddedPostgresError(
                .directoryUnusable, "\(sockets) belongs to another user: remove it, it holds nothing but a socket.")
        }
    }

    /// Removes every file of the cluster, and the link to it.
    func remove() {
        try? FileManager.default.removeItem(atPath: sockets)
        try? FileManager.default.removeItem(atPath: root)
        _ = unsafe unlink(named)
    }

    private static func makeDirectory(_ path: String, mode: UInt32, owner: ServerAccount? = nil) throws {
        if unsafe mkdir(path, mode) != 0 {
            // Somebody else's link or file in a shared place must not be taken for our directory.
            guard errno == EEXIST, isDirectory(path) else {
                throw EmbeddedPostgresError(
                    .directoryUnusable, "The directory \(path) cannot be made: \(systemMessage(errno)).")
            }
            return
        }
        // The mode again, since mkdir subtracts the umask.
        guard unsafe chmod(path, mode) == 0 else {
            throw EmbeddedPostgresError(.directoryUnusable, "\(path): \(systemMessage(errno)).")
        }
        if let owner, owner != .current, unsafe chown(path, owner.uid, owner.gid) != 0 {
            throw EmbeddedPostgresError(
                .directoryUnusable, "\(path) cannot be given to user \(owner.uid): \(systemMessage(errno)).")
        }
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func owner(of path: String) -> ServerAccount? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        return ServerAccount(uid: status.st_uid, gid: status.st_gid)
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }
}
