import EmbeddedPostgres
import Foundation
import GatewayCore
import GatewayTesting
import Logging
import Postgres
import Testing

@testable import Ledger
@testable import gboost

@Suite("What the doctor and `serve --check` say of places and of the database")
struct DoctorTests {
    typealias Shell = AdministrationTests.Shell

    private static let nobody = "postgresql://gboost@127.0.0.1:1/none"

    @Test("a database that is away is not reached, and the remedy is its address and not a migration")
    func away() async throws {
        let configuration = try ConfigurationTests.load(
            "ledger: { migrations: \"\(Shell.migrations)\" }", environment: ["GBOOST_DATABASE_URL": Self.nobody])
        let findings = await DatabaseChecks(configuration: configuration).run()
        #expect(findings.map(\.state) == [.problem], "\(findings)")
        #expect(findings.first?.remedy?.contains("database.url") == true)
        #expect(findings.first?.remedy?.contains("migrate") == false)
        #expect(findings.first?.message.contains("refused") == true, "\(findings)")
    }

    @Test("a URL that is not there, or is another database's, is mended as such, and no server is to be started")
    func unusableURL() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "gboost-url-\(UUID())")
        try Data("mysql://a/b".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        for (place, words) in [("env:GBOOST_NO_SUCH_URL", "is not there"), ("file:\(file.path())", "cannot be read")] {
            let configuration = try ConfigurationTests.load("database: { url: \"\(place)\" }")
            let findings = await DatabaseChecks(configuration: configuration).run()
            #expect(findings.map(\.state) == [.problem] && findings[0].message.contains(words), "\(findings)")
            #expect(findings.first?.remedy == "mend database.url, or the variable or file that it names")
        }
    }

    @Test("why a database refuses is said by commands and by the doctor, and each reason has its remedy")
    func refusals() async throws {
        try await Shell.with { shell in
            let owner = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
                logger: Logger(label: "test"))
            let login = "l" + UUID().uuidString.lowercased().filter { $0 != "-" }
            _ = try await owner.query(PostgresStatement(trusted: "create role \(login) login connection limit 0"))
            let path = try #require(shell.url.split(separator: "?").first?.split(separator: "/").last)
            let file = shell.directory.appending(path: "gboost.yaml")
            let yaml = try String(contentsOf: file, encoding: .utf8)
            for (from, to, words, remedy) in [
                ("/\(path)", "/nope", "database \"nope\" does not exist", "create the database"),
                ("://gboost@", "://no_login@", "role \"no_login\" does not exist", "create the role"),
                ("://gboost@", "://\(login)@", "too many connections", "raise max_connections"),
            ] {
                try Data(yaml.replacing(from, with: to).utf8).write(to: file)
                let listed = await shell.run("tenant list")
                #expect(listed.status == .databaseUnreachable && listed.errors.contains(words), "\(listed.errors)")
                let report = await shell.run("doctor").output
                #expect(report.contains(words) && report.contains("→ \(remedy)"), "\(report)")
                #expect(!report.contains("start PostgreSQL"), "\(report)")
            }
            _ = try await owner.query(PostgresStatement(trusted: "drop role \(login)"))
            await owner.close()
        }
    }

    @Test(
        "what cannot be had from a test's server is told apart by libpq's words",
        arguments: [
            ("FATAL: sorry, too many clients already", "raise max_connections"),
            ("FATAL: remaining connection slots are reserved for roles with the SUPERUSER", "raise max_connections"),
            ("db.invalid: Name or service not known", "mend the host"),
            ("server does not support SSL, but SSL was required", "mend sslmode"),
            ("root certificate file \"/r.crt\" does not exist", "mend sslmode"),
            ("FATAL: password authentication failed for user \"u\"", "mend the user or the password"),
            ("FATAL: no pg_hba.conf entry for host \"::1\", user \"u\", SSL encryption", "mend the user"),
            ("FATAL: Datenbank existiert nicht", "start PostgreSQL"),
        ])
    func words(reason: String, remedy: String) {
        let failure = PostgresError(.connection, "connection to server failed:\n\t\(reason)\n")
        let error = LedgerError(failure)
        #expect(DatabaseRemedy.fitting(error).hasPrefix(remedy))
        #expect(CommandRun.outcome(error).text.hasSuffix("connection to server failed: \(reason)"))
        // Logs of the gateway, and whoever asks it, are told as much as before.
        #expect(!error.description.contains(reason) && !error.message.contains(reason))
    }

    @Test("an embedded cluster is made by migrate alone; before it, the schema is what is missing; silence is said")
    func embedded() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-embedded-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let shell = Shell(directory: directory, url: "")
        func configure(_ place: String) throws {
            let yaml = "database: { embedded: \"\(place)\" }\nledger: { migrations: \"\(Shell.migrations)\" }\n"
            try Data(yaml.utf8).write(to: directory.appending(path: "gboost.yaml"))
        }
        let relative = "gboost-none-\(UUID())"
        try configure(relative)
        let place = "\(FileManager.default.currentDirectoryPath)/\(relative)"
        for line in ["tenant create acme", "tenant list"] {
            let refused = await shell.run(line)
            #expect(refused.status == .configuration, "\(refused.errors)")
            #expect(refused.errors.contains("database.embedded: there is no cluster at \(place): run gboost migrate"))
        }
        #expect(await shell.run("doctor").output.contains("the cluster at \(place) is not made yet"))
        for suffix in ["", ".lock"] { #expect(!FileManager.default.fileExists(atPath: place + suffix)) }

        let cluster = EmbeddedCluster(directory: directory.path() + "/postgres", options: .forTests)
        let url = try await cluster.start()
        do {
            try configure(cluster.directory)
            let early = await shell.run("tenant create acme")
            #expect(early.errors.contains("the schema is not there yet: run gboost migrate"), "\(early.errors)")
            #expect(!early.errors.contains("grant") && !early.errors.contains("database.url"), "\(early.errors)")
            #expect(await shell.run("doctor").output.contains("→ run: gboost migrate\n"))

            let text = try String(contentsOfFile: cluster.directory + "/data/postmaster.pid", encoding: .utf8)
            let server = try #require(text.split(separator: "\n").first.flatMap { Int32($0) })
            try #require(kill(server, SIGSTOP) == 0)
            let configuration = try ConfigurationTests.load(
                "ledger: { migrations: \"\(Shell.migrations)\" }", environment: ["GBOOST_DATABASE_URL": url])
            let silent = await DatabaseChecks(configuration: configuration).run()
            // On a machine with much to do the wait for a connection may be over before the one for the server.
            let words = ["no answer within 5.0 seconds", "no connection became free in time"]
            #expect(words.contains { silent.first?.message.contains($0) == true }, "\(silent)")
            #expect(silent.first?.remedy?.contains("hangs") == true, "\(silent)")
        } catch {
            try await cluster.destroy()
            throw error
        }
        try await cluster.destroy()
    }

    /// What not even root may read, nor make anything in.
    private static let forbidden = (file: "/proc/sys/vm/compact_memory", directory: "/proc/sys/vm")

    @Test("a pepper that is not there, may not be read, is no text or is short: each is said, with a remedy that fits")
    func unusablePepper() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-pepper-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (binary, short) = (directory.appending(path: "binary"), directory.appending(path: "short"))
        try Data([0xFF, 0xFE]).write(to: binary)
        try Data("short".utf8).write(to: short)
        for (path, words, remedy) in [
            ("/nowhere/pepper", "is not there.", "set secrets.key_pepper to env:NAME or file:/path"),
            (Self.forbidden.file, "may not be read by this user.", "let the user that the gateway runs as read it"),
            (binary.path(), "is not text.", "restore the pepper"),
            (short.path(), "has fewer than 32 characters", "put one of 32 characters or more there"),
        ] {
            let yaml = "secrets: { key_pepper: \"file:\(path)\" }"
            let configuration = try ConfigurationTests.load(yaml, environment: Self.database)
            let found = MachineChecks(configuration: configuration, environment: [:]).secrets()
            #expect(found.map(\.state) == [.problem] && found[0].message.contains(words), "\(found)")
            #expect(found.first?.message.contains(path) == true && found.first?.remedy?.contains(remedy) == true)
            #expect(found.first?.remedy?.contains("set secrets.key_pepper") == (path == "/nowhere/pepper"), "\(found)")
            let told = configuration.unusableSecrets(environment: [:])
            #expect(told.first?.message.contains(words) == true, "\(told)")
        }
    }

    @Test("the directories of the journal and of checkpoints are looked at as a start will use them, and not made")
    func directories() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "gboost-directories-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try Data().write(to: URL(filePath: root + "/file"))
        #expect(MachineChecks.obstacle(to: root + "/a/b", files: ["lock"]) == nil)
        #expect(!FileManager.default.fileExists(atPath: root + "/a"))
        #expect(MachineChecks.obstacle(to: root, files: ["lock", "file"]) == nil)
        #expect(MachineChecks.obstacle(to: root + "/file/a", files: []) == "\(root)/file is not a directory")
        try FileManager.default.createSymbolicLink(
            atPath: root + "/lock", withDestinationPath: Self.forbidden.file)
        #expect(MachineChecks.obstacle(to: root, files: ["lock"]) == "\(root)/lock may not be written by this user")

        let there = Self.forbidden.directory
        let yaml = "ledger: { journal: \"\(there)/a/b\" }\naudit: { checkpoint_directory: \"\(there)\" }"
        let configuration = try ConfigurationTests.load(yaml, environment: Self.database)
        let findings = MachineChecks(configuration: configuration, environment: [:]).directories()
        #expect(findings.map(\.check) == ["journal", "checkpoints"])
        for finding in findings {
            #expect(finding.state == .problem && finding.message.contains("\(there) may not be written"), "\(finding)")
        }
        #expect(findings.first?.remedy?.contains("ledger.journal") == true)
    }

    @Test("the remedy fits what is wrong with the schema: a newer one wants a newer gateway")
    func schema() {
        func status(_ version: Int, _ state: MigrationStatus.State) -> MigrationStatus {
            MigrationStatus(version: version, name: "m\(version)", state: state, at: nil)
        }
        #expect(DatabaseChecks.schema([status(1, .applied)]).state == .ok)
        let newer = DatabaseChecks.schema([status(1, .applied), status(2, .missing)])
        #expect(newer.state == .problem && newer.message.contains("m2"))
        #expect(newer.remedy?.contains("as new as the database") == true && newer.remedy?.contains("migrate") == false)
        #expect(DatabaseChecks.schema([status(1, .pending)]).remedy == "run: gboost migrate")
        let changed = DatabaseChecks.schema([status(1, .changed), status(2, .pending)])
        #expect(changed.remedy?.contains("restore") == true)
    }

    @Test("a database that is there but empty wants a migration, and so does one that is half of it")
    func unmigrated() async throws {
        try await Shell.with { shell in
            let empty = await shell.run("doctor")
            #expect(empty.status == .failed && empty.output.contains("gboost migrate"), "\(empty.output)")
            await shell.run("migrate")
            let files = shell.directory.appending(path: "fewer")
            try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
            let first = try FileManager.default.contentsOfDirectory(atPath: Shell.migrations)
                .filter { $0.hasSuffix(".sql") }.min()
            let name = try #require(first)
            try FileManager.default.copyItem(
                at: URL(filePath: Shell.migrations).appending(path: name), to: files.appending(path: name))
            let older = await shell.run("doctor --set ledger.migrations=\(files.path())")
            #expect(older.status == .failed && older.output.contains("as new as the database"), "\(older.output)")
        }
    }

    @Test("a head that gateways would not serve is a problem, a tenant without a budget for all calls a warning")
    func headsAndBudgets() async throws {
        try await Shell.with { shell in
            for line in [
                "migrate", "tenant create acme", "key create --tenant acme",
                "budget set --tenant acme --key 1 --limit-usd 5",
                "budget set --tenant acme --window request --limit-usd 1",
            ] {
                #expect(await shell.run(line).status == .done, "\(line)")
            }
            try await shell.writeModel()
            let path = shell.directory.path()
            await shell.run("model add slm --tenant acme --kind slm --file \(path)/slm.gguf")
            // As one was registered before heads were looked at.
            try Data("head".utf8).write(to: shell.directory.appending(path: "head.json"))
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
                logger: Logger(label: "test"))
            let hasher = try KeyHasher(pepper: Array(String(repeating: "p", count: 40).utf8))
            _ = try await AdminStore(pool: pool, hasher: hasher, actor: "test").addModel(
                ModelDraft(
                    tenant: "acme", name: "prm", kind: .prm, file: "\(path)/head.json", base: "slm",
                    rewardKind: .sharedHead))
            await pool.close()
            let sick = await shell.run("doctor")
            #expect(sick.status == .failed && sick.output.contains("PROBLEM  model acme/prm"), "\(sick.output)")
            #expect(sick.output.contains("has no budget of its own: no paid call"), "\(sick.output)")
            await shell.run("budget set --tenant acme --model openai/* --limit-usd 5")
            #expect(await shell.run("doctor").output.contains("of its own for openai/* only: no other paid call"))
            await shell.run("budget set --tenant acme --limit-usd 5")
            #expect(await !shell.run("doctor").output.contains("of its own"))
        }
    }

    @Test("settings that a route was saved with before they would have been refused are named, with the route")
    func earlierSettings() async throws {
        try await Shell.with { shell in
            for line in ["migrate", "tenant create acme", "route add r --tenant acme --llm sim/m --strategy direct"] {
                #expect(await shell.run(line).status == .done, "\(line)")
            }
            let configuration = try ConfigurationTests.load(
                "ledger: { migrations: \"\(Shell.migrations)\" }", environment: ["GBOOST_DATABASE_URL": shell.url])
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
                logger: Logger(label: "test"))
            let cases: [(setting: String, state: Finding.State?, words: String)] = [
                (#""max_steps": 9"#, nil, ""),
                (#""boundary": {"pattern": "("}"#, .problem, "settings.boundary: the pattern '(' is no ICU"),
                (#""boundary": {"pattern": "(a+)+$"}"#, .problem, "settings.boundary: the pattern '(a+)+$' takes"),
                (
                    #""target": "floor", "shadow_price": 3"#, .warning,
                    "settings.shadow_price: is for the target price only"
                ),
            ]
            for (setting, state, words) in cases {
                let settings = #"{"strategy": "direct", \#(setting)}"#
                _ = try await pool.query(PostgresStatement(trusted: "update routes set settings = '\(settings)'"))
                let findings = await DatabaseChecks(configuration: configuration).run()
                let found = findings.first { $0.check == "route acme/r" && $0.message.hasPrefix("settings.") }
                #expect(found?.state == state && found?.message.hasPrefix(words) ?? true, "\(findings)")
            }
            await pool.close()
        }
    }

    private static let bedrock = """
        providers:
          - { name: aws, kind: bedrock, region: eu-central-1, access_key_id: "env:AWS_ID",
              secret_access_key: "env:AWS_SECRET" }
        """
    private static let database = ["GBOOST_DATABASE_URL": "postgresql://a/b"]

    @Test("a provider of AWS's is looked at by its AWS keys, each that is missing by name")
    func bedrockKeys() throws {
        let configuration = try ConfigurationTests.load(Self.bedrock, environment: Self.database)
        let there = ["AWS_ID": "AKIA", "AWS_SECRET": "s"]
        let found = MachineChecks(configuration: configuration, environment: there).providers()
        #expect(found.map(\.state) == [.ok] && found[0].message.contains("env:AWS_ID"), "\(found)")
        let half = MachineChecks(configuration: configuration, environment: ["AWS_ID": "AKIA"]).providers()
        #expect(half.map(\.state) == [.problem], "\(half)")
        #expect(half[0].message.contains("secret_access_key") && !half[0].message.contains("access_key_id"))
        let none = MachineChecks(configuration: configuration, environment: [:]).providers()
        #expect(none[0].message.contains("env:AWS_ID") && none[0].message.contains("env:AWS_SECRET"), "\(none)")
    }

    @Test("every secret and both TLS files that cannot be read are named, by the doctor and by serve --check")
    func references() async throws {
        let yaml = """
            server: { tls_certificate: /nowhere/c.pem, tls_key: /nowhere/k.pem }
            admin: { key: "env:NO_ADMIN" }
            capture: { key: "env:NO_CAPTURE" }
            audit: { signing_key: "file:/nowhere/signing" }

            """
        let configuration = try ConfigurationTests.load(yaml + Self.bedrock, environment: Self.database)
        let own = ["admin.key", "capture.key", "audit.signing_key", "server.tls_certificate", "server.tls_key"]
        let findings = MachineChecks(configuration: configuration, environment: [:]).references()
        #expect(findings.map(\.check) == own && findings.allSatisfy { $0.state == .problem }, "\(findings)")
        try await Shell.with { shell in
            let file = shell.directory.appending(path: "gboost.yaml")
            let plain = await shell.run("serve --check")
            #expect(plain.status == .done && plain.output.contains("key_pepper"), "\(plain.errors)")
            let text = try String(contentsOf: file, encoding: .utf8)
            let aws = Self.bedrock.split(separator: "\n").dropFirst().joined(separator: "\n")
            try Data("\(text)\n\(aws)\n\(yaml)".utf8).write(to: file)
            let checked = await shell.run("serve --check")
            #expect(checked.status == .configuration && checked.output.isEmpty)
            for name in own + ["providers.aws.access_key_id", "providers.aws.secret_access_key"] {
                #expect(checked.errors.contains("\(name): "), "\(name) in \(checked.errors)")
            }
        }
    }

    @Test("the pepper is compared with the one of the database's keys, which is not there where its file is not")
    func keyHashes() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            #expect(await !shell.run("doctor").output.contains("key hashes"), "there are none to compare with")
            await shell.run("tenant create acme")
            await shell.run("key create --tenant acme")
            #expect(await shell.run("doctor").output.contains("ok       key hashes"))
            try Data(String(repeating: "q", count: 40).utf8).write(to: shell.pepper)
            let other = await shell.run("doctor")
            #expect(other.status == .failed && other.output.contains("PROBLEM  key hashes"), "\(other.output)")
            #expect(other.output.contains("secrets.key_pepper"))
            var configuration = try ConfigurationTests.load(
                "ledger: { migrations: \"\(Shell.migrations)\" }", environment: ["GBOOST_DATABASE_URL": shell.url])
            configuration.secrets.pepperPath = shell.directory.appending(path: "none").path()
            let findings = await DatabaseChecks(configuration: configuration).run()
            let found = try #require(findings.first { $0.check == "key hashes" }, "\(findings)")
            #expect(found.state == .problem && found.message.contains("there is none at"))
        }
    }

    @Test("a model that inference.memory_bytes has no room for is a problem, as is one that a provider serves")
    func oversize() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let model = shell.directory.appending(path: "slm.gguf")
            try TinyModel().file.write(to: model)
            #expect(await shell.run("model add slm --tenant acme --kind slm --file \(model.path())").status == .done)
            #expect(await shell.run("doctor").output.contains("ok       model acme/slm"))
            let small = await shell.run("doctor --set inference.memory_bytes=1048576")
            #expect(small.status == .failed && small.output.contains("PROBLEM  model acme/slm"), "\(small.output)")
            #expect(small.output.contains("inference.memory_bytes allows 1"), "\(small.output)")
            let yaml = """
                inference: { memory_bytes: 1048576 }
                providers:
                  - { name: home, kind: engine, model: m, file: "\(model.path())" }
                """
            let configuration = try ConfigurationTests.load(yaml, environment: Self.database)
            let served = MachineChecks(configuration: configuration, environment: [:]).providers()
            #expect(served.map(\.state) == [.problem] && served[0].message.contains("is never loaded"), "\(served)")
        }
    }

    @Test("a key that is there and of no use is named too")
    func uselessKeys() throws {
        let yaml = "admin: { key: \"env:A\" }\naudit: { signing_key: \"env:S\" }\n"
        let configuration = try ConfigurationTests.load(yaml, environment: Self.database)
        let problems = configuration.unusableSecrets(environment: ["A": "short", "S": "no-signing-key"])
        #expect(problems.map(\.field) == ["admin.key", "audit.signing_key"], "\(problems)")
        #expect(!problems.contains { $0.description.contains("short") && $0.field == "admin.key" })
    }
}
