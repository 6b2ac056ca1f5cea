import EmbeddedPostgres
import Foundation
import GatewayCore
import GatewayServer
import GatewayTesting
import Logging
import Postgres
import Synchronization
import Testing

@testable import Ledger
@testable import gboost

@Suite("What a start may do to what is there already")
struct ServeTests {
    typealias Shell = AdministrationTests.Shell

    @Test("a second gateway that fails on the journal's lock leaves the first one's embedded database running")
    func secondStart() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-second-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let cluster = EmbeddedCluster(directory: directory + "/postgres", options: .forTests)
        // The first one is connected, and has the journal.
        let connected = try await Self.connect(try await cluster.start())
        let first = try SettlementJournal(directory: directory + "/journal")
        try Data(String(repeating: "p", count: 40).utf8).write(to: URL(filePath: directory + "/pepper"))
        let yaml = """
            database: { embedded: "\(directory)/postgres" }
            ledger: { journal: "\(directory)/journal", migrations: "\(Shell.migrations)" }
            secrets: { key_pepper: "file:\(directory)/pepper" }
            """
        let configuration = try ConfigurationTests.load(yaml)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        await #expect(throws: LedgerError.self) { try await GatewayProcess.start(configuration, logger: quiet) }
        #expect(cluster.isRunning)
        withExtendedLifetime(first) {}
        await connected.close()
        try await cluster.destroy()
    }

    @Test("a database's URL that a file holds is read again for each connection; one that stands for itself is not")
    func renewedURL() throws {
        let file = URL(filePath: TestFiles.path("url"))
        let (one, two) = ("postgresql://a:one@db/ledger", "postgresql://a:two@db/ledger")
        try Data(one.utf8).write(to: file)
        let named = try ConfigurationTests.load("database: { url: \"file:\(file.path())\" }")
        let settings = try GatewayProcess.settings(named, url: try named.databaseURL())
        #expect(settings.renewedURL?() == one)
        try Data("\(two)\n".utf8).write(to: file)
        #expect(settings.renewedURL?() == two)
        try FileManager.default.removeItem(at: file)
        #expect(settings.renewedURL?() == nil)
        let given = try ConfigurationTests.load("log: { level: info }", environment: ["GBOOST_DATABASE_URL": one])
        let fixed = try GatewayProcess.settings(given, url: one)
        #expect(fixed.renewedURL == nil)
    }

    @Test("a gateway whose journal has no room is not ready, and says that this is what it lacks")
    func fullJournal() async throws {
        try await Shell.with { shell in
            #expect(await shell.run("migrate").status == .done)
            let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 4, maxWaiting: 100, logger: quiet)
            let journal = try SettlementJournal(
                directory: TestFiles.path("full"), maximumBytes: 1 << 20, directorySync: { _ in },
                freeBytes: { _ in 0 })
            let ledger = await PostgresLedger.start(
                pools: LedgerPools(pool), journal: journal, configuration: LedgerConfiguration(instance: "full"),
                logger: quiet)
            let hasher = try KeyHasher(pepper: Array(String(repeating: "p", count: 40).utf8))
            let catalog = CatalogStore(pool: pool, hasher: hasher, logger: quiet)
            try await catalog.refresh()
            #expect(await GatewayProcess.missing(pool: pool, catalog: catalog, ledger: ledger) == ["journal"])
            await ledger.drain()
            await pool.close()
        }
    }

    /// A connection that somebody has.
    private static func connect(_ url: String) async throws -> PostgresPool {
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let pool = PostgresPool(
            configuration: try PostgresConfiguration(url: url), size: 1, maxWaiting: 1, logger: quiet)
        _ = try await pool.query("select 1 as one")
        return pool
    }

    @Test("a command that has started an embedded database stops it, however it ends, unless somebody came to use it")
    func startedByCommand() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-started-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let cluster = EmbeddedCluster(directory: directory + "/postgres", options: .forTests)
        let url = try await cluster.start()
        let configuration = try ConfigurationTests.load("database: { embedded: '\(directory)/postgres' }")
        struct Failed: Error {}
        for (isShared, fails) in [(false, false), (false, true), (true, false), (true, true)] {
            try await cluster.stop()
            var user: PostgresPool?
            do {
                user = try await DatabaseSession.run(configuration, as: nil) { _ in
                    let user = try await isShared ? Self.connect(url) : nil
                    if fails {
                        Self.kept.withLock { $0 = user }
                        throw Failed()
                    }
                    return user
                }
            } catch is Failed {
                user = Self.kept.withLock { $0 }
            }
            #expect(cluster.isRunning == isShared, "fails: \(fails)")
            await user?.close()
        }
        try await cluster.destroy()
    }

    /// Outlives the command that fails.
    private static let kept = Mutex<PostgresPool?>(nil)

    @Test("an embedded database is one gateway's: a second is refused it, commands come and go, a third finds it free")
    func occupied() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-occupied-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let cluster = EmbeddedCluster(directory: directory + "/postgres", options: .forTests)
        _ = try await cluster.start()
        try await cluster.stop()
        try Data(String(repeating: "p", count: 40).utf8).write(to: URL(filePath: directory + "/pepper"))
        func configuration(_ journal: String) throws -> GatewayConfiguration {
            try ConfigurationTests.load(
                """
                database: { embedded: "\(directory)/postgres" }
                ledger: { journal: "\(directory)/\(journal)", migrations: "\(Shell.migrations)" }
                secrets: { key_pepper: "file:\(directory)/pepper" }
                """)
        }
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let first = try await GatewayProcess.start(try configuration("first"), logger: quiet)
        let second = try configuration("second")
        let refused = await #expect(throws: ConfigurationError.self) {
            try await GatewayProcess.start(second, logger: quiet)
        }
        #expect(refused?.field == "database.embedded" && cluster.isRunning)
        let rows = try await DatabaseSession.run(second) { pool in try await pool.query("select 1 as one").rows.count }
        #expect(rows == 1 && cluster.isRunning)
        await first.end()
        #expect(!cluster.isRunning, "who has started it stops it")

        let user = try await Self.connect(try await cluster.start())
        let guest = try await GatewayProcess.start(second, logger: quiet)
        await guest.end()
        #expect(cluster.isRunning, "who has found it running does not, while somebody works with it")
        await user.close()
        let last = try await GatewayProcess.start(second, logger: quiet)
        await last.end()
        #expect(!cluster.isRunning, "the last one out does")

        _ = try await cluster.start()
        // What a gateway that was killed leaves behind: its server, and its claim without a lock on it.
        try Data().write(to: URL(filePath: directory + "/postgres.gateway.lock"))
        let heir = try await GatewayProcess.start(second, logger: quiet)
        await heir.end()
        #expect(!cluster.isRunning, "a dead gateway's is its successor's")
        #expect(!FileManager.default.fileExists(atPath: directory + "/postgres.gateway.lock"))
        try await cluster.destroy()
    }

    @Test("what is wrong with a file is said in words, and its field once")
    func namedOnce() throws {
        #expect("\(TLSFiles.Problem.key("is not a PEM file"))" == "the key is not a PEM file")
        #expect("\(TLSFiles.Problem.certificate("holds none"))" == "the certificate holds none")
        let yaml = "database: { embedded: d }\ncapture: { key: 'env:K' }\n"
        let configuration = try ConfigurationTests.load(yaml)
        let error = #expect(throws: ConfigurationError.self) {
            try configuration.textKeyring(environment: ["K": "short"])
        }
        #expect(error?.field == "capture.key" && error?.message.contains("capture.key") == false)
    }

    @Test("the demo's configuration is complete before its file is written")
    func demoConfiguration() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "gboost-demo-\(UUID())").path()
        let place = DemoPlace(root: root)
        let upstream = DemoUpstream(simulatedPort: 7, environment: [:], isCheck: true)
        let text = place.configurationText(upstream: upstream, port: 8081)
        let configuration = try GatewayConfiguration.load(yaml: text, path: place.configuration, environment: [:])
        #expect(configuration.server.port == 8081 && configuration.path == place.configuration)
        #expect(configuration.ledger.journal == "\(root)/journal" && configuration.database.isEmbedded)
        #expect(configuration.providers.map(\.name) == ["sim"])
        #expect(!FileManager.default.fileExists(atPath: place.configuration))
    }

    @Test(
        "the demo escalates to the API that a key is there for, OpenAI's before Anthropic's; a check to neither",
        arguments: [
            ([:], "sim/sim-large", "none"), (["OPENAI_API_KEY": ""], "sim/sim-large", "none"),
            (["OPENAI_API_KEY": "o"], "openai/gpt-4o", "openai"),
            (["ANTHROPIC_API_KEY": "a"], "claude/claude-sonnet-4-6", "anthropic"),
            (["ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o"], "openai/gpt-4o", "openai"),
        ] as [([String: String], String, String)])
    func demoUpstream(environment: [String: String], model: String, kind: String) throws {
        let place = DemoPlace(root: "/nowhere")
        let upstream = DemoUpstream(simulatedPort: 7, environment: environment, isCheck: false)
        #expect("\(upstream.llm)" == model)
        #expect(upstream.notice.contains(kind == "none" ? "simulated" : upstream.vendor?.variable ?? "?"))
        let text = place.configurationText(upstream: upstream, port: 8081)
        let configuration = try GatewayConfiguration.load(
            yaml: text, path: place.configuration, environment: environment)
        let provider = configuration.providers.first { $0.name == upstream.llm.provider }
        #expect(provider?.kind.rawValue == (kind == "none" ? "openai" : kind))
        #expect(DemoUpstream(simulatedPort: 7, environment: environment, isCheck: true).api == .simulated)
    }

    @Test("a hang-up ends it gracefully, unless it was started so as to survive one")
    func hangUp() {
        let usual = "Name:\tgboost\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\n"
        #expect(GatewayProcess.stopSignals(status: usual).map { "\($0)" } == ["SIGTERM", "SIGINT", "SIGHUP"])
        let underNohup = usual.replacing("0000000000001000", with: "0000000000001001")
        #expect(GatewayProcess.stopSignals(status: underNohup).map { "\($0)" } == ["SIGTERM", "SIGINT"])
        #expect(GatewayProcess.stopSignals(status: nil).count == 3)
    }

    @Test("the limits of the configuration are those of the server; what is held by default is within them")
    func limits() throws {
        let yaml = "database: { embedded: d }\nlimits: { max_max_tokens: 1000, max_messages: 9 }\n"
        let limits = GatewayProcess.limits(try ConfigurationTests.load(yaml))
        #expect(limits.maxMaxTokens == 1000 && limits.maxMessages == 9 && limits.defaultMaxTokens == 1000)
    }

    @Test("what is in force is a JSON document too: each key, its value and where that came from")
    func inForce() async throws {
        try await Shell.with { shell in
            let checked = await shell.run("serve --check --set server.port=8099 --json")
            let document = try #require(
                JSONSerialization.jsonObject(with: Data(checked.output.utf8)) as? [String: Any], "\(checked.errors)")
            #expect((document["file"] as? String)?.hasSuffix("gboost.yaml") == true)
            let values = try #require(document["values"] as? [[String: String]])
            let port = try #require(values.first { $0["key"] == "server.port" })
            #expect(port["value"] == "8099" && port["origin"] == "--set server.port")
            #expect(values.first { $0["key"] == "server.host" }?["origin"] == "default")
            #expect(await shell.run("serve --json").status == .usage)
        }
    }

    @Test("a key is made with its public key as a JSON document")
    func madeKey() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "gboost-key-\(UUID())").path()
        defer { try? FileManager.default.removeItem(atPath: file) }
        let capture = CommandOutput.Capture()
        let status = await CommandOutput.$capture.withValue(capture) {
            await CommandRun.run(["audit", "make-key", "gateway.test/1", "--output", file, "--json"])
        }
        let made = try JSONSerialization.jsonObject(with: Data(capture.output.utf8)) as? [String: String]
        #expect(status == .done && made?["name"] == "gateway.test/1" && made?["file"] == file)
        #expect(made?["public_key"]?.hasPrefix("gateway.test/1+") == true)
    }

    @Test("FOCUS as JSON is refused, not printed as CSV")
    func focusAsJSON() async throws {
        try await Shell.with { shell in
            let refused = await shell.run("spend --tenant acme --format focus --json")
            #expect(refused.status == .usage && refused.output.isEmpty)
            #expect(refused.errors.contains("focus"), "\(refused.errors)")
        }
    }
}
