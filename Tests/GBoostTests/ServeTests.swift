import EmbeddedPostgres
import Foundation
import GatewayServer
import Ledger
import Logging
import Testing

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
        _ = try await cluster.start()
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
        try await cluster.destroy()
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

    @Test("FOCUS as JSON is refused, not printed as CSV")
    func focusAsJSON() async throws {
        try await Shell.with { shell in
            let refused = await shell.run("spend --tenant acme --format focus --json")
            #expect(refused.status == .usage && refused.output.isEmpty)
            #expect(refused.errors.contains("focus"), "\(refused.errors)")
        }
    }
}
