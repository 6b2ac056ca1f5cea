import Curl
import Foundation
import Postgres
import SimulatedProvider
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    private static let clientsPython = ProcessInfo.processInfo.environment["GBOOST_CLIENTS_PYTHON"]
    private static let adminKey = "administrator-key-for-tests"
    private static let legacyKey = "sk-legacy-key-of-an-app-0001"

    private static func script(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scripts/\(name).py").path
    }

    /// What LiteLLM's proxy would have been told, and its tables with one team and one key.
    private static func leaveLiteLLM(_ world: World) async throws -> String {
        let config = """
            model_list:
              - model_name: gpt-4o
                litellm_params: { model: hosted_vllm/sim-large, api_base: "http://127.0.0.1:\(world.providerPort)/v1" }
                model_info: { input_cost_per_token: 0.00001, output_cost_per_token: 3e-5 }
              - model_name: other
                litellm_params: { model: hosted_vllm/sim-large, api_base: "http://127.0.0.1:\(world.providerPort)/v1" }
            litellm_settings: { max_budget: 50, budget_duration: 30d }
            """
        let path = world.directory + "/litellm.yaml"
        try config.write(toFile: path, atomically: true, encoding: .utf8)
        for statement in [
            """
            create table "LiteLLM_TeamTable" (team_id text primary key, team_alias text, models text[])
            """,
            """
            create table "LiteLLM_VerificationToken" (token text primary key, key_alias text, team_id text,
              models text[], max_budget float8, rpm_limit bigint)
            """,
            """
            insert into "LiteLLM_TeamTable" values ('5f1c', 'research', '{}')
            """,
            """
            insert into "LiteLLM_VerificationToken"
            select encode(sha256('\(legacyKey)'), 'hex'), 'app', '5f1c', '{gpt-4o}', 5, 100
            """,
        ] {
            _ = try await world.query("\(unescaped: statement)")
        }
        return path
    }

    private static func append(_ text: String, to world: World) throws {
        let before = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try (before + text).write(toFile: world.configuration, atomically: true, encoding: .utf8)
    }

    /// A gateway that has taken over what LiteLLM left.
    private static func takeOver(_ world: World) async throws -> Gateway {
        let path = try await leaveLiteLLM(world)
        try await addWires(to: world)
        try adminKey.write(toFile: world.directory + "/admin", atomically: true, encoding: .utf8)
        let imported = try await Program.run(
            [
                "import", "litellm", "--config", path, "--database-url", world.databaseURL, "--gboost-config",
                world.configuration, "--json",
            ], in: world.directory)
        #expect(imported.contains("\"kind\":\"key\""), "\(imported)")
        try append(
            """
              - { name: hosted-vllm, kind: compatible, preset: vllm,
                  base_url: "http://127.0.0.1:\(world.providerPort)/v1" }
            admin: { key: "file:\(world.directory)/admin" }
            compatibility: { litellm_headers: true }

            """, to: world)
        return try await world.gateway()
    }

    @Test("LiteLLM's configuration and keys are taken over, and its management paths work")
    func liteLLM() async throws {
        try await Self.with { world in
            let gateway = try await Self.takeOver(world)
            try await world.gboost("tenant", "create", "bare")
            let output = try await Program.output(
                of: "/usr/bin/python3",
                [Self.script("litellm_paths"), "http://127.0.0.1:\(gateway.port)", Self.adminKey, Self.legacyKey],
                in: world.directory)
            #expect(output.contains("checks passed"), "\(output)")
            // It has several budgets, on each of which the same calls count.
            let moved = try await Books.read(world, tenant: "litellm")
            #expect(moved.bill > 0 && moved.entries == moved.bill && moved.held == 0)
            await gateway.stop()
        }
    }

    @Test(
        "LiteLLM's client and LangChain's: each endpoint, streamed and not, and all that may be asked",
        .enabled(if: clientsPython != nil, "GBOOST_CLIENTS_PYTHON names no Python with them: ops/test --clients does"))
    func furtherClients() async throws {
        let python = try #require(Self.clientsPython)
        try await Self.with { world in
            try await Self.addWires(to: world)
            let key = try await world.tenant("acme", limitUSD: "50")
            let gateway = try await world.gateway()
            let (root, directory) = ("http://127.0.0.1:\(gateway.port)", world.directory)
            // Each package takes seconds to import: at the same time.
            async let client = Program.output(of: python, [Self.script("litellm_client"), root, key], in: directory)
            async let chain = Program.output(of: python, [Self.script("langchain_client"), root, key], in: directory)
            for output in try await [client, chain] {
                print(output)
                #expect(output.contains("checks passed"), "\(output)")
            }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.bill == books.settled && books.held == 0)
            await gateway.stop()
        }
    }
}
