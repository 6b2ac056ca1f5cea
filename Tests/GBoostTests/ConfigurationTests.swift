import Audit
import Foundation
import Inference
import Providers
import Testing

@testable import gboost

@Suite struct ConfigurationTests {
    static let whole = """
        server:    { host: 0.0.0.0, port: 9000, max_body_bytes: 4096 }
        database:  { url: "postgresql://app@db/gboost", pool: 4 }
        inference: { memory_bytes: 8589934592, threads: 2, hosts: per-model }
        providers:
          - { name: openai, kind: openai, api_key: "env:OPENAI_API_KEY" }
          - name: sim
            kind: openai
            base_url: "http://127.0.0.1:9099/v1"
            idle_seconds: 2.5
        log: { level: debug }
        """

    static func load(
        _ yaml: String, sets: [String] = [], environment: [String: String] = [:]
    ) throws(ConfigurationError) -> GatewayConfiguration {
        var layers = try ConfigurationLayers(
            file: try ConfigurationFile(yaml: yaml, path: "g.yaml"), sets: sets, environment: environment)
        return try GatewayConfiguration(&layers)
    }

    @Test("one key under both names of signing keys is refused by the field's name, whatever it is called there")
    func sameSigningKey() throws {
        func key(_ name: String, _ byte: UInt8) throws -> String {
            try NoteSigner(name: name, seed: [UInt8](repeating: byte, count: 32)).secretText
        }
        let configuration = try Self.load(
            "database: { embedded: d }\naudit: { signing_key: \"env:S\", next_signing_key: \"env:N\" }")
        let (signing, renamed, other) = (try key("gw/2026", 1), try key("gw/2027", 1), try key("gw/2027", 2))
        for (next, isSame) in [(signing, true), (renamed, true), (other, false)] {
            let problems = configuration.unusableSecrets(environment: ["S": signing, "N": next])
            #expect(problems.map(\.field) == (isSame ? ["audit.next_signing_key"] : []), "\(problems)")
            #expect(problems.first.map { $0.message.contains("same key as audit.signing_key") } ?? !isSame)
        }
    }

    @Test("a whole file is read, with defaults where it is silent")
    func wholeFile() throws {
        let configuration = try Self.load(Self.whole)
        #expect(configuration.server.host == "0.0.0.0")
        #expect(configuration.server.port == 9000)
        #expect(configuration.server.instance == "0.0.0.0:9000")
        #expect(configuration.server.maxRequests == 512)
        #expect(configuration.database.location == .url("postgresql://app@db/gboost"))
        #expect(configuration.database.pool == 4)
        #expect(configuration.providers.map(\.name) == ["openai", "sim"])
        #expect(configuration.providers[0].apiKey?.description == "env:OPENAI_API_KEY")
        #expect(configuration.providers[1].apiKey == nil)
        #expect(configuration.providers[1].idleSeconds == 2.5)
        #expect(configuration.providers[1].firstByteSeconds == 60)
        #expect(configuration.logLevel == .debug)
        #expect(configuration.secrets.keyPepper == nil)
    }

    @Test("what the engine can be told, the configuration can say; weights name each tenant once")
    func inference() throws {
        let database = "database: { embedded: d }\n"
        let usual = try Self.load(database).engineSettings
        #expect(usual.deadline == nil && usual.hostMemoryLimit == 0 && usual.keptSequences == 48)
        let yaml = """
            inference: { weights: "acme=3, b = 1", deadline_seconds: 1.5, host_memory_bytes: 1073741824, max_queued: 7,
              kept_sequences: 9, batch_tokens: 128, prompt_chunk: 512, max_waiting: 5, max_adapters: 3,
              adapter_bytes: 4194304, load_seconds: 9, eviction_seconds: 0, silence_seconds: 2, stall_seconds: 3 }
            """
        let told = try Self.load(database + yaml)
        #expect(told.inference.weights == ["acme": 3, "b": 1])
        let settings = told.engineSettings
        #expect(settings.deadline == .milliseconds(1500) && settings.hostMemoryLimit == 1 << 30)
        #expect(settings.maxQueued == 7 && settings.keptSequences == 9 && settings.maxWaiting == 5)
        #expect(settings.batchTokens == 128 && settings.promptChunk == 128)
        #expect(settings.adapters == 3 && settings.adapterMebibytes == 4)
        #expect(settings.readinessLimit == .seconds(9) && settings.evictionPatience == .zero)
        #expect(settings.silenceLimit == .seconds(2) && settings.stallLimit == .seconds(3))
        for weights in ["acme", "acme=0", "acme=1001", "=1", "a=1,a=2", "a=1=2"] {
            let error = #expect(throws: ConfigurationError.self) {
                try Self.load(database + "inference: { weights: '\(weights)' }")
            }
            #expect(error?.description.contains("inference.weights") == true)
        }
    }

    @Test("an argument wins over a variable, a variable over the file")
    func layering() throws {
        let environment = [
            "GBOOST_SERVER_PORT": "9001", "GBOOST_SERVER_MAX_BODY_BYTES": "2048",
            "GBOOST_PROVIDERS_SIM_BASE_URL": "http://[::1]:1/v1", "GBOOST_SERVER_MAX_REQUESTS": "",
        ]
        let configuration = try Self.load(
            Self.whole, sets: ["server.port=9002", "providers.extra.kind=openai"], environment: environment)
        #expect(configuration.server.port == 9002)
        #expect(configuration.server.maxBodyBytes == 2048)
        #expect(configuration.server.maxRequests == 512)
        #expect(configuration.providers[1].baseURL == "http://[::1]:1/v1")
        #expect(configuration.providers.map(\.name) == ["openai", "sim", "extra"])
    }

    static let refused: [(yaml: String, error: String)] = [
        ("server: { prot: 1 }", "g.yaml:1: server.prot: no such key; 'server' has: "),
        ("sever: { port: 1 }", "g.yaml:1: sever.port: no such section; there are: admin, audit, cache, "),
        ("log: { level: info }\nserver:\n  port: http", "g.yaml:3: server.port: 'http' is not a whole number"),
        ("server: { port: 70000 }", "g.yaml:1: server.port: 70000 is not within 0…65535"),
        ("server: { port: [1] }", "g.yaml:1: server.port: a single value is expected"),
        ("server: { port: }", "g.yaml:1: server.port: a single value is expected"),
        ("server: 8080", "g.yaml:1: server: a mapping is expected"),
        ("- a", "g.yaml:1: a mapping of sections is expected"),
        ("server: { port: 1, port: 2 }", "g.yaml:1: 'port' stands twice"),
        ("server: { port: 1", "g.yaml:"),
        ("audit: { seal_interval: 10x }", "g.yaml:1: audit.seal_interval: '10x' is not a time between"),
        ("audit: { checkpoint_interval: 2d }", "g.yaml:1: audit.checkpoint_interval: '2d' is not a time"),
        ("log: { level: loud }", "g.yaml:1: log.level: 'loud' is not one of: trace, debug, "),
        ("server: { drain_seconds: nan }", "g.yaml:1: server.drain_seconds: 'nan' is not a number of seconds"),
        ("providers: { a: 1 }", "g.yaml:1: providers: a list is expected"),
        ("providers:\n  - { kind: openai }", "g.yaml:2: providers[0].name: is missing"),
        ("providers:\n  - { name: A, kind: openai }", "g.yaml:2: providers[0].name: 'A' is not of the form"),
        (
            "providers:\n  - { name: a, kind: openai }\n  - { name: a, kind: openai }",
            "g.yaml:3: providers[1].name: 'a' stands twice"
        ),
        (
            "providers:\n  - { name: claude, kind: cohere }",
            "g.yaml:2: providers.claude.kind: 'cohere' is not a kind; the kinds are: openai, anthropic"
        ),
        (
            "providers:\n  - { name: a, kind: compatible, preset: none }",
            "g.yaml:2: providers.a.preset: 'none' is not a preset; they are: openai, mistral, "
        ),
        ("providers:\n  - { name: a, kind: compatible }", "providers.a.base_url: is missing"),
        ("providers:\n  - { name: a, kind: azure }", "providers.a.base_url: is missing"),
        ("providers:\n  - { name: a }", "providers.a.kind: is missing; the kinds are: openai"),
        ("providers:\n  - { name: slm, kind: openai }", "providers.slm.kind: this name is that of the rates"),
        ("providers:\n  - { name: a, kind: openai, key: x }", "g.yaml:2: providers.a.key: no such key"),
        ("providers:\n  - { name: a, kind: openai, base_url: ftp://x }", "g.yaml:2: providers.a.base_url: is not"),
    ]

    @Test("a wrong file is refused with one line that names the field and the line", arguments: refused)
    func refusal(yaml: String, error: String) {
        let found = #expect(throws: ConfigurationError.self) {
            try Self.load(yaml, environment: ["GBOOST_DATABASE_URL": "postgresql://db/x"])
        }
        #expect(found?.description.contains(error) == true, "\(String(describing: found))")
        #expect(found?.description.contains("\n") == false)
    }

    @Test("a wrong variable or argument is named as such")
    func refusedLayers() {
        let variable = #expect(throws: ConfigurationError.self) {
            try Self.load(Self.whole, environment: ["GBOOST_SERVER_PORT": "x"])
        }
        #expect(
            variable?.description
                == "environment variable GBOOST_SERVER_PORT: server.port: 'x' is not a whole number")
        let argument = #expect(throws: ConfigurationError.self) { try Self.load(Self.whole, sets: ["server.bort=1"]) }
        #expect(argument?.description.hasPrefix("--set server.bort: server.bort: no such key") == true)
        #expect(throws: ConfigurationError.self) { try Self.load(Self.whole, sets: ["server.port"]) }
    }

    @Test("a literal secret is refused, and its text is in no message")
    func literalSecrets() {
        let files = [
            "providers:\n  - { name: a, kind: openai, api_key: sk-canary }",
            "providers:\n  - { name: a, kind: openai, base_url: 'https://u:sk-canary@h/v1' }",
            "secrets: { key_pepper: sk-canary }",
            "audit: { signing_key: sk-canary }",
            "database: { url: 'postgresql://app:sk-canary@db/gboost' }",
            "database: { url: 'postgresql://db/gboost?user=app&password=sk-canary' }",
            "database: { url: 'host=db password=sk-canary' }",
        ]
        for yaml in files {
            let environment = yaml.hasPrefix("database") ? [:] : ["GBOOST_DATABASE_URL": "postgresql://db/x"]
            let error = #expect(throws: ConfigurationError.self) { try Self.load(yaml, environment: environment) }
            #expect(error?.description.contains("sk-canary") == false)
            #expect(error?.description.contains("reference") == true, "\(String(describing: error))")
        }
    }

    @Test("the description holds no password and reads back as the same configuration")
    func describe() throws {
        let environment = ["GBOOST_DATABASE_URL": "postgresql://app:sk-canary@db/gboost?sslpassword=sk-canary"]
        let configuration = try Self.load(Self.whole, sets: ["server.port=1"], environment: environment)
        let text = configuration.describe()
        #expect(!text.contains("sk-canary"))
        #expect(text.contains("postgresql://app:redacted@db/gboost?sslpassword=redacted"))
        #expect(text.contains("# --set server.port"))
        #expect(text.contains("# environment variable GBOOST_DATABASE_URL"))
        let again = try Self.load(text, environment: environment)
        #expect(again.server == configuration.server)
        #expect(again.providers == configuration.providers)
        #expect(again.inference == configuration.inference)
        #expect(again.secrets.keyPepper?.description == "file:\(configuration.secrets.pepperPath)")
    }

    @Test("one of url and embedded is wanted; on two layers the upper one wins")
    func database() throws {
        #expect(throws: ConfigurationError.self) { try Self.load("") }
        #expect(throws: ConfigurationError.self) {
            try Self.load("database: { url: 'postgresql://a/b', embedded: d }")
        }
        let embedded = "database: { embedded: d }"
        #expect(try Self.load(embedded).database.location == .embedded(path: "d"))
        let other = try Self.load(embedded, environment: ["GBOOST_DATABASE_URL": "postgresql://a/b"])
        #expect(other.database.location == .url("postgresql://a/b"))
        let url = "database: { url: 'env:DATABASE_URL' }"
        let reference = try SecretReference("env:DATABASE_URL")
        #expect(try Self.load(url).database.location == .reference(reference))
        let back = try Self.load(url, sets: ["database.embedded=d"])
        #expect(back.database.location == .embedded(path: "d"))
        #expect(!back.describe().contains("DATABASE_URL"))
    }

    @Test("a database's URL shows no password, however it is printed")
    func printedURL() throws {
        let url = "postgresql://app:hunter2@db/gboost?sslpassword=hunter2"
        let yaml = "database: { embedded: d }"
        let configuration = try Self.load(yaml, environment: ["GBOOST_DATABASE_URL": url])
        let location = configuration.database.location
        #expect(location == .url(url))
        var dumped = ""
        dump(configuration, to: &dumped)
        let printed = [
            "\(location)", String(reflecting: location), "\(configuration)", String(reflecting: configuration), dumped,
        ]
        for text in printed { #expect(!text.contains("hunter2"), "\(text)") }
        #expect("\(location)".contains("db/gboost"))
    }

    @Test("the default pepper is made once, readable by its owner alone; a named one is never made")
    func pepper() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-pepper-\(UUID())")
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appending(path: "pepper").path()
        let named = GatewayConfiguration.Secrets(keyPepper: try SecretReference("file:\(path)"), pepperPath: path)
        #expect(throws: ConfigurationError.self) { try KeyPepper(named) }
        let automatic = GatewayConfiguration.Secrets(keyPepper: nil, pepperPath: path)
        let first = try KeyPepper(automatic).bytes
        #expect(first.count == 64)
        #expect(try KeyPepper(automatic).bytes == first)
        #expect(try KeyPepper(named).bytes == first)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path()) == ["pepper"])
        let short = GatewayConfiguration.Secrets(keyPepper: try SecretReference("env:P"), pepperPath: path)
        #expect(throws: ConfigurationError.self) { try KeyPepper(short, environment: ["P": "short"]) }
    }
}
