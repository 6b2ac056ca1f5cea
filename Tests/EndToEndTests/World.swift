import Curl
import EmbeddedPostgres
import Foundation
import GatewayTesting
import Inference
import Logging
import Postgres
import SimulatedProvider
import Synchronization
import Testing

/// A whole installation in a directory of its own: the simulated provider with its bill, and a tenant with an SLM,
/// reward heads of a known mind, routes, prices and a budget. The gateway is started by each test. Its database is one
/// of a server that the tests share, or has a server that the test may do to what it likes.
final class World: Sendable {
    private enum Database {
        case shared(ScratchDatabase)
        case own(EmbeddedCluster)
    }

    /// What each world begins with: a server for every one, and its migrations, would be half of most tests' time.
    private static let template = Task<ScratchDatabase, any Error> {
        let database = try await ScratchDatabase.make(function: "template")
        let directory = try World.makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await World.prepare(
            try World.configure(directory, databaseURL: database.url, providerPort: 1), in: directory)
        return database
    }

    let directory: String
    private let database: Database
    let databaseURL: String
    let provider: Program
    let providerPort: Int
    let curl: CurlClient
    /// Gateways that were started; a test that fails leaves them running.
    private let gateways = Mutex<[Program]>([])
    var configuration: String { directory + "/gboost.yaml" }
    var bill: String { directory + "/bill.jsonl" }

    /// Prices of the simulated `sim-large`: dollars per million tokens.
    static let input: Int64 = 10_000_000
    static let output: Int64 = 30_000_000

    private init(
        directory: String, database: Database, databaseURL: String, provider: Program, providerPort: Int
    ) throws {
        self.directory = directory
        self.database = database
        self.databaseURL = databaseURL
        self.provider = provider
        self.providerPort = providerPort
        curl = try CurlClient()
    }

    /// - Parameter ownServer: the test stops the database's server, or looks into its files.
    static func make(ownServer: Bool = false) async throws -> World {
        let directory = try makeDirectory()
        let (database, url) = try await ownServer ? own(in: directory) : shared()
        let provider = try Program(["simulate-provider", "--bill", directory + "/bill.jsonl"], in: directory)
        let port = try await provider.port(after: "simulated provider on")
        let world = try World(
            directory: directory, database: database, databaseURL: url, provider: provider, providerPort: port)
        let configuration = try configure(directory, databaseURL: url, providerPort: port)
        if ownServer { try await prepare(configuration, in: directory) }
        return world
    }

    private static func makeDirectory() throws -> String {
        let directory = TestFiles.path("e2e")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        return directory
    }

    private static func own(in directory: String) async throws -> (Database, String) {
        let cluster = EmbeddedCluster(directory: directory + "/postgres", options: .forTests)
        let url = try await cluster.start()
        return (.own(cluster), url)
    }

    private static func shared() async throws -> (Database, String) {
        let database = try await ScratchDatabase.make(function: "world", template: try await template.value)
        return (.shared(database), database.url)
    }

    /// Gives a database its tables and the simulated model its price.
    private static func prepare(_ configuration: String, in directory: String) async throws {
        try await Program.run(["migrate", "--config", configuration], in: directory)
        try await Program.run(
            [
                "price", "set", "sim/sim-large", "--input-usd-per-mtok", "10", "--output-usd-per-mtok", "30",
                "--config", configuration,
            ], in: directory)
    }

    /// The server, where it is the test's own.
    func cluster() throws -> EmbeddedCluster {
        guard case .own(let cluster) = database else {
            throw Program.Failure(description: "this test's server is that of other tests, too")
        }
        return cluster
    }

    func destroy() async {
        for program in gateways.withLock({ $0 }) where program.isRunning { await program.kill() }
        await provider.stop()
        await curl.shutdown()
        switch database {
        case .own(let cluster): try? await cluster.destroy()
        case .shared(let database): try? await database.drop()
        }
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Writes the configuration file, and says where it is.
    private static func configure(_ directory: String, databaseURL: String, providerPort: Int) throws -> String {
        let migrations = URL(filePath: #filePath).appending(path: "../../../migrations").standardized.path
        let document = URL(filePath: #filePath).appending(path: "../../../ops/openapi.json").standardized.path
        let text = """
            server:    { host: 127.0.0.1, port: 0, instance: test, drain_seconds: 20, openapi: "\(document)" }
            database:  { url: "\(databaseURL)", pool: 4 }
            ledger:    { journal: \(directory)/journal, migrations: \(migrations) }
            providers:
              - { name: sim, kind: openai, base_url: "http://127.0.0.1:\(providerPort)/v1", first_byte_seconds: 30 }

            """
        let path = directory + "/gboost.yaml"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// Adds the demo model as an LLM that the gateway serves itself.
    func serveAtHome() async throws {
        let text = try String(contentsOfFile: configuration, encoding: .utf8)
        try (text + "  - { name: home, kind: engine, model: demo, file: \(Self.model()) }\n")
            .write(toFile: configuration, atomically: true, encoding: .utf8)
    }

    /// Runs a command against this installation.
    @discardableResult func gboost(_ arguments: String...) async throws -> String {
        try await Program.run(arguments + ["--config", configuration], in: directory)
    }

    /// A tenant of its own with a budget, two routes and a key; the key's secret.
    ///
    /// Route `trusting` has a PRM that believes every step, `doubting` one that doubts every step.
    func tenant(_ name: String, limitUSD: String) async throws -> String {
        try await gboost("tenant", "create", name)
        try await gboost("budget", "set", "--tenant", name, "--limit-usd", limitUSD)
        let slm = try Self.model()
        try await gboost("model", "add", "slm", "--tenant", name, "--kind", "slm", "--file", slm)
        for (prm, route, bias) in [("sure", "trusting", 6.0), ("unsure", "doubting", -1.0)] {
            let head = try Self.writeHead(bias: bias, model: slm, to: "\(directory)/\(prm).head")
            try await gboost(
                "model", "add", prm, "--tenant", name, "--kind", "prm", "--file", head, "--base", "slm")
            try await gboost(
                "route", "add", route, "--tenant", name, "--slm", "slm", "--prm", prm, "--llm", "sim/sim-large",
                "--set", "value_usd=0.5", "--set", "max_resamples=0", "--set", "max_step_tokens=32", "--set",
                "max_answer_tokens=96")
        }
        let created = try await gboost("key", "create", "--tenant", name, "--json")
        let json = try JSONSerialization.jsonObject(with: Data(created.utf8)) as? [String: Any]
        return try #require(json?["key"] as? String)
    }

    /// A head that answers the same whatever it sees.
    private static func writeHead(bias: Double, model: String, to path: String) throws -> String {
        let sha = try sha256(model)
        let width = 576
        let head = RewardHead(
            baseSHA256: sha, weights: Array(repeating: 0, count: width), bias: bias,
            mean: Array(repeating: 0, count: width), scale: Array(repeating: 1, count: width),
            calibration: .identity, metrics: [:], seed: 0)
        try head.encoded().write(to: URL(filePath: path))
        return path
    }

    private static func sha256(_ path: String) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/sha256sum")
        process.arguments = [path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        return String(text.prefix(64))
    }

    static func model() throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["HOME"] ?? "/root"
        let path = environment["GBOOST_DEMO_SLM"] ?? home + "/.cache/gboost/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        guard FileManager.default.fileExists(atPath: path) else {
            throw Program.Failure(description: "the demo model is not at \(path): run ops/setup")
        }
        return path
    }

    /// Starts a gateway and waits until it listens.
    /// - Parameter failpoint: where it kills itself.
    func gateway(failpoint: String? = nil, arguments: [String] = []) async throws -> Gateway {
        let environment = failpoint.map { ["GBOOST_FAILPOINT": $0] } ?? [:]
        let program = try Program(
            ["serve", "--config", configuration] + arguments, in: directory, environment: environment)
        gateways.withLock { $0.append(program) }
        let port = try await program.port(after: "listening on")
        return Gateway(program: program, port: port, world: self)
    }

    /// Sets the provider's faults; none clears them.
    func faults(_ faults: String...) async throws {
        let body = try JSONSerialization.data(withJSONObject: ["faults": faults])
        let request = CurlRequest(
            url: "http://127.0.0.1:\(providerPort)/sim/faults",
            headers: [(name: "Content-Type", value: "application/json")], body: Array(body))
        let response = try await curl.open(request)
        #expect(response.status == 200)
        while try await response.next() != nil {}
    }

    var charges: [SimulatedBill.Line] {
        get throws {
            guard FileManager.default.fileExists(atPath: bill) else { return [] }
            return try SimulatedBill.read(URL(filePath: bill))
        }
    }

    /// Rows of a query, all columns as text.
    func query(_ statement: PostgresStatement) async throws -> PostgresResult {
        let pool = PostgresPool(
            configuration: try PostgresConfiguration(url: databaseURL), size: 1, maxWaiting: 8,
            logger: .init(label: "test"))
        do {
            let result = try await pool.query(statement)
            await pool.close()
            return result
        } catch {
            await pool.close()
            throw error
        }
    }
}
