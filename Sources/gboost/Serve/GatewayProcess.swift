internal import Crypto
internal import Curl
internal import EmbeddedPostgres
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Inference
internal import Ledger
internal import Logging
internal import Postgres
internal import Providers
internal import ServiceLifecycle
internal import UnixSignals

/// One gateway: every part made from the configuration, and run as services that stop in the right order.
struct GatewayProcess: Sendable, CustomStringConvertible {
    let configuration: GatewayConfiguration
    /// The embedded database, which no other gateway works with. nil: it is another one.
    let cluster: OccupiedCluster?
    let pool: PostgresPool
    let ledger: PostgresLedger
    let catalog: CatalogStore
    let admin: AdminStore
    let models: EngineModels
    let curl: CurlClient
    let services: GatewayServices
    let sealer: AuditSealer
    /// nil: no key is configured, so that no text is kept.
    let texts: TextStore?
    /// The sealer's own connection: no report delays it.
    let sealerPool: PostgresPool
    let adminPool: PostgresPool
    let outbox: OutboxParts
    /// nil: clients speak without TLS.
    let tls: TLSFiles?
    let hasher: KeyHasher
    let logger: Logger
    /// All that is ever printed of it: its parts hold what no log may have.
    var description: String { "gateway" }

    /// Reservations that may wait for a connection; further ones count as an unreachable ledger.
    static let maxWaiting = 4096

    /// Makes the parts: starts the embedded database, brings it up to date or checks that it is, replays the journal
    /// and recovers the holds of a predecessor. A database that is away is no error here, unless nothing is known of
    /// its keys: local models must answer as soon as they can.
    static func start(_ configuration: GatewayConfiguration, logger given: Logger? = nil) async throws -> GatewayProcess
    {
        let logger = given ?? Self.logger(configuration)
        configuration.warnOfExposedFiles(logger)
        let tls = try configuration.tlsFiles(logger)
        let cluster = try await occupy(configuration, logger)
        let url: String
        if let cluster { url = cluster.url } else { url = try configuration.databaseURL() }
        do {
            return try await connect(configuration, url: url, cluster: cluster, tls: tls, logger: logger)
        } catch {
            await cluster?.leave()
            throw error
        }
    }

    /// Two gateways with one embedded database would stop it under each other.
    private static func occupy(
        _ configuration: GatewayConfiguration, _ logger: Logger
    ) async throws -> OccupiedCluster? {
        guard case .embedded(let path) = configuration.database.location else { return nil }
        var options = EmbeddedCluster.Options()
        options.notice = { logger.warning("\($0)") }
        do {
            return try await EmbeddedCluster(directory: path, options: options).occupy()
        } catch let error as EmbeddedPostgresError where error.code == .occupied {
            throw ConfigurationError(
                field: "database.embedded",
                message: "\(path) is in use by another gateway; several need one database, named by database.url")
        }
    }

    private static func connect(
        _ configuration: GatewayConfiguration, url: String, cluster: OccupiedCluster?, tls: TLSFiles?, logger: Logger
    ) async throws -> GatewayProcess {
        var ledgerConfiguration = LedgerConfiguration(instance: configuration.server.instance)
        ledgerConfiguration.lanes = configuration.ledger.lanes
        var settings = try Self.settings(configuration, url: url)
        settings.statementTimeout = ledgerConfiguration.reserveTimeout
        let migrations = try Migration.load(directory: configuration.ledger.migrations)
        // An embedded database belongs to this gateway alone; any other one is changed by its operator.
        let isEmbedded = configuration.database.isEmbedded
        if isEmbedded { try await Self.migrate(migrations, settings, logger: logger) }
        settings.role = DatabaseRole.app
        let pool = PostgresPool(
            configuration: settings, size: configuration.database.pool, maxWaiting: maxWaiting, logger: logger)
        if !isEmbedded { try await Migrator(pool: pool, migrations: migrations).requireCurrent() }
        // The files may be an earlier program's, as the database is.
        try await Migrator(pool: pool, migrations: []).requireNewest()
        let (pepper, hasher) = try await KeyPepper.read(configuration.secrets, for: pool, isServing: true)
        let journal = try SettlementJournal(directory: configuration.ledger.journal)
        let ledger = await PostgresLedger.start(
            pools: pools(pool, settings, lanes: ledgerConfiguration.lanes, logger: logger), journal: journal,
            configuration: ledgerConfiguration, logger: logger)
        let catalog = CatalogStore(pool: pool, hasher: hasher, logger: logger)
        try await catalog.refresh()
        let curl = try CurlClient()
        let models = try EngineModels(settings: engineSettings(configuration), logger: logger)
        let admin = AdminStore(pool: pool, hasher: hasher, actor: "gateway:\(configuration.server.instance)")
        let contentKey = SymmetricKey(
            data: HMAC<SHA256>.authenticationCode(
                for: Array("gboost content hashes".utf8), using: SymmetricKey(data: pepper.bytes)))
        let (sealer, sealerPool) = try Self.sealer(configuration, settings, curl: curl, logger: logger)
        let texts = try configuration.textKeyring().map { TextStore(pool: pool, keys: $0, logger: logger) }
        if texts == nil, catalog.capturesTexts {
            logger.warning("a tenant has its texts kept, but capture.key is not configured: none is kept")
        }
        let outbox = try OutboxParts(configuration, settings, logger: logger)
        var services = GatewayServices(
            catalog: catalog, ledger: ledger, models: ModelSources(engines: models, curl: curl),
            providers: try providers(configuration, curl: curl, models: models),
            limits: limits(configuration), contentKey: contentKey, logger: logger,
            notReady: { await Self.missing(pool: pool, catalog: catalog, ledger: ledger) },
            refreshGauges: {
                await LedgerGaugeRefresh(
                    admin: admin, ledger: ledger, models: models, sealer: sealer, texts: texts
                ).fill($0)
            },
            routerMemory: ledger)
        services.notices = outbox.notices
        Self.guardProviders(of: &services, configuration, outbox: outbox)
        services.cache = configuration.cachedAnswers
        services.modelPlace = { await models.place(of: $0) }
        let adminPool = Self.administration(settings, logger: logger)
        let administrators = AdminStore(pool: adminPool, hasher: hasher, actor: "admin-key")
        try configuration.complete(&services, administrators, texts, client: curl, sender: outbox.sender)
        return GatewayProcess(
            configuration: configuration, cluster: cluster, pool: pool, ledger: ledger, catalog: catalog,
            admin: admin, models: models, curl: curl, services: services, sealer: sealer, texts: texts,
            sealerPool: sealerPool, adminPool: adminPool, outbox: outbox, tls: tls, hasher: hasher, logger: logger)
    }

    private static func guardProviders(
        of services: inout GatewayServices, _ configuration: GatewayConfiguration, outbox: OutboxParts
    ) {
        services.guards = ProviderGuards(notices: outbox.notices, gateway: configuration.server.instance)
        services.deployments = Deployments(configuration.modelGroups)
    }

    /// What a gateway lacks to do all of its work.
    static func missing(pool: PostgresPool, catalog: CatalogStore, ledger: PostgresLedger) async -> [String] {
        var missing: [String] = []
        if !catalog.isLoaded { missing.append("catalog") }
        do { try await pool.checkHealth() } catch { missing.append("database") }
        if !ledger.takesHolds { missing.append("journal") }
        return missing
    }

    private static func engineSettings(_ configuration: GatewayConfiguration) -> EngineSettings {
        var settings = configuration.engineSettings
        settings.digest = { try await FileDigest.of($0).sha256 }
        return settings
    }

    static func limits(_ configuration: GatewayConfiguration) -> GatewayLimits {
        var limits = GatewayLimits()
        limits.maxBodyBytes = configuration.server.maxBodyBytes
        limits.maxRequests = configuration.server.maxRequests
        limits.requestSeconds = configuration.server.requestSeconds
        limits.defaultMaxTokens = Int64(min(configuration.limits.defaultMaxTokens, configuration.limits.maxMaxTokens))
        limits.maxMaxTokens = configuration.limits.maxMaxTokens
        limits.maxMessages = configuration.limits.maxMessages
        return limits
    }

    private static func providers(
        _ configuration: GatewayConfiguration, curl: CurlClient, models: EngineModels
    ) throws -> [String: any PaidProvider] {
        var providers: [String: any PaidProvider] = [:]
        for provider in configuration.providers {
            if let home = provider.home {
                providers[provider.name] = EngineProvider(
                    name: provider.name, models: [home.model: HomeModel(models: models, file: home.file)])
                continue
            }
            var settings = ProviderSettings(
                name: provider.name, baseURL: provider.baseURL, apiKey: try secret(of: provider))
            settings.timeouts.connect = .seconds(provider.connectSeconds)
            settings.timeouts.firstByte = .seconds(provider.firstByteSeconds)
            settings.timeouts.idle = .seconds(provider.idleSeconds)
            settings.timeouts.total = .seconds(provider.totalSeconds)
            if let preset = provider.preset { settings.adopt(preset) }
            // Whoever it is may charge what is written to a cache.
            if provider.kind == .compatible, provider.preset == nil { settings.traits.passesCacheMarks = true }
            if provider.kind == .azure { settings.adoptAzure() }
            switch provider.kind {
            case .anthropic: providers[provider.name] = AnthropicProvider(settings, client: curl)
            case .gemini: providers[provider.name] = GeminiProvider(settings, client: curl)
            case .bedrock:
                providers[provider.name] = BedrockProvider(
                    settings, credentials: try provider.bedrockCredentials(), client: curl)
            case .openai, .compatible, .azure, .engine:
                providers[provider.name] = OpenAICompatibleProvider(settings, client: curl)
            }
        }
        return providers
    }

    private static func secret(of provider: GatewayConfiguration.Provider) throws -> Providers.Secret? {
        try provider.apiKey.map { try provider.resolve($0, "api_key") }
    }

    private static func logger(_ configuration: GatewayConfiguration) -> Logger {
        var logger = Logger(label: "gboost", factory: LineLogHandler.standardError(label:))
        logger.logLevel = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        return logger
    }
}

extension GatewayProcess {
    /// Serves until SIGTERM, SIGINT, SIGHUP or cancellation. In-flight answers finish first, or are ended when their
    /// time is up; then the ledger is flushed, then the engines and the database go.
    /// - Parameters:
    ///   - others: services that start after the gateway and stop before it.
    ///   - announce: called with the port once the gateway listens.
    func run(
        others: [ServiceGroupConfiguration.ServiceConfiguration] = [], announce: @escaping @Sendable (Int) async -> Void
    ) async throws {
        let (ports, listening) = AsyncStream.makeStream(of: Int.self)
        let server = GatewayApplication.server(
            services, address: address, onRunning: { port in listening.yield(port) })
        let clock = StopClock(process: self)
        typealias Part = ServiceGroupConfiguration.ServiceConfiguration
        // What a service is called would else be all that it holds.
        let parts = [
            Part(service: BackgroundService(process: self)), Part(service: DrainService(process: self)),
            Part(
                service: ListeningService(process: self, ports: ports, end: listening, announce: announce),
                failureTerminationBehavior: .gracefullyShutdownGroup),
            Part(service: server, serviceName: "server"),
        ]
        // Services stop in reverse order: the clock is told first, then the server; the background work goes last.
        var group = ServiceGroupConfiguration(
            services: parts + others + [Part(service: clock)], gracefulShutdownSignals: Self.stopSignals(),
            logger: logger)
        // From then on clients that do not read are let go too.
        let patience = Duration.seconds(configuration.server.drainSeconds) + Self.settlingTime
        group.maximumGracefulShutdownDuration = patience
        do {
            try await ServiceGroup(configuration: group).run()
        } catch {
            clock.stop()
            await end()
            throw naming(error)
        }
        clock.stop()
        await end()
    }

    /// A failure to listen, by the field that is to blame.
    func naming(_ error: any Error) -> any Error {
        guard let problem = AddressProblem(error) else { return error }
        let (host, port) = (configuration.server.host, configuration.server.port)
        return switch problem {
        case .portInUse: ConfigurationError(field: "server.port", message: "\(port) is in use")
        case .portForbidden: ConfigurationError(field: "server.port", message: "\(port) is not allowed to this user")
        case .hostUnknown: ConfigurationError(field: "server.host", message: "\(host) cannot be resolved")
        case .hostElsewhere:
            ConfigurationError(field: "server.host", message: "\(host) is not an address of this machine")
        }
    }

    /// What ends it gracefully. A SIGHUP that was ignored when it started, as under `nohup`, stays ignored.
    /// - Parameter status: the process's, in the form of /proc/self/status.
    static func stopSignals(
        status: String? = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    ) -> [UnixSignal] {
        let line = status?.split(separator: "\n").first { $0.hasPrefix("SigIgn:") }
        let digits = line?.split(whereSeparator: \.isWhitespace).last ?? ""
        let ignored = UInt64(digits, radix: 16) ?? 0
        let hangUp = UInt64(1) << UInt64(UnixSignal.sighup.rawValue - 1)
        return ignored & hangUp == 0 ? [.sigterm, .sigint, .sighup] : [.sigterm, .sigint]
    }

    private var address: GatewayAddress {
        let server = configuration.server
        var address = GatewayAddress(host: server.host, port: server.port, tls: tls)
        address.limits.maxConnections = server.maxConnections
        address.limits.idleSeconds = server.idleSeconds
        address.limits.requestSeconds = server.requestSeconds
        return address
    }

    /// Looks at the providers whose configuration asks for it.
    func probeProviders() async {
        let intervals = configuration.providers.filter { $0.probeSeconds > 0 }
            .map { ($0.name, Duration.seconds($0.probeSeconds)) }
        await ProviderProbes(
            providers: services.providers, intervals: Dictionary(intervals, uniquingKeysWith: { first, _ in first }),
            guards: services.guards
        ).run()
    }

    /// Keeps the models in memory as the catalog says: pinned ones, and those that an operator ordered.
    func followModels() async {
        var before: [ModelRecord] = []
        while !Task.isCancelled {
            let records = await catalog.models()
            if records != before {
                // A tenant has a share to speak of once it has a model.
                await setWeights()
                await models.follow(records, before: before)
            }
            before = records
            do { try await Task.sleep(for: CatalogStore.pollInterval) } catch { return }
        }
    }

    /// The configuration names tenants, hosts know their numbers. Where the database is away the old ones stay.
    private func setWeights() async {
        let weights = configuration.inference.weights
        guard !weights.isEmpty, let tenants = try? await admin.tenants() else { return }
        for name in weights.keys where !tenants.contains(where: { $0.name == name }) {
            logger.warning("inference.weights names a tenant that is not there", metadata: ["tenant": "\(name)"])
        }
        let pairs = tenants.compactMap { tenant in weights[tenant.name].map { (tenant.id, $0) } }
        await models.setWeights(Dictionary(pairs, uniquingKeysWith: { first, _ in first }))
    }
}

/// The catalog's and the ledger's own loops.
struct BackgroundService: Service, CustomStringConvertible {
    let process: GatewayProcess
    var description: String { "background" }

    func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await process.catalog.run() }
            group.addTask { await process.ledger.run() }
            group.addTask { await process.followModels() }
            group.addTask { await process.sealer.run() }
            group.addTask { await process.outbox.run() }
            group.addTask { await process.services.learning.run() }
            // Ends at once where nobody is to be looked at, which ends nothing else.
            group.addTask {
                await process.probeProviders()
                try? await gracefulShutdown()
            }
            if let texts = process.texts { group.addTask { await texts.run() } }
            if let cluster = process.cluster {
                let keeper = DatabaseKeeper(cluster: cluster, pool: process.pool, logger: process.logger)
                group.addTask { await keeper.run() }
            }
            group.addTask { try? await gracefulShutdown() }
            await group.next()
            group.cancelAll()
        }
    }
}
