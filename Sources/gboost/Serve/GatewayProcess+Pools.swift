internal import Curl
internal import Ledger
internal import Logging
internal import Postgres

/// The connections of a gateway beside those that serve requests: each kind of work waits for its own kind alone.
extension GatewayProcess {
    /// Of one tenant's day that is added up, or what is dropped or deleted at once: minutes where there are millions.
    private static let upkeepTimeout = Duration.seconds(600)
    /// Requests of administration that are at the database at once; so many more may wait for each.
    private static let adminConnections = 4

    /// What all of a gateway's connections have in common. A URL that was given by reference is read again for each:
    /// its password may be another one by then.
    static func settings(_ configuration: GatewayConfiguration, url: String) throws -> PostgresConfiguration {
        var settings = try PostgresConfiguration(url: url)
        settings.applicationName = "gboost"
        if case .reference = configuration.database.location {
            settings.renewedURL = { try? configuration.databaseURL() }
        }
        return settings
    }

    static func pools(
        _ main: PostgresPool, _ settings: PostgresConfiguration, lanes: Int, logger: Logger
    ) -> LedgerPools {
        var patient = settings
        patient.applicationName = "gboost-upkeep"
        patient.statementTimeout = upkeepTimeout
        return LedgerPools(
            main,
            lanes: PostgresPool(configuration: settings, size: lanes, maxWaiting: maxWaiting, logger: logger),
            upkeep: PostgresPool(configuration: patient, size: 1, maxWaiting: 4, logger: logger))
    }

    static func migrate(
        _ migrations: [Migration], _ settings: PostgresConfiguration, logger: Logger
    ) async throws {
        let owner = PostgresPool(configuration: settings, size: 1, maxWaiting: 1, logger: logger)
        do { _ = try await Migrator(pool: owner, migrations: migrations).migrate() } catch {
            await owner.close()
            throw error
        }
        await owner.close()
    }

    static func sealer(
        _ configuration: GatewayConfiguration, _ settings: PostgresConfiguration, curl: CurlClient, logger: Logger
    ) throws -> (AuditSealer, PostgresPool) {
        var settings = settings
        settings.applicationName = "gboost-sealer"
        settings.statementTimeout = .seconds(30)
        let pool = PostgresPool(configuration: settings, size: 1, maxWaiting: 4, logger: logger)
        let sealer = AuditSealer(
            store: AuditStore(pool: pool), settings: try configuration.sealerSettings(),
            publishers: try configuration.checkpointPublishers(client: curl), logger: logger)
        return (sealer, pool)
    }

    /// Connections of its own, and as patient as the commands': no report or verification delays a paid call, nor is
    /// ended as one.
    static func administration(_ settings: PostgresConfiguration, logger: Logger) -> PostgresPool {
        var settings = settings
        settings.applicationName = "gboost-admin"
        settings.statementTimeout = .seconds(60)
        return PostgresPool(configuration: settings, size: adminConnections, maxWaiting: 32, logger: logger)
    }
}
