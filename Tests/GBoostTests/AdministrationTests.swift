import EmbeddedPostgres
import Foundation
import GatewayCore
import GatewayServer
import GatewayTesting
import Inference
import Logging
import Postgres
import Testing

@testable import Ledger
@testable import gboost

/// Command lines against a real database, from their text to what they print and end with.
@Suite struct AdministrationTests {
    struct Shell: Sendable {
        let directory: URL
        let url: String

        struct Outcome: Sendable {
            var status: CommandStatus
            var output: String
            var errors: String

            /// A value of the JSON document, by its path.
            func json(_ path: String...) -> String? {
                var value: Any? = try? JSONSerialization.jsonObject(with: Data(output.utf8))
                for name in path {
                    if let list = value as? [Any] {
                        value = Int(name).flatMap { list.indices.contains($0) ? list[$0] : nil }
                    } else {
                        value = (value as? [String: Any])?[name]
                    }
                }
                return value.map { "\($0)" }
            }
        }

        /// Runs a command line; words are split at spaces, and '' is an empty one.
        @discardableResult func run(_ line: String) async -> Outcome {
            let capture = CommandOutput.Capture()
            let config = directory.appending(path: "gboost.yaml").path()
            let status = await CommandOutput.$capture.withValue(capture) {
                await CommandRun.run(
                    line.split(separator: " ").map { $0 == "''" ? "" : String($0) } + ["--config", config])
            }
            return Outcome(status: status, output: capture.output, errors: capture.errors)
        }

        var pepper: URL { directory.appending(path: "pepper") }

        /// Leaves an SLM and a head for it, as slm.gguf and head.json; the SLM's SHA-256.
        @discardableResult func writeModel() async throws -> String {
            let slm = directory.appending(path: "slm.gguf")
            try TinyModel().file.write(to: slm)
            let sha256 = try await FileDigest.of(slm.path()).sha256
            try Self.head(for: sha256).write(to: directory.appending(path: "head.json"))
            return sha256
        }

        static func head(for base: String, width: Int = TinyModel().width) throws -> Data {
            let zeros = [Float](repeating: 0, count: width)
            return try RewardHead(
                baseSHA256: base, weights: zeros, bias: 0, mean: zeros, scale: zeros.map { $0 + 1 },
                calibration: .identity, metrics: [:], seed: 0
            ).encoded()
        }

        static let migrations = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "migrations").path()

        static func with(function: String = #function, _ body: (Shell) async throws -> Void) async throws {
            let database = try await ScratchDatabase.make(function: function)
            let directory = URL(filePath: TestFiles.path("cli"))
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: directory) }
            let shell = Shell(directory: directory, url: database.url)
            let yaml = """
                database: { url: "\(database.url)" }
                ledger: { migrations: "\(migrations)" }
                secrets: { key_pepper: "file:\(shell.pepper.path())" }
                providers:
                  - { name: sim, kind: openai, base_url: "http://127.0.0.1:1/v1" }
                """
            try Data(yaml.utf8).write(to: directory.appending(path: "gboost.yaml"))
            try Data(String(repeating: "p", count: 40).utf8).write(to: shell.pepper)
            do { try await body(shell) } catch {
                try await database.drop()
                throw error
            }
            try await database.drop()
        }
    }

    @Test("a tenant is set up by the commands of the README, and the doctor finds nothing wrong with it")
    func setUp() async throws {
        try await Shell.with { shell in
            let before = await shell.run("tenant list")
            // The server's roles may be there already, of another database.
            #expect([.failed, .configuration].contains(before.status))
            #expect(before.errors.contains("gboost migrate"))
            #expect(await shell.run("migrate --json").json("applied", "0", "version") == "1")
            #expect(await shell.run("migrate").output == "nothing to apply\n")
            #expect(await shell.run("migrate status --json").json("migrations", "0", "state") == "applied")
            #expect(await shell.run("retention set requests --months 13 --json").json("months") == "13")
            #expect(await shell.run("retention set requests").status == .usage)
            #expect(await shell.run("retention show").output.contains("for ever"))

            let tenant = await shell.run("tenant create acme --time-zone Europe/Berlin --json")
            #expect(tenant.json("time_zone") == "Europe/Berlin")
            #expect(await shell.run("team create research --tenant acme").status == .done)
            let key = await shell.run("key create --tenant acme --team research --name first --json")
            let secret = try #require(key.json("key"))
            #expect(secret.hasPrefix("gb-"))
            let list = await shell.run("key list --tenant acme --json")
            #expect(!list.output.contains(secret))
            #expect(list.json("keys", "0", "team") == "research")

            let budget = await shell.run("budget set --tenant acme --limit-usd 0.5 --alert-at 50,80 --json")
            #expect(budget.json("limit_nano_usd") == "500000000")
            let more = await shell.run("budget top-up --tenant acme --amount-usd 0.25 --json")
            #expect(more.json("limit_nano_usd") == "750000000")
            #expect(more.json("set_nano_usd") == "500000000")

            let price = await shell.run("price set sim/m --input-usd-per-mtok 2.5 --output-usd-per-mtok 10 --json")
            #expect(price.json("input_usd_per_mtok") == "2.5")

            try await shell.writeModel()
            let path = shell.directory.path()
            #expect(await shell.run("model add slm --tenant acme --kind slm --file \(path)/slm.gguf").status == .done)
            let head = await shell.run(
                "model add prm --tenant acme --kind prm --base slm --file \(path)/head.json --json")
            #expect(head.json("reward_kind") == "shared-head")
            let route = await shell.run(
                "route add math --tenant acme --slm slm --prm prm --llm sim/m --set shadow_price=2.5 --json")
            #expect(route.json("settings", "shadow_price") == "2.5")
            #expect(route.json("llm") == "sim/m")

            let healthy = await shell.run("doctor --json")
            #expect(healthy.status == .done, "\(healthy.output)\(healthy.errors)")
            try Data("another".utf8).write(to: shell.directory.appending(path: "slm.gguf"))
            let sick = await shell.run("doctor")
            #expect(sick.status == .failed)
            #expect(sick.output.contains("PROBLEM  model acme/slm"))
        }
    }

    @Test("a login that is no member of gboost_app ends with status 3 and is told what to grant; a member works")
    func membership() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let login = "l" + UUID().uuidString.lowercased().filter { $0 != "-" }
            let owner = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
                logger: .init(label: "test"))
            _ = try await owner.query(PostgresStatement(trusted: "create role \(login) login"))
            let file = shell.directory.appending(path: "gboost.yaml")
            let yaml = try String(contentsOf: file, encoding: .utf8)
            try Data(yaml.replacing("://gboost@", with: "://\(login)@").utf8).write(to: file)
            let refused = await shell.run("tenant create acme")
            #expect(refused.status == .configuration)
            #expect(refused.errors.contains("grant gboost_app to"), "\(refused.errors)")
            #expect(!refused.errors.contains("migrate"), "it has been done: \(refused.errors)")
            let report = await shell.run("doctor").output
            #expect(report.contains("→ grant gboost_app to") && !report.contains("gboost migrate"), "\(report)")
            _ = try await owner.query(PostgresStatement(trusted: "grant gboost_app to \(login)"))
            #expect(await shell.run("tenant create acme").status == .done)
            #expect(await shell.run("tenant suspend acme").status == .done)
            _ = try await owner.query(PostgresStatement(trusted: "drop role \(login)"))
            await owner.close()
        }
    }

    @Test("a model is checked before it is registered, and ordered into memory and out of it")
    func models() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let path = shell.directory.path()
            try TinyModel().file.write(to: shell.directory.appending(path: "slm.gguf"))
            try Data("head".utf8).write(to: shell.directory.appending(path: "head.json"))
            await shell.run("model add slm --tenant acme --kind slm --file \(path)/slm.gguf")
            let damaged = await shell.run("model add bad --tenant acme --kind slm --file \(path)/head.json")
            #expect(damaged.status == .usage)
            #expect(damaged.errors.contains("file: ") && damaged.errors.contains("head.json cannot be used: "))
            let loaded = await shell.run("model load slm --tenant acme --json")
            #expect(loaded.json("order", "action") == "load")
            #expect(loaded.json("order", "number") == "1")
            let unloaded = await shell.run("model unload slm --tenant acme --json")
            #expect(unloaded.json("order", "action") == "unload")
            #expect(unloaded.json("order", "number") == "2")
            #expect(await shell.run("model load none --tenant acme").status == .failed)
        }
    }

    @Test("a wrong command ends with its status and one line that names the field")
    func failures() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let cases: [(line: String, status: CommandStatus, text: String)] = [
                ("tenant create acme", .failed, "name: "), ("tenant create .x", .usage, "name: "),
                ("key list --tenant nobody", .failed, "tenant: "),
                ("key create --tenant acme --expires 2001-01-01", .usage, "expires: "),
                ("key create --tenant acme --models ''", .usage, "--models: names none"),
                ("key create --tenant acme --models ,", .usage, "--models: names none"),
                // The parser takes it for an option whose value is yet to come.
                ("key create --tenant acme --models=", .usage, "--models"),
                ("key create --tenant acme --models=a --no-models", .usage, "--models: and --no-models"),
                ("budget set --tenant acme --limit-usd -1", .usage, "limit-usd"),
                ("budget set --tenant acme --limit-usd 1 --team a --key 1", .usage, "--team and --key"),
                ("budget set --tenant acme --limit-usd 1 --window year", .usage, "window"),
                ("price set nonsense --input-usd-per-mtok 1 --output-usd-per-mtok 1", .usage, "MODEL: "),
                ("model add m --tenant acme --kind slm --file /nowhere", .usage, "file: "),
                ("route add r --tenant acme --slm s --prm p --llm sim/m", .failed, "slm: "),
                ("route add r --tenant acme --slm s --llm sim/m --set x=1", .usage, "route setting 'x'"),
                ("spend --tenant acme --month 2026-13", .usage, "--month: "),
                ("escalations show 1 --tenant acme", .failed, "seq: "), ("key revoke 99", .failed, "key: "),
                ("key suspend 99", .failed, "key: "), ("team suspend x --tenant acme", .failed, "team: "),
                ("budget set --tenant acme --limit-usd 1 --rollover-usd x", .usage, "--rollover-usd: "),
                ("budget set --tenant acme --limit-usd 1 --week-start never", .usage, "week-start"),
                ("budget remove --tenant acme --window day", .failed, "budget: "),
                ("limit set --tenant acme", .usage, "--requests-per-minute"),
                ("limit remove --tenant acme --parallel", .failed, "limit: "),
                ("limit set --tenant acme --parallel 1 --model a/* --for local", .usage, "model: "),
            ]
            for (line, status, text) in cases {
                let outcome = await shell.run(line)
                #expect(outcome.status == status, "\(line): \(outcome.errors)")
                #expect(outcome.output.isEmpty, "\(line)")
                #expect(outcome.errors.contains(text), "\(line): \(outcome.errors)")
                #expect(outcome.errors.split(separator: "\n").count == 1, "\(line): \(outcome.errors)")
            }
        }
    }

    @Test("budgets of every kind, their overrides, rate limits and suspensions are set, shown and taken away")
    func limits() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            await shell.run("team create research --tenant acme")
            let key = try #require(await shell.run("key create --tenant acme --team research --json").json("id"))
            let name = "--tenant acme --team research --model openai/gpt-4* --window week"
            let budget = await shell.run(
                "budget set \(name) --limit-usd 5 --week-start sun --rollover-usd 2 --time-zone Asia/Tokyo --json")
            #expect(budget.json("scope") == "team:research model:openai/gpt-4*")
            #expect(budget.json("week_start") == "sun" && budget.json("rollover_nano_usd") == "2000000000")
            let plain = await shell.run("budget set \(name) --limit-usd 5 --rollover-usd none --json")
            #expect(plain.json("week_start") == "sun" && plain.json("rollover_nano_usd") == nil)
            #expect(
                await shell.run("budget set --tenant acme --tag batch --window quarter --limit-usd 9").status == .done)
            #expect(await shell.run("budget set --tenant acme --window request --limit-usd 1").status == .done)
            let override = await shell.run(
                "budget override add \(name) --limit-usd 7 --from 2020-01-01 --until 2100-01-01 --json")
            #expect(override.json("limit_nano_usd") == "7000000000" && override.json("set_nano_usd") == "5000000000")
            let id = try #require(
                await shell.run("budget override list \(name) --json").json("overrides", "0", "id"))
            #expect(override.json("override_id") == id)
            let added = await shell.run(
                "budget override add \(name) --limit-usd 8 --from 2099-01-01 --until 2099-02-01")
            let line = try #require(added.output.split(separator: "\n").last)
            #expect(line.hasSuffix("  2099-01-01  2099-02-01  8.000000000"), "\(added.output)")
            #expect(await shell.run("budget override list \(name)").output.hasSuffix("\n\(line)\n"))
            #expect(await shell.run("budget override remove \(id) \(name)").status == .done)
            #expect(
                await shell.run("budget show --tenant acme --json").json("budgets", "2", "limit_nano_usd")
                    == "5000000000")
            #expect(await shell.run("budget remove \(name)").status == .done)
            #expect(await shell.run("budget show --tenant acme --json").json("budgets", "2") == nil)

            let limits = await shell.run(
                "limit set --tenant acme --key \(key) --requests-per-minute 60 --tokens-per-minute 1000 --json")
            #expect(limits.json("limits", "1", "unit") == "tokens")
            #expect(await shell.run("limit set --tenant acme --parallel 4 --for local").status == .done)
            let shown = await shell.run("limit show --tenant acme --json")
            #expect(shown.json("limits", "0", "scope") == "key:\(key)" && shown.json("limits", "0", "used") == "0")
            #expect(shown.json("limits", "2", "traffic") == "local" && shown.json("limits", "2", "limit") == "4")
            #expect(await shell.run("limit remove --tenant acme --parallel --for local").status == .done)
            #expect(await shell.run("limit show --tenant acme --json").json("limits", "2") == nil)

            #expect(await shell.run("key suspend \(key) --json").json("suspended_at") != nil)
            #expect(await shell.run("key resume \(key) --json").json("suspended_at") == nil)
            #expect(await shell.run("team suspend research --tenant acme").output.contains("suspended"))
            #expect(await shell.run("team resume research --tenant acme").output.contains("active"))
        }
    }

    @Test("the spend report has the keys that scripts read, also before anything was spent")
    func spend() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            await shell.run("budget set --tenant acme --limit-usd 3")
            let report = await shell.run("spend --tenant acme --month 2026-11 --json")
            #expect(report.json("tenant") == "acme")
            #expect(report.json("month") == "2026-11")
            #expect(report.json("limit_nano_usd") == "3000000000")
            #expect(report.json("settled_nano_usd") == "0")
            #expect(report.json("held_nano_usd") == "0")
            #expect(report.output.contains("\"rows\":[]"))
            #expect(await shell.run("spend --tenant acme --format csv --by day").output.hasPrefix("day,usd,nano_usd,"))
            #expect(await shell.run("holds list --unreconciled --json").output == "{\"holds\":[]}\n")
            #expect(await shell.run("escalations list --tenant acme --json").output == "{\"escalations\":[]}\n")
            let columns = EscalationText.columns.joined(separator: ",") + "\r\n"
            for name in ["list", "export"] {
                let line = "escalations \(name) --tenant acme --month 2026-11"
                #expect(await shell.run(line + " --format csv").output == columns)
                #expect(await shell.run(line + " --json").output == "{\"escalations\":[]}\n")
                #expect(await shell.run(line + " --json --format csv").status == .usage)
            }
            #expect(await shell.run("escalations export --tenant acme").output.isEmpty)
        }
    }

    @Test(
        "an export goes on to the last escalation, page by page, and disarms formulas in CSV",
        arguments: [1000, 1001, 2500])
    func export(count: Int) async throws {
        let all = (1...Int64(count)).map { seq in
            EscalationInfo(
                seq: seq, at: Date(timeIntervalSince1970: 1_800_000_000), hold: "r/1/1", entryKind: "charge",
                kind: "step", keyID: 1, model: ModelReference(provider: "sim", model: "m"), priceID: 1,
                held: NanoUSD(9), amount: NanoUSD(-5), actions: [], reason: "=1+1")
        }
        var printed: [EscalationText.Form: String] = [:]
        for form in [EscalationText.Form.lines, .columns, .document] {
            let capture = CommandOutput.Capture()
            try await CommandOutput.$capture.withValue(capture) {
                try await EscalationText(form).write(after: 1) { seen in
                    Array(all.filter { $0.seq > seen }.prefix(EscalationText.pageSize))
                }
            }
            printed[form] = capture.output
        }
        let lines = (printed[.lines] ?? "").split(separator: "\n")
        #expect(lines.count == count - 1)
        let last = try JSONSerialization.jsonObject(with: Data((lines.last ?? "").utf8)) as? [String: Any]
        #expect(last?["seq"] as? Int == count && last?["amount_nano_usd"] as? Int == -5)
        let document = try JSONSerialization.jsonObject(with: Data((printed[.document] ?? "").utf8)) as? [String: Any]
        #expect((document?["escalations"] as? [Any])?.count == lines.count)
        // CR LF is one character.
        let rows = (printed[.columns] ?? "").split(separator: "\r\n")
        #expect(rows.count == lines.count + 1 && rows.first?.hasPrefix("seq,at,hold,") == true)
        #expect(rows.dropFirst().allSatisfy { $0.contains(",9,-5,,,,'=1+1,[],") })
    }

    @Test("only a command that makes a key needs the pepper; without it no key is made")
    func pepper() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            try FileManager.default.removeItem(at: shell.pepper)
            #expect(await shell.run("tenant create acme").status == .done)
            let key = await shell.run("key create --tenant acme")
            #expect(key.status == .configuration)
            #expect(key.errors.contains("secrets.key_pepper"))
            #expect(!FileManager.default.fileExists(atPath: shell.pepper.path()))
            #expect(await shell.run("key list --tenant acme --json").output == "{\"keys\":[]}\n")
        }
    }

    @Test("an unreachable database ends with status 4, a configuration that is wrong with 3")
    func statuses() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-cli-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let shell = Shell(directory: directory, url: "")
        let config = directory.appending(path: "gboost.yaml")
        try Data("database: { url: 'postgresql:///x?host=\(directory.path())' }".utf8).write(to: config)
        let away = await shell.run("tenant list")
        #expect(away.status == .databaseUnreachable, "\(away.errors)")
        // Also where several changes are one transaction.
        let state = directory.appending(path: "state.yaml").path()
        try Data("tenants: [{ name: acme }]".utf8).write(to: URL(filePath: state))
        for line in ["apply \(state)", "limit set --tenant acme --parallel 1"] {
            let outcome = await shell.run(line)
            #expect(outcome.status == .databaseUnreachable, "\(line): \(outcome.errors)")
        }
        try Data("server: { port: x }".utf8).write(to: config)
        let wrong = await shell.run("tenant list")
        #expect(wrong.status == .configuration)
        #expect(wrong.errors.contains("gboost.yaml:1: server.port"))
        try FileManager.default.removeItem(at: config)
        #expect(await shell.run("tenant list").status == .configuration)
    }
}
