import Foundation
import GatewayCore
import Testing

@testable import Inference

/// What an engine host gives up, tried by a process that has given it up.
@Suite("An engine host's confinement") struct ConfinementTests {
    @Test("it reads its model, and no other file; it writes none, and has no network, programs, processes or signals")
    func probe() async throws {
        let model = FileManager.default.temporaryDirectory.appending(path: "confined-\(UUID()).gguf")
        try Data("a model".utf8).write(to: model)
        // The second is what the probe leaves where the kernel lets it.
        defer { for path in [model.path, "/tmp/gboost-probe"] { try? FileManager.default.removeItem(atPath: path) } }
        let process = Process()
        process.executableURL = URL(filePath: try EngineFixture.executable())
        process.arguments = ["engine-host-probe", model.path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let lines = text.split(separator: "\n").map(String.init)
        let missing = lines.filter { $0.hasPrefix("missing: ") }
        // An old kernel may lack one of them; it then says so, and what the others prevent is prevented all the same.
        let forbidden = [
            ("read another file", "landlock"), ("write a file", "landlock"), ("open a network socket", "seccomp"),
            ("run a program", "seccomp"), ("start a process", "seccomp"), ("trace the parent", "seccomp"),
            ("signal the parent", "seccomp"),
        ]
        for (name, means) in forbidden where !missing.contains(where: { $0.hasPrefix("missing: \(means)") }) {
            let line = try #require(lines.first { $0.hasPrefix("\(name): ") }, "\(text)")
            #expect(line.contains("ermission denied") || line.contains("not permitted"), "\(line)")
        }
        #expect(lines.contains("read the model: possible"))
        #expect(lines.contains("in force: no_new_privileges") && lines.contains("in force: capabilities"))
    }
}

extension HostTests {
    @Suite("A confined host") struct ConfinedHostTests {
        @Test("a running host has no capabilities, cannot gain any, and is filtered")
        func status() async throws {
            try await EngineFixture.withModel { model, supervisor in
                let info = try await model.info()
                let pid = try #require(await supervisor.processID)
                let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
                func value(_ name: String) -> String? {
                    status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
                        .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
                }
                #expect(value("NoNewPrivs") == "1")
                #expect(value("CapEff") == "0000000000000000")
                if info.confinement.contains("seccomp") { #expect(value("Seccomp") == "2") }
                #expect(info.confinement.count + info.unconfined.count >= 4)
            }
        }

        @Test("a host that wants more memory than its limit ends, with its reason, and others go on")
        func memory() async throws {
            var tight = try EngineFixture.settings()
            tight.hostMemoryLimit = 64 << 20
            tight.readinessLimit = .seconds(60)
            let settings = tight
            try await EngineFixture.withModels { roomy in
                let other = try await roomy.slm(EngineFixture.record(file: EngineFixture.model()))
                try await EngineFixture.withModels(settings) { models in
                    let model = try await models.slm(EngineFixture.record(file: EngineFixture.model()))
                    await #expect(throws: LocalModelError.self) {
                        try await model.draft(DraftRequest(asking: "Hello", maxTokens: 4))
                    }
                }
                #expect(try await !other.draft(DraftRequest(asking: "Hello", maxTokens: 4)).text.isEmpty)
            }
        }
    }
}
