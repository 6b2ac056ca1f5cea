import Foundation
import GatewayTesting
import Inference
import Testing

@testable import Ledger
@testable import gboost

extension AdministrationTests {
    @Test("a head is registered only where gateways would serve it on its base")
    func heads() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            let (sha256, path) = (try await shell.writeModel(), shell.directory.path())
            let tuned = TinyModel().adapter(seed: 2)
            try tuned.write(to: shell.directory.appending(path: "tuned.gguf"))
            await shell.run("model add slm --tenant acme --kind slm --file \(path)/slm.gguf")
            await shell.run("model add tuned --tenant acme --kind adapter --base slm --file \(path)/tuned.gguf")
            let whole = try Shell.head(for: sha256)
            let identity = BaseFiles.identity(
                model: sha256, adapter: try await FileDigest.of("\(path)/tuned.gguf").sha256)
            let cases: [(name: String, base: String, file: Data, field: String?)] = [
                ("garbage", "slm", Data("head".utf8), "file: "),
                ("half", "slm", whole.prefix(whole.count / 2), "file: "),
                ("other", "slm", try Shell.head(for: String(repeating: "0", count: 64)), "base: "),
                ("wide", "slm", try Shell.head(for: sha256, width: 65), "file: "), ("plain", "tuned", whole, "base: "),
                ("right", "slm", whole, nil), ("fine", "tuned", try Shell.head(for: identity), nil),
            ]
            for kind in ["head", "shared-head"] {
                for (name, base, file, field) in cases {
                    try file.write(to: shell.directory.appending(path: "\(name).head"))
                    let added = await shell.run(
                        "model add \(name)-\(kind) --tenant acme --kind prm --reward-kind \(kind) --base \(base) "
                            + "--file \(path)/\(name).head")
                    #expect(added.status == (field == nil ? .done : .usage), "\(name) \(kind): \(added.errors)")
                    if let field { #expect(added.errors.contains(field), "\(name) \(kind): \(added.errors)") }
                }
            }
        }
    }

    @Test("a key's list of models is shown, and a list of none is not an empty one")
    func keyModels() async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            await shell.run("tenant create acme")
            #expect(await shell.run("key create --tenant acme --no-models").status == .done)
            await shell.run("key create --tenant acme --models a,openai/*")
            let lines = await shell.run("key list --tenant acme").output.split(separator: "\n")
            try #require(lines.count == 3)
            #expect(lines[0].hasSuffix("MODELS") && lines[1].hasSuffix("  none") && lines[2].hasSuffix("  a,openai/*"))
        }
    }
}
