import Foundation
import GatewayCore
import GatewayTesting
import Inference
import Testing

/// A damaged copy of a file, the same for the same seed.
enum Mutation {
    static func of(_ file: Data, headerBytes: Int, seed: UInt64) -> Data {
        var random = SplitMix64(seed: seed)
        var bytes = file
        func place(_ end: Int) -> Int { random.integer(in: 0...max(0, end - 1)) }
        switch seed % 6 {
        case 0: bytes = Data(bytes.prefix(place(bytes.count)))
        case 1:
            for _ in 0..<random.integer(in: 1...8) {
                bytes[place(headerBytes)] = UInt8(truncatingIfNeeded: random.next())
            }
        case 2:
            // A number that nobody expects, where a number may be.
            let extremes: [UInt32] = [0, 1, 0x7F80_0000, 0x7FC0_0000, 0xFFFF_FFFF, 0x7FFF_FFFF, 0xBF80_0000, 1 << 20]
            let value = extremes[random.integer(in: 0...(extremes.count - 1))]
            let start = place(headerBytes - 4)
            for index in 0..<4 { bytes[start + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
        case 3:
            for _ in 0..<64 {
                bytes[headerBytes + place(bytes.count - headerBytes)] = UInt8(truncatingIfNeeded: random.next())
            }
        case 4:
            let start = place(headerBytes)
            let count = min(random.integer(in: 1...64), bytes.count - start)
            bytes.removeSubrange(start..<(start + count))
        default:
            let start = place(headerBytes)
            bytes.insert(
                contentsOf: (0..<random.integer(in: 1...64)).map { _ in UInt8(truncatingIfNeeded: random.next()) },
                at: start)
        }
        return bytes
    }
}

@Suite("Checking GGUF files")
struct GGUFFileTests {
    private func check(_ bytes: Data, for use: GGUFFile.Use = .model) throws -> GGUFFile {
        let path = FileManager.default.temporaryDirectory.appending(path: "check-\(UUID()).gguf").path
        try bytes.write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try GGUFFile(checking: path, for: use)
    }

    @Test("A sound file says what it will take")
    func sound() throws {
        let tiny = TinyModel()
        let file = try check(tiny.file)
        #expect(file.architecture == "llama")
        #expect(file.contextTokens == 512)
        #expect(file.cacheBytesPerToken == Int64(tiny.blocks * tiny.width * 2 * 2))
        #expect(file.tensorBytes < file.fileBytes && file.tensorBytes > file.fileBytes * 9 / 10)
        let demo = try GGUFFile(checking: EngineFixture.model())
        #expect(demo.cacheBytesPerToken == 30 * 3 * 128 * 2)
    }

    @Test("An adapter is no model, and a model no adapter")
    func uses() throws {
        #expect(try check(TinyModel().adapter(seed: 3), for: .adapter).architecture == "llama")
        #expect(throws: ModelFailure.self) { _ = try check(TinyModel().adapter(seed: 3)) }
        #expect(throws: ModelFailure.self) { _ = try check(TinyModel().file, for: .adapter) }
    }

    @Test("A cut at any place is found out")
    func cuts() throws {
        let file = TinyModel().file
        for length in stride(from: 0, to: file.count - 64, by: 997) {
            #expect(throws: ModelFailure.self, "\(length)") { _ = try check(file.prefix(length)) }
        }
    }

    @Test("Values that llama.cpp answers with an abort are refused by name")
    func scalars() throws {
        let file = TinyModel().file
        func patched(_ key: String, _ value: UInt32) -> Data {
            var bytes = file
            let range = bytes.range(of: Data(key.utf8)) ?? 0..<0
            // Behind the key its type, then the value.
            for index in 0..<4 {
                bytes[range.upperBound + 4 + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index)))
            }
            return bytes
        }
        let bad: [(String, UInt32)] = [
            ("llama.block_count", 0), ("llama.block_count", 1_000_000), ("llama.block_count", 500),
            ("llama.attention.layer_norm_rms_epsilon", 0x7FC0_0000),
            ("llama.attention.layer_norm_rms_epsilon", 0xBF80_0000), ("llama.rope.freq_base", 0),
            ("llama.embedding_length", 0), ("llama.context_length", 0), ("llama.attention.head_count", .max - 5),
            ("tokenizer.ggml.bos_token_id", 100_000),
        ]
        // The name of one token of the vocabulary becomes another's.
        var doubled = file
        let name = doubled.range(of: Data("<0xEB>".utf8)) ?? 0..<0
        doubled.replaceSubrange(name, with: Data("<0xFB>".utf8))
        #expect { _ = try check(doubled) } throws: { "\($0)".contains("two tokens of its vocabulary are the same") }
        for (key, value) in bad {
            #expect("\(key) \(value)") { _ = try check(patched(key, value)) } throws: {
                "\($0)".contains("cannot be used")
            }
        }
    }

    @Test("Five hundred damaged headers: an answer for each, never a crash")
    func headers() throws {
        let file = TinyModel().file
        let header = file.count - Int(try check(file).tensorBytes)
        var refused = 0
        for seed in 0..<UInt64(500) {
            do { _ = try check(Mutation.of(file, headerBytes: header, seed: seed)) } catch { refused += 1 }
        }
        print("damaged headers: \(refused) of 500 refused unread by llama.cpp")
        #expect(refused > 250)
    }
}

extension HostTests {
    @Suite("Damaged model files with real hosts")
    struct HostileFileTests {
        private static let count = Int(ProcessInfo.processInfo.environment["GBOOST_MUTANTS"] ?? "") ?? 100

        @Test("Each ends in an answer or a clear error within ten seconds, and a sound model answers all the while")
        func mutants() async throws {
            let files = try TinyModels()
            defer { files.remove() }
            let whole = TinyModel().file
            let sound = try files.record("sound", whole)
            let header = whole.count - Int(try GGUFFile(checking: sound.file).tensorBytes)
            var tally: [String: Int] = [:]
            try await EngineFixture.withModels(try TinyModels.settings()) { models in
                let expected = try await draft(models, sound).text
                let pid = try #require(await models.supervisor(file: sound.file, sha256: sound.sha256).processID)
                for seed in 0..<UInt64(Self.count) {
                    let record = try files.record(
                        "mutant", Mutation.of(whole, headerBytes: header, seed: seed), id: Int64(seed))
                    let start = ContinuousClock.now
                    let outcome = await outcome(models, record)
                    #expect(start.duration(to: .now) < .seconds(10), "seed \(seed): \(outcome)")
                    tally[outcome, default: 0] += 1
                    await models.unload(record)
                    if seed % 10 == 0 { #expect(try await draft(models, sound).text == expected) }
                }
                let after = try await models.supervisor(file: sound.file, sha256: sound.sha256)
                #expect(await after.processID == pid)
            }
            print("damaged files: \(tally.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
            #expect(tally["unclear"] == nil)
        }

        private func draft(_ models: EngineModels, _ record: ModelRecord) async throws -> StepDraft {
            try await models.slm(record).draft(DraftRequest(asking: "abc", maxTokens: 2))
        }

        private func outcome(_ models: EngineModels, _ record: ModelRecord) async -> String {
            do {
                _ = try await draft(models, record)
                return "answers"
            } catch LocalModelError.unavailable(let text) {
                if text.contains("cannot be used") { return "refused by the check" }
                return text.contains("engine host does not start") ? "host aborts" : "refused by the host"
            } catch LocalModelError.interrupted {
                return "host aborts"
            } catch LocalModelError.invalid {
                return "answers"
            } catch {
                return "unclear"
            }
        }
    }
}
