internal import EmbeddedPostgres
internal import Foundation
internal import Ledger
internal import Logging
internal import Postgres
internal import Providers

/// A command's stay in the database: opens it, runs the command, leaves it as it was found.
///
/// An embedded cluster that does not run is started and stopped again, unless someone else came to use it meanwhile.
enum DatabaseSession {
    /// Connections of a command.
    static let poolSize = 2
    /// How long a command waits for an unreachable database before it gives up with exit status 4.
    static let patience = Duration.seconds(5)

    /// - Parameter role: what the session acts as; nil is the owner, who alone may change the schema.
    static func run<R: Sendable>(
        _ configuration: GatewayConfiguration, as role: String? = DatabaseRole.app,
        _ body: (PostgresPool) async throws -> R
    ) async throws -> R {
        guard case .embedded(let path) = configuration.database.location else {
            return try await connected(to: try configuration.databaseURL(), as: role, body)
        }
        let cluster = EmbeddedCluster(directory: path)
        let wasRunning = cluster.isRunning
        let url = try await cluster.start()
        do {
            let result = try await connected(to: url, as: role, body)
            // As the owner: other roles are not shown who else is there.
            if !wasRunning, try await !connected(to: url, as: nil, Self.isShared) { try await cluster.stop() }
            return result
        } catch {
            if !wasRunning { try? await cluster.stop() }
            throw error
        }
    }

    /// A stay in another database: that of a gateway which is left.
    static func connected<R: Sendable>(
        to url: String, as role: String?, _ body: (PostgresPool) async throws -> R
    ) async throws -> R {
        do {
            var settings = try PostgresConfiguration(url: url)
            settings.applicationName = "gboost-command-\(ProcessInfo.processInfo.processIdentifier)"
            settings.role = role
            settings.acquireTimeout = patience
            settings.connectTimeout = min(settings.connectTimeout, patience)
            settings.statementTimeout = .seconds(60)
            let quiet = Logger(label: "gboost") { _ in SwiftLogNoOpLogHandler() }
            let pool = PostgresPool(configuration: settings, size: poolSize, maxWaiting: 16, logger: quiet)
            do {
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

    /// Whether another program is connected too.
    private static func isShared(_ pool: PostgresPool) async -> Bool {
        let others = try? await pool.query(
            """
            select count(*) as others from pg_stat_activity
            where backend_type = 'client backend' and application_name <> current_setting('application_name')
            """)
        return (try? others?.rows.first?.get("others", as: Int64.self)).map { $0 > 0 } ?? false
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
