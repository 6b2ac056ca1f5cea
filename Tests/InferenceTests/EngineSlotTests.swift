import Foundation
import GatewayCore
import GatewayTesting
import Testing

@testable import Inference

@Suite("What a sequence can go on from")
struct EngineSlotTests {
    @Test("With a window, one that steps back does not go on without the tokens that have made way")
    func window() {
        let slot = EngineSlot(sequence: 0)
        slot.tokens = Array(0..<7)
        // Nothing has left the window of 8 behind the last token: any place is as good as the end.
        for position in 1...7 { #expect(slot.hasWindow(8, before: position)) }
        slot.tokens += Array(7..<20)
        #expect(slot.hasWindow(8, before: 20))
        #expect((1..<20).allSatisfy { !slot.hasWindow(8, before: $0) })
        #expect((1...20).allSatisfy { slot.hasWindow(0, before: $0) })
        // What has made way does not come back with fewer tokens.
        slot.truncate(to: 12)
        #expect(!slot.hasWindow(8, before: 12))
        let other = EngineSlot(sequence: 1)
        other.copy(slot, length: 12)
        #expect(other.hasWindow(8, before: 12))
        slot.truncate(to: 0)
        slot.tokens = [1, 2]
        #expect(slot.hasWindow(8, before: 1))
    }

    @Test("A word as long as the largest message is read on any thread, by the models whose reading recurses")
    func longWord() throws {
        let samples = try EngineFixture.samples()
        var file = try Data(contentsOf: URL(filePath: "\(samples)/ggml-vocab-llama-bpe.gguf"))
        let key = try #require(file.range(of: Data("tokenizer.ggml.pre".utf8)))
        let name = try #require(file.range(of: Data("llama-bpe".utf8), in: key.upperBound..<file.endIndex))
        // As long a name, of a splitting that is left to the C++ library.
        file.replaceSubrange(name, with: Data("poro-chat".utf8))
        let path = FileManager.default.temporaryDirectory.appending(path: "poro-\(UUID()).gguf")
        try file.write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let model = try GGUFModel(path: path.path, onlyVocabulary: true)
        let word = String(repeating: "a", count: 200_000)
        let tokens = model.tokenize(word, addSpecial: false, parseSpecial: false)
        #expect(tokens.flatMap { model.piece($0) } == Array(word.utf8))
        #expect(tokens.count * model.longestPiece >= word.utf8.count)
    }
}

extension HostTests {
    @Suite("Sequences of drafts that fail")
    struct FailedDraftTests {
        @Test("A draft that fails where another had begun gives its sequence back")
        func failed() async throws {
            let files = try TinyModels()
            defer { files.remove() }
            let record = try files.record("tiny", TinyModel().file)
            try await EngineFixture.withModels(try TinyModels.settings()) { models in
                let model = try await models.slm(record)
                let supervisor = try await models.supervisor(file: record.file, sha256: record.sha256)
                let good = DraftRequest(asking: "the same words", maxTokens: 1)
                _ = try await model.draft(good)
                var bad = good
                // No character is allowed, nor the beginning of one, nor the end.
                bad.sampling.grammar = #"root ::= [^\x00-\U7FFFFFFF]"#
                var before = try await supervisor.currentStatus()
                // More often than a host has sequences: one that each draft kept would leave none.
                for number in 0..<80 {
                    // The first one goes on in a sequence of its own, which is kept.
                    if number == 1 { before = try await supervisor.currentStatus() }
                    await #expect {
                        _ = try await model.draft(bad)
                    } throws: { error in
                        guard case LocalModelError.unavailable(let text) = error else { return false }
                        return text.contains("no token can be chosen")
                    }
                }
                let after = try await supervisor.currentStatus()
                #expect(after.active == 0 && after.queued == 0)
                #expect(after.cached == before.cached)
                #expect(after.cellsUsed == before.cellsUsed)
                let again = try await model.draft(good)
                #expect(again.reusedTokens == again.promptTokens)
            }
        }

        @Test("A text that cannot fit is refused by its length alone")
        func tooLong() async throws {
            let files = try TinyModels()
            defer { files.remove() }
            let record = try files.record("tiny", TinyModel().file)
            try await EngineFixture.withModels(try TinyModels.settings()) { models in
                let model = try await models.slm(record)
                let long = String(repeating: "a", count: 1 << 20)
                await #expect {
                    _ = try await model.draft(DraftRequest(asking: long))
                } throws: { error in
                    guard case LocalModelError.contextExceeded(let tokens, let limit) = error else { return false }
                    // The longest names are of six bytes.
                    return tokens == (1 << 20) / 6 && limit == 512
                }
            }
        }
    }
}
