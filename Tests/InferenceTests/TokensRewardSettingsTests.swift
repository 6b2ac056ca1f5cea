import Foundation
import GatewayCore
import GatewayTesting
import Testing

@testable import Inference

@Suite("Settings of a reward model that is asked")
struct TokensRewardSettingsTests {
    private static func why(_ body: () async throws -> Void) async -> String? {
        do { try await body() } catch {
            guard case LocalModelError.unavailable(let why) = error else { return "\(error)" }
            return why
        }
        return nil
    }

    @Test("those that were registered are taken; others, and none, are refused with the file's name and what to do")
    func compared() async throws {
        let file = TestFiles.path("judge.gguf")
        let settings = file + ".prm.json"
        let registered = Data(#"{"good": "right", "marker": "+"}"#.utf8)
        let digest = TinyModels.sha256(registered)
        try registered.write(to: URL(filePath: settings))
        let read = try TokensRewardSettings(besides: file, sha256: digest)
        #expect(read.good == "right" && read.marker == "+" && read.bad == "No" && read.form == .chat)

        try Data(#"{"good": "wrong"}"#.utf8).write(to: URL(filePath: settings))
        // Of a model that was registered without: as they are.
        #expect(try TokensRewardSettings(besides: file).good == "wrong")
        for words in ["its SHA-256 is ", "it is not there"] {
            let why = await Self.why { _ = try TokensRewardSettings(besides: file, sha256: digest) }
            #expect(why?.hasPrefix("\(settings) is not the file that was registered: \(words)") == true, "\(why ?? "")")
            #expect(why?.hasSuffix("remove the model and add it again") == true, "\(why ?? "")")
            try? FileManager.default.removeItem(atPath: settings)
        }
        #expect(try TokensRewardSettings(besides: file) == TokensRewardSettings())
    }

    @Test("the model's record says which they are, and they are compared at each use")
    func used() async throws {
        let files = try TinyModels()
        defer { files.remove() }
        var record = try files.record("judge", TinyModel().file)
        (record.kind, record.rewardKind) = (.prm, .tokens)
        let settings = URL(filePath: ModelRecord.settingsFile(besides: record.file))
        let registered = Data(#"{"good": "right"}"#.utf8)
        try registered.write(to: settings)
        record.settingsSHA256 = TinyModels.sha256(registered)
        let models = try EngineModels(logger: EngineFixture.quiet)
        func use() async -> String? { await Self.why { _ = try await models.prm(record, base: nil) } }
        #expect(await use() == nil)
        try Data(#"{"good": "wrong"}"#.utf8).write(to: settings)
        #expect(await use()?.contains("judge.gguf.prm.json is not the file that was registered") == true)
        record.settingsSHA256 = nil
        #expect(await use() == nil)
        await models.shutdown()
    }
}
