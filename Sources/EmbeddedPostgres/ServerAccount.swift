internal import FoundationEssentials
internal import Glibc

/// The operating system account a server runs as. PostgreSQL refuses to run as root, so root hands it to another one.
struct ServerAccount: Sendable, Equatable {
    var uid: UInt32
    var gid: UInt32

    /// The account that Debian's `postgresql` package makes.
    static let packaged = "postgres"

    static var current: ServerAccount { ServerAccount(uid: geteuid(), gid: getegid()) }

    /// Finds a name in the text of `/etc/passwd`.
    static func named(_ name: String, inPasswd text: String) -> ServerAccount? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 4, fields[0] == name, let uid = UInt32(fields[2]), let gid = UInt32(fields[3]) else {
                continue
            }
            return ServerAccount(uid: uid, gid: gid)
        }
        return nil
    }

    /// The account for a new cluster: this process's own, or for root the packaged one.
    static func forNewCluster() throws -> ServerAccount {
        let current = ServerAccount.current
        guard current.uid == 0 else { return current }
        let passwd = (try? String(contentsOfFile: "/etc/passwd", encoding: .utf8)) ?? ""
        guard let account = named(packaged, inPasswd: passwd) else {
            throw EmbeddedPostgresError(
                .binariesMissing,
                "PostgreSQL does not run as root, and there is no user \"\(packaged)\" to run it as: run ops/setup.")
        }
        return account
    }
}
