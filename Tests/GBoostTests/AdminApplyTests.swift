import Curl
import Foundation
import GatewayCore
import Ledger
import Logging
import Outbox
import Postgres
import Testing

@testable import GatewayServer
@testable import gboost

@Suite("Applying a declaration over HTTP")
struct AdminApplyTests {
    typealias Shell = AdministrationTests.Shell

    private static let state = """
        prices:
          - { model: sim/m, input_usd_per_mtok: 2.5, output_usd_per_mtok: 10 }
        destinations:
          - { name: ops, kind: webhook, target: "https://example.com/", secret: "env:HOOK" }
        tenants:
          - name: acme
            teams: [research]
            keys:
              - { name: app, team: research }
            budgets:
              - { limit_usd: 100, alert_at: [50, 80] }
            routes:
              - { name: direct, llm: sim/m, settings: { strategy: direct } }
        """

    private func apply(_ text: String, way: ApplyWay = ApplyWay(), _ store: AdminStore) async throws -> String {
        let answer = try await AdminApply.closure(Array(text.utf8), way, store)
        guard case .whole(let bytes) = answer.body else { return "no document" }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func with(_ body: (Shell, AdminStore) async throws -> Void) async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            var configuration = try PostgresConfiguration(url: shell.url)
            // Where others wait on purpose, on a machine that many tests share.
            configuration.statementTimeout = .seconds(120)
            let pool = PostgresPool(
                configuration: configuration, size: 2, maxWaiting: 10,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let hasher = try KeyHasher(pepper: Array(String(repeating: "p", count: 40).utf8))
            do { try await body(shell, AdminStore(pool: pool, hasher: hasher, actor: "jwt:jane")) } catch {
                await pool.close(within: .seconds(1))
                throw error
            }
            await pool.close(within: .seconds(1))
        }
    }

    @Test("a plan says what the command's says and changes nothing; what it plans is done once, by who asked")
    func same() async throws {
        try await with { shell, store in
            let file = shell.directory.appending(path: "state.yaml")
            try Data(Self.state.utf8).write(to: file)
            let plan = try await apply(Self.state, way: ApplyWay(isPlan: true), store)
            let command = await shell.run("apply \(file.path) --plan --json")
            #expect(command.status == .done && command.output == plan + "\n", "\(command.errors)")
            #expect(plan.contains(#""applied":false"#) && plan.contains(#""keys":[]"#))
            #expect(await shell.run("tenant list --json").output == "{\"tenants\":[]}\n")

            let done = try await apply(Self.state, store)
            #expect(done.contains(#""applied":true"#) && done.contains(#""key":"gb-"#))
            #expect(await shell.run("key list --tenant acme --json").json("keys", "0", "team") == "research")
            let event = try #require(try await store.events().first { $0.action == "tenant.create" })
            #expect(event.actor == "jwt:jane" && event.subject == "acme")
            #expect(try await apply(Self.state, store) == #"{"applied":false,"changes":[],"keys":[]}"#)
            // Nothing is pruned.
            #expect(try await apply("tenants: [{ name: acme }]", store).contains(#""changes":[]"#))
            #expect(await shell.run("route list --tenant acme --json").json("routes", "0", "name") == "direct")
        }
    }

    @Test(
        "it waits for whoever changes its tenants, and whoever comes after waits for it: neither is in the other's way")
    func beside() async throws {
        try await with { shell, store in
            _ = try await apply("tenants: [{ name: one }, { name: two, budgets: [{ limit_usd: 1 }] }]", store)
            let others = Task {
                var limit: Int64 = 1
                while !Task.isCancelled {
                    do {
                        _ = try await store.setBudget(BudgetDraft(tenant: "two", window: .day, limit: NanoUSD(limit)))
                    } catch {
                        guard Task.isCancelled else { throw error }
                    }
                    limit += 1
                }
            }
            for round in 0..<10 {
                // A key is what all gateways are told of; a budget needs its tenant.
                let state = """
                    tenants:
                      - { name: one, keys: [{ name: k\(round) }] }
                      - { name: two, budgets: [{ limit_usd: \(round + 2) }] }
                    """
                #expect(try await apply(state, store).contains(#""applied":true"#))
            }
            others.cancel()
            try await others.value
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 4,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let row = try await pool.query(
                "select deadlocks from pg_stat_database where datname = current_database()"
            ).rows.first
            #expect(try row?.get("deadlocks", as: Int64.self) == 0)
            await pool.close()
        }
    }

    @Test("what is not declared is pruned where that is asked for, as by the command, and a plan only says so")
    func pruning() async throws {
        try await with { shell, store in
            _ = try await apply(Self.state, store)
            let less = "tenants: [{ name: acme }]"
            let file = shell.directory.appending(path: "less.yaml")
            try Data(less.utf8).write(to: file)
            let command = await shell.run("apply \(file.path) --prune --plan --json")
            let plan = try await apply(less, way: ApplyWay(isPlan: true, prunes: true), store)
            #expect(command.output == plan + "\n", "\(command.errors)")
            #expect(plan.contains(#""action":"remove""#), "\(plan)")
            #expect(try await store.routes(tenant: "acme").map(\.name) == ["direct"])
            #expect(try await store.budgets(tenant: "acme").count == 1)
            let done = try await apply(less, way: ApplyWay(prunes: true), store)
            #expect(done.replacing(#""applied":true"#, with: #""applied":false"#) == plan, "\(done)")
            #expect(try await store.routes(tenant: "acme").isEmpty)
            #expect(try await store.budgets(tenant: "acme").isEmpty)
            #expect(try await store.keys(tenant: "acme").allSatisfy { $0.revokedAt != nil })
            // Teams, prices and what is the operator's own never go.
            #expect(try await store.teams(tenant: "acme").map(\.name) == ["research"])
            #expect(try await store.destinations().map(\.destination.name) == ["ops"])
        }
    }

    @Test("a declaration may be JSON; what is wrong in it is told by its place, and nothing of it comes about")
    func wrong() async throws {
        try await with { shell, store in
            let cases: [(text: String, message: String)] = [
                (
                    #"{"tenants": [{"name": "a1", "budgets": [{"limit_usd": -1}]}]}"#,
                    "tenants[0].budgets[0].limit_usd: "
                ),
                (#"{"tenants": [{"name": "a1", "colour": 1}]}"#, "tenants[0].colour: is unknown here"),
                (
                    #"{"tenants": [{"name": "a1", "routes": [{"name": "r", "slm": "s", "prm": "p", "llm": "x/m"}]}]}"#,
                    "tenants[0].routes[0].slm: "
                ),
                (#"{"tenants": [{"name": ".x"}]}"#, "name: "), ("{", "not valid YAML"), ("", "declares nothing"),
            ]
            for (text, message) in cases {
                do {
                    let report = try await apply(text, store)
                    Issue.record("\(text): \(report)")
                } catch let refusal as GatewayRefusal {
                    #expect(refusal.status == 400 && refusal.message.hasPrefix("body"), "\(text): \(refusal.message)")
                    #expect(refusal.message.contains(message), "\(text): \(refusal.message)")
                }
            }
            await #expect(throws: GatewayRefusal.self) {
                _ = try await AdminApply.closure([0xFF, 0xFE], ApplyWay(), store)
            }
            #expect(await shell.run("tenant list --json").output == "{\"tenants\":[]}\n")
            #expect(try await apply(#"{"tenants": [{"name": "a1"}]}"#, store).contains(#""applied":true"#))
        }
    }

    @Test("a gateway that is administered over HTTP takes declarations there")
    func wired() async throws {
        try await with { shell, store in
            try shell.append("admin: { key: \"env:ADMIN_KEY\" }\n")
            let configuration = try GatewayConfiguration.load(
                file: shell.directory.appending(path: "gboost.yaml").path, sets: [])
            let client = try CurlClient()
            let made = try configuration.administration(
                store, client: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                environment: ["ADMIN_KEY": "an-administrators-key-for-tests"])
            await client.shutdown()
            #expect(made?.apply != nil)
        }
    }
}
