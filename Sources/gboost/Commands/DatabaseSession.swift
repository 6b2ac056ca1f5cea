internal import EmbeddedPostgres
internal import Foundation
internal import Ledger
internal import Logging
internal import Postgres
internal import Providers

/// A command's stay in the database: opens it, runs the command, leaves it as it was found.
///
/// An embedded cluster that does not run is started and stopped again, unless someone else came to use it meanwhile.
/// Only the owner's session, `gboost migrate`, makes one: a path that is mistyped, or counts from another working
/// directory, must not give a gateway's tenants a second, empty home.
enum DatabaseSession {
    /// Connections of a command.
    static let poolSize = 2
    /// How long a command waits for an unreachable database before it gives up with exit status 4.
    static let patience = Duration.seconds(5)

    /// - Parameters:
    ///   - role: what the session acts as; nil is the owner, who alone may change the schema.
    ///   - anySchema: also where the schema is not this program's. Otherwise nothing is done there, unless the session
    ///     is the owner's. An older one is known without the files of the migrations, too.
    static func run<R: Sendable>(
        _ configuration: GatewayConfiguration, as role: String? = DatabaseRole.app, anySchema: Bool = false,
        _ body: (PostgresPool) async throws -> R
    ) async throws -> R {
        let schema = role == nil || anySchema ? nil : Schema(configuration)
        guard case .embedded(let path) = configuration.database.location else {
            return try await connected(to: try configuration.databaseURL(), as: role, requiring: schema, body)
        }
        var options = EmbeddedCluster.Options()
        options.notice = { CommandOutput.printError("gboost: \($0)\n") }
        let cluster = EmbeddedCluster(directory: path, options: options)
        guard role == nil || cluster.isMade else {
            throw ConfigurationError(
                field: "database.embedded",
                message: "there is no cluster at \(cluster.directory): run gboost migrate, which makes it, or run the "
                    + "command where the gateway runs (a relative path counts from the working directory)")
        }
        let (url, wasRunning) = try await cluster.attach()
        let result: R
        do {
            result = try await connected(to: url, as: role, requiring: schema, body)
        } catch {
            if !wasRunning { try? await cluster.stopIfUnused() }
            throw unmigrated(error)
        }
        if !wasRunning { try await cluster.stopIfUnused() }
        return result
    }

    /// An embedded cluster's login may act as anybody: where it may not, the migrations have not made the role yet.
    private static func unmigrated(_ error: any Error) -> any Error {
        guard let refusal = error as? LedgerError, refusal.code == .database, refusal.field == "database.url" else {
            return error
        }
        return LedgerError(.migration, "the schema is not there yet: run gboost migrate")
    }

    /// What a database's schema is to be: all of some migrations, and nothing else.
    struct Schema: Sendable {
        /// Empty where the files are not at hand: commands run without them, too, and know what they need at least.
        let migrations: [Migration]
        /// Whether the configuration says where they are. Otherwise they are those of the working directory, which may
        /// be another project's: they count only where the first of them is what was applied.
        let isNamed: Bool

        init(_ migrations: [Migration], isNamed: Bool) {
            self.migrations = migrations
            self.isNamed = isNamed
        }

        init(_ configuration: GatewayConfiguration) {
            let all = (try? Migration.load(directory: configuration.ledger.migrations)) ?? []
            let reading = configuration.readings.last { $0.key == "ledger.migrations" }
            self.init(all, isNamed: reading.map { $0.origin != .defaults } ?? false)
        }

        fileprivate func require(_ pool: PostgresPool) async throws {
            let migrator = Migrator(pool: pool, migrations: migrations)
            if try await areTheDatabases(migrator) { try await migrator.requireCurrent() }
            try await migrator.requireNewest()
        }

        private func areTheDatabases(_ migrator: Migrator) async throws -> Bool {
            guard !migrations.isEmpty else { return false }
            if isNamed { return true }
            return try await migrator.status().first?.state == .applied
        }
    }

    /// A stay in another database: that of a gateway which is left.
    /// - Parameter schema: what the schema must be; nil: whatever it is.
    static func connected<R: Sendable>(
        to url: String, as role: String?, requiring schema: Schema? = nil,
        _ body: (PostgresPool) async throws -> R
    ) async throws -> R {
        do {
            var settings = try PostgresConfiguration(url: url)
            settings.applicationName = "gboost-command-\(ProcessInfo.processInfo.processIdentifier)"
            settings.role = role
            // Longer than connecting may take: a server that is silent is no pool that is exhausted.
            settings.acquireTimeout = patience * 2
            settings.connectTimeout = min(settings.connectTimeout, patience)
            settings.statementTimeout = .seconds(60)
            let quiet = Logger(label: "gboost") { _ in SwiftLogNoOpLogHandler() }
            let pool = PostgresPool(configuration: settings, size: poolSize, maxWaiting: 16, logger: quiet)
            do {
                try await schema?.require(pool)
                let result = try await body(pool)
                await pool.close()
                return result
            } catch {
                await pool.close()
                throw error
            }
        } catch let error as PostgresError where error.code == .invalidConfiguration {
            throw ConfigurationError(field: "database.url", message: error.message)
        }
    }
}

extension EmbeddedCluster {
    /// Whether its files are there, or may be: those of another user cannot be seen, and a start says whose they are.
    var isMade: Bool {
        let files = FileManager.default
        return isRunning || files.fileExists(atPath: directory + "/data")
            || files.fileExists(atPath: directory) && !files.isExecutableFile(atPath: directory)
    }
}

extension GatewayConfiguration {
    /// The URL of a database that is not embedded; may hold a password.
    func databaseURL(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> String {
        switch database.location {
        case .url(let url): return url
        case .embedded:
            throw ConfigurationError(field: "database.embedded", message: "has no URL before it is started")
        case .reference(let reference):
            do {
                return try reference.resolve(environment: environment).revealed
            } catch {
                throw ConfigurationError(field: "database.url", message: "\(error)")
            }
        }
    }
}
