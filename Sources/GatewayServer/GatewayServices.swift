package import Crypto
package import GatewayCore
package import Logging
package import Outbox

/// Bounds of one gateway process. Every one is configurable.
package struct GatewayLimits: Sendable {
    /// Largest request body, in bytes.
    package var maxBodyBytes = 16 * 1024 * 1024
    /// How long a request's body may take to arrive.
    package var requestSeconds = 60.0
    /// Requests answered at the same time; further ones get 503 with `retry-after`.
    package var maxRequests = 512
    /// Output tokens held for when a direct call names no `max_tokens`.
    package var defaultMaxTokens: Int64 = 4096
    /// The largest bound on an answer that a request may name.
    package var maxMaxTokens = 131_072
    /// The most messages that a request may have.
    package var maxMessages = 2048
    /// A direct call without `max_tokens` is made smaller to fit a short budget, down to this.
    package var leastDirectTokens: Int64 = 256
    /// An escalation is made smaller to fit a short budget, down to this.
    package var leastEscalationTokens: Int64 = 32
    /// How long a provider's stream is read on for its usage after the client has left.
    package var drainSeconds = 30.0
    /// Bytes of an LLM-written step or rest that are taken.
    package var maxEscalationBytes = 256 * 1024
    package init() {}
}

/// Everything a request handler works with. Made once, at start.
package struct GatewayServices: Sendable {
    package var catalog: any Catalog
    package var ledger: any SpendLedger
    package var models: any LocalModels
    /// Configured paid APIs by name.
    package var providers: [String: any PaidProvider]
    package var metrics: GatewayMetrics
    /// Hears of what is to be told.
    package var notices: any NoticeSink = NoNotices()
    /// Breakers and retries of the providers.
    package var guards = ProviderGuards()
    /// What serves a model besides the provider in its name.
    package var deployments = Deployments()
    /// Copies of requests that are under way to other models.
    package var mirrors = MirrorAllowance()
    package var limits: GatewayLimits
    /// Begins the hashes of prompts and answers in the audit: it has taken in their key.
    let contentCode: HMAC<SHA256>
    package var logger: Logger
    /// Whether the database answered lately, and what else is not ready; empty means ready.
    package var notReady: @Sendable () async -> [String]
    /// Fills the gauges that come from the ledger, at a scrape.
    package var refreshGauges: @Sendable (GatewayMetrics) async -> Void
    /// Requests that are known by their clients' own keys.
    package var idempotency = IdempotencyKeys()
    package let activity = Activity()
    /// What the routes' routers have learned.
    package var learning: RouterLearning
    /// How much of the engines' time may go into reading what LLMs wrote.
    let readings = ReadingAllowance()
    /// PRMs whose failures were told of.
    let rewardFailures = RewardFailures()
    /// Rate limits of local models: this gateway's own count.
    package var localLimits = LocalLimits()
    /// Keeps texts of tenants that want it; nil: nobody's are kept.
    package var texts: (any TextCapture)?
    /// Where a local model is in this gateway.
    package var modelPlace: @Sendable (ModelRecord) async -> ModelPlace = { _ in ModelPlace(phase: .elsewhere) }
    /// Keeps answers of tenants that want it; nil: nobody's are kept.
    package var cache: CachedAnswers?

    /// Administration over HTTP; nil: no key for it is configured.
    package var administration: Administration?
    /// What administration's reports need besides the database.
    package var records = AdminRecords()
    /// Whether this gateway's own port speaks TLS: a request over HTTP/1.1 does not say so.
    var endsTLS = false
    /// The HTTP interface's description; nil: its file was not found.
    package var openAPIDocument: [UInt8]?
    /// Whether answers carry LiteLLM's headers beside our own.
    package var sendsLiteLLMHeaders = false

    package init(
        catalog: any Catalog, ledger: any SpendLedger, models: any LocalModels,
        providers: [String: any PaidProvider], metrics: GatewayMetrics = GatewayMetrics(),
        limits: GatewayLimits = GatewayLimits(), contentKey: SymmetricKey, logger: Logger,
        notReady: @escaping @Sendable () async -> [String] = { [] },
        refreshGauges: @escaping @Sendable (GatewayMetrics) async -> Void = { _ in },
        routerMemory: (any RouterMemory)? = nil
    ) {
        self.catalog = catalog
        self.ledger = ledger
        self.models = models
        self.providers = providers
        self.metrics = metrics
        self.limits = limits
        contentCode = HMAC(key: contentKey)
        self.logger = logger
        self.notReady = notReady
        self.refreshGauges = refreshGauges
        learning = RouterLearning(memory: routerMemory, logger: logger)
    }
}
