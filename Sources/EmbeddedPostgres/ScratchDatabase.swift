internal import FoundationEssentials
internal import Glibc
internal import Synchronization

/// A fresh, empty database for one test, on a server that all tests of the process share.
///
/// The server is the one in `GBOOST_TEST_DATABASE_URL` (a superuser's URL) if that is set; else a throw-away cluster
/// under `.gboost/test-postgres` in the working directory, started at the first use and gone when the process ends.
package struct ScratchDatabase: Sendable {
    /// The database's name, unique on the server.
    package let name: String
    /// The database's URL, as libpq understands it.
    package let url: String
    private let administration: Psql

    private static let counter = Atomic<Int>(0)
    private static let server = SharedServer()

    /// Makes a database whose name tells which test it belongs to.
    /// - Parameter template: what it is a copy of; nobody may be connected to that. nil: it is empty.
    package static func make(
        function: String = #function, template: ScratchDatabase? = nil
    ) async throws -> ScratchDatabase {
        let administration = try await server.administration()
        let number = counter.add(1, ordering: .relaxed).newValue
        let name = Self.name(function: function, process: getpid(), number: number)
        try await administration.run("CREATE DATABASE \(name)" + (template.map { " TEMPLATE \($0.name)" } ?? ""))
        return ScratchDatabase(
            name: name, url: Self.url(administration.url, database: name), administration: administration)
    }

    /// Ends the sessions in the database and removes it.
    package func drop() async throws {
        try await administration.run("DROP DATABASE IF EXISTS \(name) WITH (FORCE)")
    }

    /// A name PostgreSQL takes without quotes: at most 63 bytes of lower-case letters, digits and underscores.
    static func name(function: String, process: Int32, number: Int) -> String {
        let letters = function.prefix { $0 != "(" }.lowercased().filter {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")
        }
        return "t\(process)_\(number)_\(letters.prefix(31))"
    }

    /// The same server's URL with another database in it.
    static func url(_ url: String, database: String) -> String {
        let parts = url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let scheme = parts[0].firstRange(of: "://")?.upperBound ?? parts[0].startIndex
        let slash = parts[0][scheme...].firstIndex(of: "/") ?? parts[0].endIndex
        return parts[0][..<slash] + "/" + database + (parts.count > 1 ? "?" + parts[1] : "")
    }
}

/// The server behind the scratch databases: found or started once, however many tests ask at the same time.
private actor SharedServer {
    private var starting: Task<Psql, any Error>?

    func administration() async throws -> Psql {
        if let starting { return try await starting.value }
        let task = Task { try await Self.connect() }
        starting = task
        return try await task.value
    }

    private static func connect() async throws -> Psql {
        let binaries = try await ServerBinaries.find(override: nil, major: nil)
        if let url = ProcessInfo.processInfo.environment["GBOOST_TEST_DATABASE_URL"] {
            return Psql(binaries: binaries, url: url)
        }
        let parent = ".gboost/test-postgres"
        try await removeAbandoned(in: parent)
        let cluster = EmbeddedCluster(directory: "\(parent)/\(getpid())", options: .forTests)
        return Psql(binaries: binaries, url: try await cluster.start())
    }

    /// Clusters whose process and watchdog were both killed.
    private static func removeAbandoned(in parent: String) async throws {
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] {
            guard let process = Int32(entry), kill(process, 0) != 0, errno == ESRCH else { continue }
            try await EmbeddedCluster(directory: "\(parent)/\(entry)").destroy()
            try? FileManager.default.removeItem(atPath: "\(parent)/\(entry).alive")
        }
    }
}
