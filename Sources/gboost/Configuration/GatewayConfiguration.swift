internal import Foundation
internal import GatewayCore
internal import Ledger
package import Providers

/// Everything the process is told at its start. Tenants, keys, budgets, routes, models and prices are not here: they
/// live in PostgreSQL.
package struct GatewayConfiguration: Sendable {
    /// The HTTP side.
    package struct Server: Hashable, Sendable {
        package var host: String
        /// 0 lets the system choose.
        package var port: Int
        package var maxBodyBytes: Int
        /// Requests that may be under way at once.
        package var maxRequests: Int
        /// Connections that may be open at once.
        package var maxConnections: Int
        /// How long a connection may stand still between two requests.
        package var idleSeconds: Double
        /// How long a request may take to arrive.
        package var requestSeconds: Double
        /// How long a stop waits for answers that are under way.
        package var drainSeconds: Double
        /// File of the HTTP interface's description.
        package var openAPI: String
        /// Names this gateway in reports. What a dead one left behind is found by its journal, not by this.
        package var instance: String
        /// PEM files of a certificate chain and its key; nil: no TLS.
        package var tls: TLSPaths?
    }
    /// Where the certificate that is shown to clients and its key are.
    package struct TLSPaths: Hashable, Sendable {
        package var certificate: String
        package var key: String
    }
    /// Where PostgreSQL is.
    package enum DatabaseLocation: Hashable, Sendable {
        /// A libpq URL, possibly with a password from the environment: never print it, see `redacted`.
        case url(String)
        /// The URL stands in an environment variable or a file.
        case reference(SecretReference)
        /// Data directory of a cluster that the gateway starts by itself.
        case embedded(path: String)
    }
    /// PostgreSQL, and how many connections to it.
    package struct Database: Hashable, Sendable {
        package var location: DatabaseLocation
        package var pool: Int
    }
    /// The wires that are spoken to providers.
    package enum ProviderKind: String, Hashable, Sendable, CaseIterable {
        case openai, anthropic, gemini, bedrock, compatible, azure, engine
    }
    /// A paid API.
    package struct Provider: Hashable, Sendable {
        package var name: String
        package var kind: ProviderKind
        /// Of the kind `compatible`, whose ways are known.
        package var preset: CompatiblePreset?
        package var baseURL: String
        /// nil: the endpoint wants none.
        package var apiKey: SecretReference?
        package var connectSeconds: Double
        package var firstByteSeconds: Double
        package var idleSeconds: Double
        /// Of a whole call, however well it goes on.
        package var totalSeconds = 900.0
        /// How often it is looked at by a question that costs nothing; 0: never.
        package var probeSeconds = 0.0
        /// Of the kind `bedrock`.
        package var aws: AWSAccess?
        /// Of the kind `engine`: a model file that this gateway serves itself, and its name behind the provider's.
        package var home: HomeModelFile?
    }
    /// A general LLM that is served at home.
    package struct HomeModelFile: Hashable, Sendable {
        package var model: String
        package var file: String
    }
    /// Where the ledger keeps what is not in the database.
    package struct Ledger: Hashable, Sendable {
        /// Directory of the settlements that wait for the database.
        package var journal: String
        /// Directory of the SQL files.
        package var migrations: String
        /// Batches that may be at the database at once, tenants spread over them.
        package var lanes: Int
    }
    /// What keys are hashed with.
    package struct Secrets: Hashable, Sendable {
        /// Key of the hash under which API keys are stored; nil: nobody named one, so it is in `pepperPath`.
        package var keyPepper: SecretReference?
        /// File that a pepper which nobody named is kept in, and made in on first use.
        package var pepperPath: String
    }
    /// Bounds of a request, beside those of its body.
    package struct Limits: Hashable, Sendable {
        /// Held for where a direct request names no `max_tokens`.
        package var defaultMaxTokens: Int
        /// The largest `max_tokens` that is let through.
        package var maxMaxTokens: Int
        package var maxMessages: Int
    }
    /// From which level on the log is written.
    package enum LogLevel: String, Hashable, Sendable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }

    package var server: Server
    package var database: Database
    package var inference: Inference
    package var providers: [Provider]
    package var groups: [Group]
    package var ledger: Ledger
    package var secrets: Secrets
    package var limits: Limits
    package var audit: Audit
    package var outbox: Outbox
    package var capture: Capture
    package var cache: Cache
    package var administration: Administration
    package var logLevel: LogLevel
    /// The file it was read from; nil: none.
    package var path: String?
    var readings: [ConfigurationLayers.Reading] = []

    /// File that is taken from the working directory when none is named.
    package static let defaultPath = "gboost.yaml"
    static let defaultPepperPath = ".gboost/pepper"
}

extension GatewayConfiguration {
    /// Reads the file (nil: `gboost.yaml` if it is there), lays environment and arguments over it, and checks all.
    package static func load(
        file path: String?, sets: [String] = [], environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> GatewayConfiguration {
        let isThere = path != nil || FileManager.default.fileExists(atPath: defaultPath)
        let name = path ?? defaultPath
        let file = isThere ? try ConfigurationFile(reading: name) : ConfigurationFile(path: name)
        var layers = try ConfigurationLayers(file: file, sets: sets, environment: environment)
        var configuration = try GatewayConfiguration(&layers)
        configuration.path = isThere ? name : nil
        return configuration
    }

    /// The same from the text of a file that is yet to be written.
    static func load(
        yaml: String, path: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> GatewayConfiguration {
        let file = try ConfigurationFile(yaml: yaml, path: path)
        var layers = try ConfigurationLayers(file: file, sets: [], environment: environment)
        var configuration = try GatewayConfiguration(&layers)
        configuration.path = path
        return configuration
    }

    init(_ layers: inout ConfigurationLayers) throws(ConfigurationError) {
        server = try Self.server(&layers)
        database = try Self.database(&layers)
        inference = try Self.inference(&layers)
        providers = []
        for name in layers.names(in: .providers) { providers.append(try Self.provider(name, &layers)) }
        groups = try Self.groups(&layers, providers: providers)
        ledger = Ledger(
            journal: try layers.text("ledger.journal", orDefault: ".gboost/journal"),
            migrations: try layers.text("ledger.migrations", orDefault: "migrations"),
            // On few cores a second lane only makes the batches of the first smaller.
            lanes: try layers.integer(
                "ledger.lanes", in: 1...16, default: max(1, ProcessInfo.processInfo.activeProcessorCount / 4)))
        secrets = try Self.secrets(&layers)
        limits = Limits(
            defaultMaxTokens: try layers.integer("limits.default_max_tokens", in: 1...1_000_000, default: 4096),
            maxMaxTokens: try layers.integer("limits.max_max_tokens", in: 1...1_000_000, default: 131_072),
            maxMessages: try layers.integer("limits.max_messages", in: 1...100_000, default: 2048))
        audit = try Self.audit(&layers)
        outbox = try Self.outbox(&layers)
        capture = try Self.capture(&layers)
        cache = try Self.cache(&layers)
        administration = try Self.administration(&layers)
        logLevel = try layers.choice("log.level", default: .info)
        try layers.refuseUnknown()
        readings = layers.readings
    }

    private static func server(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Server {
        let host = try layers.text("server.host", orDefault: "127.0.0.1")
        let port = try layers.integer("server.port", in: 0...65_535, default: 8080)
        return Server(
            host: host, port: port,
            maxBodyBytes: try layers.integer(
                "server.max_body_bytes", in: 1024...1_073_741_824, default: 16_777_216),
            maxRequests: try layers.integer("server.max_requests", in: 1...100_000, default: 512),
            maxConnections: try layers.integer("server.max_connections", in: 1...1_000_000, default: 4096),
            idleSeconds: try layers.seconds("server.idle_seconds", in: 1...86_400, default: 120),
            requestSeconds: try layers.seconds("server.request_seconds", in: 1...3600, default: 60),
            drainSeconds: try layers.seconds("server.drain_seconds", in: 0...3600, default: 30),
            openAPI: try layers.text("server.openapi", orDefault: "ops/openapi.json"),
            instance: try layers.text("server.instance", orDefault: "\(host):\(port)"), tls: try tls(&layers))
    }

    private static func provider(
        _ name: String, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> Provider {
        let prefix = "providers.\(name)"
        guard name != LocalRate.provider else {
            throw layers.failure("\(prefix).kind", "this name is that of the rates for local models: choose another")
        }
        guard let kindText = try layers.text("\(prefix).kind") else {
            throw layers.failure("\(prefix).kind", "is missing; the kinds are: \(kindNames)")
        }
        guard let kind = ProviderKind(rawValue: kindText) else {
            throw layers.failure(
                "\(prefix).kind", "'\(kindText.prefix(40))' is not a kind; the kinds are: \(kindNames)")
        }
        if kind == .engine {
            return Provider(
                name: name, kind: kind, baseURL: "", apiKey: nil, connectSeconds: 0, firstByteSeconds: 0,
                idleSeconds: 0, home: try home(prefix, &layers))
        }
        let preset = try preset(prefix, kind, &layers)
        let aws = kind == .bedrock ? try awsAccess(prefix, &layers) : nil
        let usual = aws.map { BedrockProvider.baseURL(region: $0.region) } ?? usualBaseURL(kind, preset)
        let base = try baseURL(prefix, usual: usual, &layers)
        var provider = Provider(
            name: name, kind: kind, preset: kind != .openai || isOpenAIs(base) ? preset : nil, baseURL: base,
            apiKey: try secret("\(prefix).api_key", &layers),
            connectSeconds: try layers.seconds("\(prefix).connect_seconds", in: 0.1...300, default: 5),
            firstByteSeconds: try layers.seconds("\(prefix).first_byte_seconds", in: 0.1...3600, default: 60),
            idleSeconds: try layers.seconds("\(prefix).idle_seconds", in: 0.1...3600, default: 60),
            totalSeconds: try layers.seconds("\(prefix).total_seconds", in: 0.1...86_400, default: 900),
            probeSeconds: try layers.seconds("\(prefix).probe_seconds", in: 0...3600, default: 0))
        provider.aws = aws
        guard aws == nil || aws?.keys != nil || provider.apiKey != nil else {
            throw layers.failure(
                "\(prefix).access_key_id", "is missing: access_key_id with secret_access_key, or api_key")
        }
        return provider
    }

    /// Whether an address is of OpenAI's own API, a region's included. Of another server only `kind: compatible` with a
    /// preset says that it has the same ways.
    private static func isOpenAIs(_ base: String) -> Bool {
        let host = URL(string: base)?.host()?.lowercased() ?? ""
        return host == "openai.com" || host.hasSuffix(".openai.com")
    }

    /// Where a kind's API is, if there is one place for it.
    private static func usualBaseURL(_ kind: ProviderKind, _ preset: CompatiblePreset?) -> String? {
        switch kind {
        case .anthropic: AnthropicProvider.defaultBaseURL
        case .gemini: GeminiProvider.defaultBaseURL
        case .azure, .engine, .bedrock: nil
        case .openai, .compatible: preset?.baseURL
        }
    }

    private static func baseURL(
        _ prefix: String, usual: String?, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> String {
        guard let base = try layers.text("\(prefix).base_url") ?? usual else {
            throw layers.failure("\(prefix).base_url", "is missing")
        }
        guard let url = URL(string: base), let scheme = url.scheme, ["http", "https"].contains(scheme),
            url.host()?.isEmpty == false
        else { throw layers.failure("\(prefix).base_url", "is not an http or https URL") }
        guard url.password() == nil, url.user() == nil else {
            throw layers.failure("\(prefix).base_url", "holds a password; use api_key with a reference")
        }
        return base
    }

    /// Whose ways a provider has; nil: nobody's that are known.
    private static func preset(
        _ prefix: String, _ kind: ProviderKind, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> CompatiblePreset? {
        switch kind {
        case .openai, .azure: return .openai
        case .anthropic, .gemini, .bedrock, .engine: return nil
        case .compatible:
            guard let name = try layers.text("\(prefix).preset") else { return nil }
            guard let preset = CompatiblePreset(rawValue: name) else {
                let known = CompatiblePreset.allCases.map(\.rawValue).joined(separator: ", ")
                throw layers.failure("\(prefix).preset", "'\(name.prefix(40))' is not a preset; they are: \(known)")
            }
            return preset
        }
    }

    private static func home(
        _ prefix: String, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> HomeModelFile {
        guard let file = try layers.text("\(prefix).file") else {
            throw layers.failure("\(prefix).file", "is missing: the GGUF file of a model that is served here")
        }
        let stem = URL(filePath: file).deletingPathExtension().lastPathComponent
        let model = try layers.text("\(prefix).model", orDefault: stem)
        guard ModelReference("home/\(model)")?.model == model else {
            throw layers.failure("\(prefix).model", "'\(model.prefix(40))' is not a model's name")
        }
        return HomeModelFile(model: model, file: file)
    }

    private static var kindNames: String { ProviderKind.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func secrets(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Secrets {
        let given = try secret("secrets.key_pepper", &layers)
        let path = URL(filePath: defaultPepperPath).standardizedFileURL.path()
        if given == nil { layers.show("file:\(path)", insteadOf: "secrets.key_pepper") }
        return Secrets(keyPepper: given, pepperPath: path)
    }

    /// A reference to a secret. The text of a literal one is in no message.
    static func secret(
        _ key: String, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> SecretReference? {
        guard let text = try layers.text(key) else { return nil }
        do {
            return try SecretReference(text)
        } catch {
            throw layers.failure(key, "a secret is given by reference only: env:NAME or file:/path")
        }
    }
}
