internal import EmbeddedPostgres
internal import Foundation
internal import Inference

/// Where the demo keeps its things: one directory, and the cache of what is expensive to make.
struct DemoPlace: Sendable {
    let root: String

    var configuration: String { "\(root)/demo.yaml" }
    var bill: String { "\(root)/simulated-bill.jsonl" }
    var key: String { "\(root)/demo.key" }
    private var database: String { "\(root)/postgres" }

    /// Version of how the head is made: another one is a new head.
    private static let headVersion = 2
    static let headSeed: UInt64 = 20_261_122
    static let headProblems = 60

    func make() throws { try OutputFile.makeDirectory(root, option: "--directory") }

    /// Removes what an earlier check left, database included.
    func clear() async throws {
        try await EmbeddedCluster(directory: database).destroy()
        try? FileManager.default.removeItem(atPath: root)
    }

    /// The demo SLM: `GBOOST_DEMO_SLM`, else where `ops/setup` puts it.
    static func slm(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> String {
        let path = environment["GBOOST_DEMO_SLM"] ?? cache(environment) + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure("the demo model is not at \(path); run ops/setup first")
        }
        return path
    }

    /// The cache that the scripts in `ops` use.
    private static func cache(_ environment: [String: String]) -> String {
        if let path = environment["GBOOST_CACHE"] { return path }
        if let path = environment["XDG_CACHE_HOME"] { return path + "/gboost" }
        return (environment["HOME"] ?? "/root") + "/.cache/gboost"
    }

    /// The demo's reward head: trained on first use from generated word problems, then kept in the cache.
    func head() async throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let heads = Self.cache(environment) + "/heads"
        try OutputFile.makeDirectory(heads, option: "GBOOST_CACHE")
        let path = "\(heads)/demo-v\(Self.headVersion)-\(Self.headSeed)-\(Self.headProblems).head"
        if FileManager.default.fileExists(atPath: path) { return path }
        CommandOutput.print("==> training the demo's process reward head (once, a minute or two)\n")
        let slm = SmallModel(file: try Self.slm(environment: environment))
        let making = RewardHeadMaking(model: slm, seed: Self.headSeed)
        let answers = try await making.drafts(problems: Self.headProblems) { done, total in
            CommandOutput.progress("drafting answers to learn from", done, of: total)
        }
        let head = try await making.train(on: answers)
        try OutputFile.write(try head.encoded(), to: path, option: "GBOOST_CACHE")
        return path
    }

    /// The gateway's configuration as YAML, for this process and for the commands that people try next.
    func configurationText(upstream: DemoUpstream, port: Int) -> String {
        let migrations = ProcessInfo.processInfo.environment["GBOOST_MIGRATIONS"] ?? "migrations"
        return """
            # Written by `gboost demo`; try: gboost spend --tenant demo --config \(configuration)
            server:    { host: 127.0.0.1, port: \(port), instance: demo }
            database:  { embedded: \(database) }
            ledger:    { journal: \(root)/journal, migrations: \(migrations) }
            providers:
            \(upstream.providers)

            """
    }
}
