import Foundation
import GatewayCore
import GatewayTesting
import Logging
import Postgres
import Testing

@testable import Ledger
@testable import gboost

@Suite("Settings beside a reward model's file")
struct ModelSettingsTests {
    typealias Shell = AdministrationTests.Shell

    @Test("are registered with the model and shown, are in its event, and the doctor says when they are others")
    func registered() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let file = shell.directory.appending(path: "judge.gguf").path()
            let settings = URL(filePath: file + ".prm.json")
            try TinyModel().file.write(to: URL(filePath: file))
            func add(_ name: String, _ kind: String = "prm") async -> Shell.Outcome {
                await shell.run("model add \(name) --tenant acme --kind \(kind) --file \(file) --json")
            }
            #expect(await add("plain").json("settings_sha256") == nil)
            try Data(#"{"calibration": [[0.5, 0.4], [0.2, 0.1]]}"#.utf8).write(to: settings)
            let unusable = await add("judge")
            #expect(unusable.status == .usage, "\(unusable.errors)")
            #expect(unusable.errors.contains("file: \(settings.path()) is not"), "\(unusable.errors)")

            try Data(#"{"good": "yes", "bad": "no"}"#.utf8).write(to: settings)
            let digest = try await FileDigest.of(settings.path()).sha256
            let added = await add("judge")
            #expect(added.json("settings_sha256") == digest, "\(added.output)\(added.errors)")
            // An SLM is asked nothing by them.
            #expect(await add("slm", "slm").json("settings_sha256") == nil)
            let listed = await shell.run("model list --tenant acme --json")
            #expect(listed.json("models", "0", "settings_sha256") == digest, "\(listed.output)")
            #expect(listed.json("models", "1", "name") == "plain")
            #expect(listed.json("models", "1", "settings_sha256") == nil)
            let events = await shell.run("audit events --tenant acme --json").output
            #expect(events.contains(digest), "\(events)")

            let before = await shell.run("doctor").output
            #expect(before.contains("ok       model acme/judge") && before.contains("ok       model acme/slm"))
            // Nobody can say what it was when that one was registered.
            #expect(before.contains("warning  model acme/plain"), "\(before)")
            #expect(before.contains("\(settings.path()) decides with it, and was not registered"), "\(before)")
            try Data(#"{"good": "no", "bad": "yes"}"#.utf8).write(to: settings)
            let changed = await shell.run("doctor")
            #expect(changed.status == .failed && changed.output.contains("PROBLEM  model acme/judge"))
            #expect(changed.output.contains("\(settings.path()) is not the file that was registered"))
            #expect(changed.output.contains("remove the model and add it again"), "\(changed.output)")
            try FileManager.default.removeItem(at: settings)
            let gone = await shell.run("doctor").output
            #expect(gone.contains("PROBLEM  model acme/judge") && gone.contains("cannot read \(settings.path())"))
            #expect(gone.contains("ok       model acme/plain"), "\(gone)")
        }
    }

    @Test("the database takes a digest of them from a PRM of kind tokens alone")
    func kinds() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            try await shell.writeModel()
            let path = shell.directory.path()
            await shell.run("model add slm --tenant acme --kind slm --file \(path)/slm.gguf")
            await shell.run("model add head --tenant acme --kind prm --base slm --file \(path)/head.json")
            await shell.run("model add words --tenant acme --kind prm --file \(path)/slm.gguf")
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
                logger: Logger(label: "test"))
            func set(_ digest: String, of name: String) async -> String? {
                do {
                    let rows = try await pool.query(
                        "update models set settings_sha256 = \(digest) where name = \(name) returning id"
                    ).rows
                    return "\(rows.count)"
                } catch { return error.sqlState }
            }
            let digest = String(repeating: "a", count: 64)
            #expect(await set(digest, of: "words") == "1")
            for name in ["slm", "head"] { #expect(await set(digest, of: name) == "23514", "\(name)") }
            #expect(await set(digest.uppercased(), of: "words") == "23514")
            await pool.close()
        }
    }
}
