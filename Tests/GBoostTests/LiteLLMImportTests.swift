import EmbeddedPostgres
import Foundation
import GatewayCore
import GatewayServer
import Ledger
import Logging
import Postgres
import Providers
import Testing

@testable import gboost

@Suite("Taking over a LiteLLM proxy")
struct LiteLLMImportTests {
    typealias Shell = AdministrationTests.Shell

    private static let config = """
        model_list:
          - model_name: gpt-4o
            litellm_params: { model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 60, timeout: 30 }
            model_info: { id: abc, input_cost_per_token: 2.5e-06, output_cost_per_token: 0.00001 }
          - model_name: gpt-4o
            litellm_params:
              { model: azure/my-gpt, api_base: "https://x.example/", api_key: sk-literal, api_version: v1 }
          - model_name: claude
            litellm_params: { model: anthropic/claude-x, weight: 2, max_budget: 3, budget_duration: 7d }
          - model_name: "openai/*"
            litellm_params: { model: "openai/*", api_key: os.environ/OPENAI_API_KEY, timeout: 30 }
          - model_name: odd
            litellm_params: { model: nobody/knows }
        router_settings: { routing_strategy: least-busy, model_group_alias: { gpt-4: gpt-4o, gone: nothing } }
        litellm_settings: { max_budget: 500, budget_duration: 30d, drop_params: true, cache: false }
        general_settings: { master_key: os.environ/MASTER, alerting: [slack] }
        environment_variables: { A: b }
        """

    private static let tables = [
        """
        create table "LiteLLM_BudgetTable" (budget_id text, max_budget float8, budget_duration text, rpm_limit bigint,
          tpd_limit bigint)
        """,
        """
        create table "LiteLLM_OrganizationTable" (organization_id text, organization_alias text, budget_id text,
          metadata jsonb, models text[], spend float8)
        """,
        """
        create table "LiteLLM_TeamTable" (team_id text, team_alias text, organization_id text, max_budget float8,
          soft_budget float8, budget_duration text, tpm_limit bigint, models text[], blocked boolean, admins text[])
        """,
        """
        create table "LiteLLM_VerificationToken" (token text, key_name text, key_alias text, team_id text,
          models text[], aliases jsonb, max_budget float8, budget_duration text, budget_id text, blocked boolean,
          max_parallel_requests int, expires timestamp, spend float8, created_at timestamp)
        """,
        """
        create table "LiteLLM_UserTable" (user_id text)
        """,
        """
        insert into "LiteLLM_BudgetTable" values ('b1', 9, '7d', 5, 3)
        """,
        """
        insert into "LiteLLM_OrganizationTable" values ('o1', 'Big Corp', 'b1', '{"a": {}}', '{}', 3.5)
        """,
        """
        insert into "LiteLLM_TeamTable" values
          ('t1', 'research', null, 100.25, 50.2, '12h', 1000, '{gpt-4o,claude}', true, '{}'),
          ('t2', 'research', 'o1', null, null, null, null, '{}', false, '{somebody}')
        """,
        """
        insert into "LiteLLM_VerificationToken" values
          (encode(sha256('sk-first-key-0001'), 'hex'), 'sk-...0001', 'first', 't1', '{all-team-models}', '{}', 1e-05,
           null, null, false, 3, null, 0, now()),
          (encode(sha256('sk-second-key-0002'), 'hex'), 'sk-...0002', null, 't2', '{gpt-4o}', '{"x": "y"}', null, null,
           'b1', true, null, '2100-01-01', 0, now()),
          (encode(sha256('sk-third-key-0003'), 'hex'), null, 'old', null, '{}', '{}', null, null, null, null, null,
           '2001-01-01', 0, now())
        """,
        """
        insert into "LiteLLM_UserTable" values ('u')
        """,
    ]

    private func pool(_ url: String) throws -> PostgresPool {
        PostgresPool(
            configuration: try PostgresConfiguration(url: url), size: 1, maxWaiting: 8, logger: Logger(label: "test"))
    }

    private func with(_ body: (Shell, _ run: (String) async -> Shell.Outcome) async throws -> Void) async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let pool = try pool(shell.url)
            for statement in Self.tables { _ = try await pool.query("\(unescaped: statement)") }
            await pool.close()
            let file = shell.directory.appending(path: "litellm.yaml").path()
            try Data(Self.config.utf8).write(to: URL(filePath: file))
            try await body(shell) { more in
                let capture = CommandOutput.Capture()
                let own = shell.directory.appending(path: "gboost.yaml").path()
                let line = "import litellm --config \(file) --gboost-config \(own) --database-url \(shell.url) \(more)"
                let status = await CommandOutput.$capture.withValue(capture) {
                    await CommandRun.run(line.split(separator: " ").map(String.init))
                }
                return Shell.Outcome(status: status, output: capture.output, errors: capture.errors)
            }
        }
    }

    @Test("keys, teams, budgets and routes come over once; a dry run changes nothing; a second run has nothing to do")
    func takesOver() async throws {
        try await with { shell, run in
            let tried = await run("--dry-run --json")
            #expect(tried.status == .done, "\(tried.errors)")
            #expect(tried.json("dry_run") == "1" && tried.json("keys") == "2")
            #expect(await shell.run("tenant list --json").output == "{\"tenants\":[]}\n")
            let done = await run("--json")
            #expect(done.status == .done, "\(done.errors)")
            #expect(done.json("changes", "0", "kind") == "tenant" && done.json("prices", "imported", "0") != nil)
            let again = await run("--json")
            #expect(
                again.json("changes", "0") == nil && again.json("prices", "imported", "0") == nil, "\(again.output)")
            let budgets = await shell.run("budget show --tenant litellm --json").output
            for part in [
                "500000000000", "100250000000", "3000000000", "\"week\"", "\"day\"", "[50]", "\"set_nano_usd\":10000",
            ] {
                #expect(budgets.contains(part), "\(part) in \(budgets)")
            }
            #expect(await shell.run("budget show --tenant Big-Corp --json").output.contains("9000000000"))
            let teams = await shell.run("team list --tenant litellm --json")
            #expect(teams.json("teams", "0", "name") == "research" && teams.json("teams", "0", "suspended_at") != nil)
            #expect(teams.json("teams", "0", "models", "1") == "claude")
            let routes = await shell.run("route list --tenant litellm --json")
            #expect(routes.output.contains("\"gpt-4\"") && routes.json("routes", "0", "llm") == "anthropic/claude-x")
        }
    }

    @Test("clients keep their keys, and neither a key nor its plain hash is stored")
    func keys() async throws {
        try await with { shell, run in
            #expect(await run("").status == .done)
            let pool = try pool(shell.url)
            let hasher = try KeyHasher(pepper: Array(String(repeating: "p", count: 40).utf8))
            let catalog = CatalogStore(pool: pool, hasher: hasher, logger: Logger(label: "test"))
            try await catalog.refresh()
            // Its team is blocked.
            await #expect(throws: AuthenticationFailure.suspended) {
                try await catalog.authenticate("sk-first-key-0001")
            }
            await shell.run("team resume research --tenant litellm")
            try await catalog.refresh()
            let caller = try await catalog.authenticate("sk-first-key-0001")
            #expect(caller.tenant.name == "litellm" && caller.teamID != nil)
            #expect(caller.models.allows("gpt-4o") && !caller.models.allows("gpt-4"))
            await #expect(throws: AuthenticationFailure.suspended) {
                try await catalog.authenticate("sk-second-key-0002")
            }
            await #expect(throws: AuthenticationFailure.unknownKey) {
                try await catalog.authenticate("sk-third-key-0003")
            }
            let stored = try await pool.query(
                """
                select count(*) as n from api_keys k
                join "LiteLLM_VerificationToken" t on encode(k.hash, 'hex') = t.token
                """
            ).rows
            #expect(try stored.first?.get("n", as: Int64.self) == 0)
            await pool.close()
        }
    }

    @Test("whatever has no equal is named by its place, and nothing else is")
    func remarks() async throws {
        try await with { _, run in
            let done = await run("--json")
            let report = try #require(
                JSONSerialization.jsonObject(with: Data(done.output.utf8)) as? [String: Any])
            let paths = (report["remarks"] as? [[String: String]] ?? []).compactMap { $0["path"] }
            let keys = "LiteLLM_VerificationToken"
            let expected: Set<String> = [
                "model_list[1].litellm_params.api_version", "model_list[1].litellm_params.api_key", "model_list[1]",
                "model_list[2].litellm_params.max_budget", "model_list[2]", "model_list[4].litellm_params.model",
                "router_settings.routing_strategy", "router_settings.model_group_alias.gone",
                "litellm_settings.drop_params", "general_settings.alerting", "environment_variables.A",
                "LiteLLM_TeamTable[research].budget_duration", "LiteLLM_TeamTable[research].admins",
                "LiteLLM_OrganizationTable[Big-Corp].spend", "LiteLLM_BudgetTable[b1].tpd_limit",
                "\(keys)[litellm-\(Self.digest("sk-second-key-0002").prefix(12))].aliases", "\(keys)[old]",
                "LiteLLM_UserTable",
            ]
            #expect(Set(paths.filter { !$0.hasPrefix("columns ") }) == expected)
            let configuration = report["configuration"] as? String ?? ""
            #expect(configuration.contains("{ name: openai, kind: openai, api_key: \"env:OPENAI_API_KEY\""))
            #expect(configuration.contains("first_byte_seconds: 30, total_seconds: 30 }"))
            #expect(configuration.contains("key: \"env:MASTER\""))
            #expect(configuration.contains("name: azure, kind: azure, base_url: \"https://x.example\""))
            #expect(!done.output.contains("sk-literal"))
        }
    }

    @Test("a timeout is of the whole call: a provider's is its models' longest, else the proxy's")
    func timeouts() throws {
        let yaml = """
            model_list:
              - { model_name: a, litellm_params: { model: openai/a, timeout: 30 } }
              - { model_name: b, litellm_params: { model: openai/b, timeout: 7200.5 } }
              - { model_name: c, litellm_params: { model: openai/c, timeout: 30 } }
              - { model_name: d, litellm_params: { model: anthropic/d } }
              - { model_name: e, litellm_params: { model: mistral/e, timeout: 0 } }
            litellm_settings: { request_timeout: 600 }
            """
        let source = try LiteLLMSource(yaml: yaml, path: "litellm.yaml")
        let plan = try LiteLLMPlan(source, tenant: "litellm", environment: [:])
        #expect(plan.providers.map(\.name) == ["openai", "anthropic", "mistral"])
        #expect(plan.providers.map(\.totalSeconds) == ["7200.5", "600", "600"])
        #expect(plan.providers.map(\.firstByteSeconds) == ["3600", "600", "600"])
        #expect(plan.providers[1].yaml.hasSuffix(", first_byte_seconds: 600, total_seconds: 600 }\n"))
        let paths = plan.remarks.map(\.path).filter { $0.hasSuffix("timeout") }
        #expect(paths == [1, 2, 4].map { "model_list[\($0)].litellm_params.timeout" })
    }

    @Test("a model without a timeout is not cut off by another one's", arguments: [nil, "600"])
    func openTimeouts(proxy: String?) throws {
        let yaml = """
            model_list:
              - { model_name: a, litellm_params: { model: openai/a, timeout: 30 } }
              - { model_name: b, litellm_params: { model: openai/b } }
            litellm_settings: { \(proxy.map { "request_timeout: \($0)" } ?? "drop_params: true") }
            """
        let plan = try LiteLLMPlan(
            LiteLLMSource(yaml: yaml, path: "litellm.yaml"), tenant: "litellm", environment: [:])
        #expect(plan.providers.map(\.totalSeconds) == [proxy] && plan.providers.map(\.firstByteSeconds) == [proxy])
        #expect(plan.remarks.contains { $0.reason.contains("openai: a provider has one timeout here") })
    }

    @Test("a key that has expired since it came over ends here too, by that alone; one that never came is not made")
    func expiredSince() throws {
        var source = try LiteLLMSource(yaml: "{}", path: "litellm.yaml")
        source.rows["LiteLLM_VerificationToken"] = [
            [
                "token": .text(Self.digest("sk-third-key-0003")), "key_alias": .text("old"), "blocked": .flag(true),
                "models": .list([.text("gpt-4o")]), "expires": .text("2001-01-01T00:00:00"),
            ]
        ]
        let plan = try LiteLLMPlan(source, tenant: "litellm", environment: [:])
        let declared = DeclaredState(resources: plan.resources, tenants: plan.tenants)
        func keys(_ current: CurrentState) throws -> [ApplyPlan.Change] {
            try ApplyPlan(declared: declared, current: current, prunes: false).changes.filter { $0.name.kind == .key }
        }
        var there = CurrentState()
        #expect(try keys(there).isEmpty)
        there.resources = [
            CurrentResource(
                name: ResourceName(kind: .key, tenant: "litellm", text: "old"),
                fields: ["team": "none", "expires": "none", "suspended": "false", "models": "none"],
                removal: .key(7))
        ]
        let changes = try keys(there)
        #expect(changes.map(\.action) == [.change])
        #expect(changes.first?.fields == [.init(name: "expires", before: "none", after: "2001-01-01T00:00:00Z")])
        guard case .key(let draft, let isSuspended)? = changes.first?.declared?.draft else {
            Issue.record("no change of a key")
            return
        }
        #expect(draft.expiresAt != nil && isSuspended == nil)
    }

    @Test("a tenant without a budget of its own is named: its keys can pay for nothing")
    func withoutBudget() async throws {
        try await with { shell, run in
            let bare = Self.config.replacing("max_budget: 500, budget_duration: 30d, ", with: "")
            let remark = "no paid call until gboost budget set --tenant litellm"
            let without = bare.replacing(", max_budget: 3, budget_duration: 7d", with: "")
            for (text, words) in [(bare, "no other paid call"), (without, remark)] {
                try Data(text.utf8).write(to: shell.directory.appending(path: "litellm.yaml"))
                let tried = await run("--dry-run --json")
                #expect(tried.output.contains(words) && !tried.output.contains("tenant Big-Corp"), "\(tried.output)")
            }
        }
    }

    @Test("only keys need the pepper: without any, an import goes without it")
    func withoutPepper() async throws {
        try await with { shell, run in
            try FileManager.default.removeItem(at: shell.pepper)
            let refused = await run("--dry-run")
            #expect(refused.status == .configuration && refused.errors.contains("secrets.key_pepper"))
            let pool = try pool(shell.url)
            _ = try await pool.query("delete from \"LiteLLM_VerificationToken\"")
            await pool.close()
            for line in ["--dry-run", "--json"] {
                let done = await run(line)
                #expect(done.status == .done, "\(done.errors)")
            }
        }
    }

    private static func digest(_ key: String) -> String { KeyHasher.plainDigest(key) }

    @Test("what is written for a literal master key loads with that variable set, and finds the key")
    func writtenConfigurationLoads() async throws {
        try await with { shell, run in
            let literal = Self.config.replacing("os.environ/MASTER", with: "sk-literal-master-key")
            try Data(literal.utf8).write(to: shell.directory.appending(path: "litellm.yaml"))
            let written = shell.directory.appending(path: "written.yaml").path()
            let done = await run("--json --write \(written)")
            #expect(done.status == .done, "\(done.errors)")
            let reference = try #require(done.json("admin_key"))
            let variable = String(reference.dropFirst("env:".count))
            #expect(done.output.contains("put it into the variable \(variable)"), "\(done.output)")
            let environment = [variable: "sk-literal-master-key", "GBOOST_DATABASE_URL": shell.url]
            let configuration = try GatewayConfiguration.load(file: written, environment: environment)
            #expect(configuration.administration.key?.description == reference)
            let deployments = configuration.groups.first?.group.deployments.map(\.model.description)
            #expect(deployments == ["openai/gpt-4o", "azure/my-gpt"])
            #expect(!configuration.unusableSecrets(environment: environment).contains { $0.field == "admin.key" })
        }
    }

    @Test(
        "durations become windows, the next longer one where there is none",
        arguments: [
            ("24h", "day true"), ("30s", "day false"), ("7d", "week true"), ("30d", "month true"),
            ("1mo", "month true"),
            ("10d", "month false"), ("90d", "quarter true"), ("2mo", "quarter false"), ("1000d", "total false"),
            ("soon", ""), ("0d", ""), ("-1d", ""),
        ])
    func durations(text: String, wanted: String) {
        let found = LiteLLMLimits.window(text).map { "\($0.window.rawValue) \($0.isSame)" }
        #expect(found ?? "" == wanted)
    }
}
