internal import Curl
internal import Ledger
internal import Logging
internal import Postgres

/// A gateway's delivery of events, with connections and a thread of its own: no receiver delays a paid call.
struct OutboxParts: Sendable {
    let delivery: OutboxDelivery
    let notices: NoticeWriter
    let sender: CurlDestinationSender
    private let pool: PostgresPool
    private let curl: CurlClient
    private let isEnabled: Bool

    /// Deliveries and notices; the listener has a connection beside them.
    private static let connections = 2
    private static let maxWaiting = 64

    init(_ configuration: GatewayConfiguration, _ settings: PostgresConfiguration, logger: Logger) throws {
        var settings = settings
        settings.applicationName = "gboost-outbox"
        settings.statementTimeout = .seconds(30)
        pool = PostgresPool(
            configuration: settings, size: Self.connections, maxWaiting: Self.maxWaiting, logger: logger)
        curl = try CurlClient()
        sender = CurlDestinationSender(client: curl)
        let store = OutboxStore(pool: pool)
        delivery = OutboxDelivery(
            store: store, sender: sender, settings: configuration.deliverySettings, logger: logger)
        notices = NoticeWriter(store: store, logger: logger)
        isEnabled = configuration.outbox.isEnabled
    }

    /// Runs until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await notices.run() }
            group.addTask { await delivery.keepHouse() }
            if isEnabled { group.addTask { await delivery.run() } }
        }
    }

    func close() async {
        await curl.shutdown()
        await pool.close()
    }
}
