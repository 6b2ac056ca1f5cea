internal import FoundationEssentials

/// A directory with the programs of one PostgreSQL version.
struct ServerBinaries: Sendable, Equatable {
    /// The oldest version the gateway's SQL is written for.
    static let oldestMajor = 15

    var directory: String
    var major: Int

    var initdb: String { directory + "/initdb" }
    var postgres: String { directory + "/postgres" }
    var pgCtl: String { directory + "/pg_ctl" }
    var psql: String { directory + "/psql" }

    /// Finds the newest usable version, or the one a data directory needs.
    ///
    /// - Parameters:
    ///   - override: a `bin` directory to use and no other; `GBOOST_POSTGRES_BIN` where nil.
    ///   - major: the version a present data directory was made by; it can be opened by no other.
    static func find(override: String?, major: Int?) async throws -> ServerBinaries {
        let environment = ProcessInfo.processInfo.environment
        let chosen = override ?? environment["GBOOST_POSTGRES_BIN"]
        let directories = chosen.map { [$0] } ?? candidates(path: environment["PATH"] ?? "")
        var found: [ServerBinaries] = []
        for directory in directories where isComplete(directory) {
            let output = try await Command(directory + "/postgres", "--version").run()
            if output.succeeded, let version = parseMajor(output.text), version >= oldestMajor {
                found.append(ServerBinaries(directory: directory, major: version))
            }
        }
        if let major {
            guard let match = found.first(where: { $0.major == major }) else {
                throw EmbeddedPostgresError(
                    .binariesMissing,
                    "The data was made by PostgreSQL \(major), whose programs are not installed: "
                        + "install postgresql-\(major).")
            }
            return match
        }
        guard let newest = found.max(by: { $0.major < $1.major }) else {
            throw EmbeddedPostgresError(
                .binariesMissing,
                "No PostgreSQL server of version \(oldestMajor) or later was found\(chosen.map { " in \($0)" } ?? ""): "
                    + "run ops/setup, or set GBOOST_POSTGRES_BIN to its bin directory.")
        }
        return newest
    }

    /// The major version in the answer to `postgres --version`.
    static func parseMajor(_ text: String) -> Int? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let marker = words.firstIndex(of: "(PostgreSQL)"), marker + 1 < words.count else { return nil }
        return Int(words[marker + 1].prefix(while: \.isNumber))
    }

    private static func candidates(path: String) -> [String] {
        let packaged = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: packaged)) ?? []
        return versions.map { "\(packaged)/\($0)/bin" } + path.split(separator: ":").map(String.init)
    }

    private static func isComplete(_ directory: String) -> Bool {
        ["initdb", "postgres", "pg_ctl", "psql"].allSatisfy {
            FileManager.default.isExecutableFile(atPath: "\(directory)/\($0)")
        }
    }
}
