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
