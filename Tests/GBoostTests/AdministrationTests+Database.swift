import Foundation
import Logging
import Postgres
import Providers
import Testing

@testable import Ledger
@testable import gboost

/// What commands refuse, so that nothing is done to a database that is not theirs.
extension AdministrationTests {
    private static func with(_ shell: Shell, _ body: (PostgresPool) async throws -> Void) async throws {
        let pool = PostgresPool(
            configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 4,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        do { try await body(pool) } catch {
            await pool.close()
            throw error
        }
        await pool.close()
    }

    @Test("keys are hashed with one pepper: with another no key is made, and none is made up where there are keys")
    func onePepper() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            #expect(await shell.run("key create --tenant acme").status == .done)
            let listed = await shell.run("key list --tenant acme --json").output
            let state = shell.directory.appending(path: "state.yaml").path()
            try Data("tenants: [{ name: acme, keys: [{ name: app }] }]".utf8).write(to: URL(filePath: state))
            try Data(String(repeating: "q", count: 40).utf8).write(to: shell.pepper)
            for line in ["key create --tenant acme", "key rotate 1", "apply \(state)", "apply \(state) --plan"] {
                let refused = await shell.run(line)
                #expect(refused.status == .configuration, "\(line): \(refused.output)")
                #expect(refused.errors.contains("not the one that this database's keys are hashed with"), "\(line)")
                #expect(refused.errors.contains(shell.pepper.path()), "\(refused.errors)")
            }
            #expect(await shell.run("key list --tenant acme --json").output == listed)
            #expect(await shell.run("key suspend 1").status == .done)

            let path = shell.directory.appending(path: "elsewhere/pepper").path()
            let elsewhere = GatewayConfiguration.Secrets(keyPepper: nil, pepperPath: path)
            let named = GatewayConfiguration.Secrets(
                keyPepper: try SecretReference("file:\(shell.pepper.path())"), pepperPath: path)
            try await Self.with(shell) { pool in
                for isServing in [false, true] {
                    for secrets in [elsewhere, named] {
                        let error = await #expect(throws: ConfigurationError.self) {
                            _ = try await KeyPepper.read(secrets, for: pool, isServing: isServing)
                        }
                        #expect(error?.field == "secrets.key_pepper")
                    }
                }
            }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("of keys from before, a gateway's pepper is taken for theirs; a command that would guess it is refused")
    func unprovenPepper() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            #expect(await shell.run("key create --tenant acme").status == .done)
            let named = GatewayConfiguration.Secrets(
                keyPepper: try SecretReference("file:\(shell.pepper.path())"), pepperPath: "/nowhere")
            try await Self.with(shell) { pool in
                _ = try await pool.query("delete from key_pepper")
                let refused = await shell.run("key create --tenant acme")
                #expect(refused.status == .configuration && refused.errors.contains("gboost serve"))
                #expect(try await PepperRecord.read(pool).isUnproven)
                for isFirst in [true, false] {
                    let hasher = try await KeyPepper.read(named, for: pool, isServing: true).hasher
                    // It does not listen yet: its start may fail.
                    #expect(try await PepperRecord.read(pool).isUnproven == isFirst)
                    try await KeyPepper.adopt(hasher, named, for: pool)
                }
            }
            #expect(await shell.run("key create --tenant acme").status == .done)
            try Data(String(repeating: "q", count: 40).utf8).write(to: shell.pepper)
            #expect(await shell.run("key create --tenant acme").status == .configuration)
        }
    }

    @Test("a gateway that serves without keys has the first ones hashed with its pepper")
    func servedPepper() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let path = shell.directory.appending(path: "served/pepper").path()
            let served = GatewayConfiguration.Secrets(keyPepper: nil, pepperPath: path)
            try await Self.with(shell) { pool in
                let hasher = try await KeyPepper.read(served, for: pool, isServing: true).hasher
                #expect(try await !PepperRecord.read(pool).isTaken, "a start that fails settles nothing")
                try await KeyPepper.adopt(hasher, served, for: pool)
                let other = try KeyHasher(pepper: Array(String(repeating: "p", count: 40).utf8))
                let late = await #expect(throws: ConfigurationError.self) {
                    try await KeyPepper.adopt(other, served, for: pool)
                }
                #expect(late?.field == "secrets.key_pepper")
            }
            #expect(FileManager.default.fileExists(atPath: path))
            #expect(await shell.run("key create --tenant acme").status == .configuration)
            try FileManager.default.removeItem(at: shell.pepper)
            try FileManager.default.copyItem(at: URL(filePath: path), to: shell.pepper)
            #expect(await shell.run("key create --tenant acme").status == .done)
        }
    }

    @Test("no command acts on a schema that is older or newer than its own; an older one is known without the files")
    func otherSchema() async throws {
        try await Shell.with { shell in
            let file = shell.directory.appending(path: "gboost.yaml")
            let own = try String(contentsOf: file, encoding: .utf8)
            let fewer = shell.directory.appending(path: "fewer")
            try FileManager.default.copyItem(at: URL(filePath: Shell.migrations), to: fewer)
            let files = try FileManager.default.contentsOfDirectory(atPath: fewer.path())
            let last = try #require(files.filter { $0.hasSuffix(".sql") }.max())
            try FileManager.default.removeItem(at: fewer.appending(path: last))
            let older = own.replacing(Shell.migrations, with: fewer.path())
            #expect(older != own)

            try Data(older.utf8).write(to: file)
            #expect(await shell.run("migrate").status == .done)
            for place in [fewer.path(), "/nowhere"] {
                try Data(own.replacing(Shell.migrations, with: place).utf8).write(to: file)
                for line in ["tenant create acme", "key create --tenant acme", "retention show"] {
                    let early = await shell.run(line)
                    #expect(early.status == .failed, "\(line): \(early.output)")
                    #expect(early.errors.contains("schema is missing or old: run gboost migrate"), "\(early.errors)")
                }
            }
            try Data(older.utf8).write(to: file)
            #expect(await shell.run("doctor").output.contains("and this program needs \(Migration.newest)"))
            try Data(own.utf8).write(to: file)
            let behind = await shell.run("tenant create acme")
            #expect(behind.status == .failed, "\(behind.output)")
            #expect(behind.errors.contains("\(last) is not applied yet: run gboost migrate"), "\(behind.errors)")
            #expect(await shell.run("migrate").status == .done)
            try Data(older.utf8).write(to: file)
            let ahead = await shell.run("tenant create acme")
            #expect(ahead.status == .failed && ahead.errors.contains("newer"), "\(ahead.output)")
            // Found in the working directory, they count where they are the database's: another project has some, too.
            let foreign = shell.directory.appending(path: "foreign")
            try FileManager.default.createDirectory(at: foreign, withIntermediateDirectories: true)
            try Data("create table a (b int);".utf8).write(to: foreign.appending(path: "0001_init.sql"))
            for (place, isNamed, isRefused) in [
                (foreign, true, true), (foreign, false, false), (fewer, true, true), (fewer, false, true),
            ] {
                let schema = DatabaseSession.Schema(try Migration.load(directory: place.path()), isNamed: isNamed)
                var error: LedgerError?
                do {
                    try await DatabaseSession.connected(to: shell.url, as: nil, requiring: schema) { _ in }
                } catch let thrown as LedgerError { error = thrown }
                #expect((error?.code == .migration) == isRefused, "\(place.lastPathComponent) \(isNamed)")
            }
            #expect(await shell.run("doctor").output.contains("as new as the database"))
            #expect(await shell.run("migrate status").output.contains("missing"))

            try Data(own.replacing(Shell.migrations, with: "/nowhere").utf8).write(to: file)
            let names = await shell.run("tenant list --json")
            #expect(names.output == "{\"tenants\":[]}\n", "\(names.errors)")
        }
    }
}
