import Foundation
import Testing

@testable import gboost

/// `gboost audit` from its command line, on the events that setting up a tenant leaves.
@Suite("The audit's commands")
struct AuditCommandTests {
    @Test("a key is made, events are sealed and signed, exported, verified and proved; a changed export is not")
    func wholeWay() async throws {
        try await AdministrationTests.Shell.with { shell in
            let path = shell.directory.path()
            let arguments = ["audit", "make-key", "gateway.test/1", "--output", "\(path)/signing.key"]
            let made = CommandOutput.Capture()
            let (first, second) = await CommandOutput.$capture.withValue(made) {
                (await CommandRun.run(arguments), await CommandRun.run(arguments))
            }
            #expect(first == .done && made.output.hasPrefix("gateway.test/1+") && second == .usage)
            try Data(made.output.utf8).write(to: shell.directory.appending(path: "public.key"))
            try shell.append(
                "audit: { signing_key: \"file:\(path)/signing.key\", checkpoint_directory: \(path)/out }\n")
            #expect(await shell.run("audit key").output == made.output)
            await shell.run("migrate")
            await shell.run("tenant create acme")
            await shell.run("team create research --tenant acme")
            #expect(await shell.run("audit verify --json").json("unsealed") == "2")
            let sealed = await shell.run("audit seal --json")
            #expect(sealed.json("records") == "2" && sealed.json("blocks") == "1", "\(sealed.errors)")
            let signed = await shell.run("audit checkpoint")
            #expect(signed.output.hasPrefix("gateway.test/1/events/0\n2\n"), "\(signed.errors)")
            let verified = await shell.run("audit verify --public-key \(path)/public.key --checkpoint \(path)/out")
            #expect(verified.status == .done && verified.output.contains("as sealed: 2 records"), "\(verified.errors)")
            let proof = await shell.run("audit prove 1 --from 1")
            #expect(proof.json("size") == "2" && proof.json("members", "action") == "tenant.create", "\(proof.errors)")
            #expect(await shell.run("audit prove 3").status == .failed)

            #expect(await shell.run("audit export --output \(path)/export").status == .done)
            let check = "audit verify --public-key \(path)/public.key --checkpoint \(path)/out --export \(path)/"
            let clean = await shell.run(check + "export --json")
            #expect(clean.status == .done && clean.json("records") == "2" && clean.json("checkpoints") == "1")
            let export = try String(contentsOfFile: "\(path)/export", encoding: .utf8)
            try Data(export.replacing("team.create", with: "team.delete").utf8)
                .write(to: shell.directory.appending(path: "changed"))
            let changed = await shell.run(check + "changed --json")
            #expect(changed.status == .failed && changed.json("findings", "0", "record") == "2", "\(changed.output)")
        }
    }

    @Test("events are listed with what changed, in rows that can be read; the JSON has both sides whole")
    func events() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            for limit in [5, 7] { await shell.run("budget set --tenant acme --limit-usd \(limit)") }
            let table = await shell.run("audit events").output.split(separator: "\n").map(String.init)
            #expect(table.count == 4 && table[0].hasSuffix("  CHANGE"), "\(table)")
            #expect(table[1].contains("limit: 5000000000 → 7000000000, "), "\(table)")
            #expect(!table[1].contains("window: ") && table.allSatisfy { $0.count < 260 }, "\(table)")
            let json = await shell.run("audit events --json")
            #expect(json.json("events", "0", "before")?.contains("window") == true)
            #expect(json.json("events", "0", "after")?.contains("window") == true)
        }
    }

    @Test("a checkpoint whose signature is cut is forged, to both verifiers")
    func cutSignature() async throws {
        try await AdministrationTests.Shell.with { shell in
            let path = shell.directory.path()
            let made = CommandOutput.Capture()
            _ = await CommandOutput.$capture.withValue(made) {
                await CommandRun.run(["audit", "make-key", "gateway.test/1", "--output", "\(path)/signing.key"])
            }
            try Data(made.output.utf8).write(to: shell.directory.appending(path: "public.key"))
            try shell.append("audit: { signing_key: \"file:\(path)/signing.key\" }\n")
            for line in ["migrate", "tenant create acme", "audit seal"] { await shell.run(line) }
            // Exported without a checkpoint: the cut one is the only one there is.
            #expect(await shell.run("audit export --output \(path)/export").status == .done)
            let note = await shell.run("audit checkpoint").output
            let lines = note.split(separator: "\n", omittingEmptySubsequences: false)
            let line = try #require(lines.first { $0.hasPrefix("— ") })
            let parts = line.split(separator: " ")
            let signature = try #require(Data(base64Encoded: String(parts[2])))
            for bytes in [24, 63] {
                let cut = signature.prefix(4 + bytes).base64EncodedString()
                let forged = note.replacing(line, with: "\(parts[0]) \(parts[1]) \(cut)")
                try Data(forged.utf8).write(to: shell.directory.appending(path: "cut"))
                let files = "--public-key \(path)/public.key --checkpoint \(path)/cut"
                let swift = await shell.run("audit verify \(files) --export \(path)/export --json")
                #expect(swift.status == .failed && swift.json("findings", "0", "kind") == "forged", "\(swift.output)")
                #expect(swift.json("findings", "1") == nil)
                let python = try shell.python("\(path)/export \(files) --json")
                let kind = python.json("findings", "0", "kind")
                #expect(python.status == .failed && kind == "forged", "\(python.output)")
                #expect(python.json("findings", "1") == nil)
            }
        }
    }
}

extension AdministrationTests.Shell {
    /// The verifier in Python.
    var verifier: String {
        URL(filePath: Self.migrations).deletingLastPathComponent().appending(path: "ops/audit-verify").path()
    }

    /// What the verifier in Python says.
    func python(_ arguments: String) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", verifier] + arguments.split(separator: " ").map(String.init)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let status: CommandStatus = process.terminationStatus == 0 ? .done : .failed
        return Outcome(status: status, output: String(decoding: said, as: UTF8.self), errors: "")
    }

    /// Adds to the configuration file.
    func append(_ yaml: String) throws {
        let file = directory.appending(path: "gboost.yaml")
        try Data((String(contentsOf: file, encoding: .utf8) + "\n" + yaml).utf8).write(to: file)
    }
}
