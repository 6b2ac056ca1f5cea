import Crypto
import Foundation
import GatewayCore
import GatewayTesting
import Logging
import Testing

@testable import Inference

/// Files of tiny models in a directory of their own.
struct TinyModels {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "gboost-tiny-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: directory) }

    /// Writes a file; its record, with the SHA-256 that it has now.
    func record(_ name: String, _ bytes: Data, id: Int64 = 1, isPinned: Bool = false) throws -> ModelRecord {
        let path = directory.appending(path: name + ".gguf").path
        try bytes.write(to: URL(filePath: path))
        return ModelRecord(
            id: id, tenantID: 1, name: name, kind: .slm, file: path, sha256: Self.sha256(bytes), isPinned: isPinned)
    }

    static func sha256(_ bytes: Data) -> String {
        SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
    }

    static func settings() throws -> EngineSettings {
        var settings = try EngineFixture.settings()
        settings.contextTokens = 512
        settings.sequences = 4
        settings.evictionPatience = .milliseconds(200)
        settings.digest = { path in sha256(try Data(contentsOf: URL(filePath: path))) }
        return settings
    }
}

extension HostTests {
    @Suite("The model store with real hosts")
    struct ModelStoreTests {
        private let files: TinyModels

        init() throws { files = try TinyModels() }

        private func draft(_ models: EngineModels, _ record: ModelRecord) async throws -> StepDraft {
            try await models.slm(record).draft(DraftRequest(asking: "abc", maxTokens: 2))
        }

        /// Bytes of one tiny model in memory.
        private func bytesOfOne() async throws -> Int64 {
            let record = try files.record("one", TinyModel().file)
            var bytes: Int64 = 0
            try await EngineFixture.withModels(try TinyModels.settings()) { models in
                _ = try await draft(models, record)
                bytes = await models.memory.bytes
            }
            return bytes
        }

        @Test("Six models in a budget for two take turns, and nobody is refused or left waiting")
        func turns() async throws {
            defer { files.remove() }
            var settings = try TinyModels.settings()
            settings.memoryBytes = try await bytesOfOne() * 5 / 2
            let records = try (0..<6).map { index in
                try files.record("m\(index)", TinyModel(seed: UInt64(index)).file, id: Int64(index))
            }
            let cycles = Int(ProcessInfo.processInfo.environment["GBOOST_EVICTIONS"] ?? "") ?? 12
            try await EngineFixture.withModels(settings) { models in
                let budget = settings.memoryBytes
                // Hosts come and go; what they leave behind in the gateway is next to nothing. Other tests are in this
                // process too: what they take, they take once, and what a host leaves comes again with the next.
                var growth: [Int64] = []
                while growth.count < 4, growth.last.map({ $0 >= 16 << 20 }) ?? true {
                    let target = await models.memory.evictions + cycles
                    var early: Int64?
                    while await models.memory.evictions < target {
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            for record in records { group.addTask { _ = try await draft(models, record) } }
                            try await group.waitForAll()
                        }
                        #expect(await models.memory.bytes <= budget)
                        early = early ?? ProcessMemory.residentBytes(getpid())
                    }
                    growth.append((ProcessMemory.residentBytes(getpid()) ?? 0) - (early ?? 0))
                }
                let memory = await models.memory
                print("model store: \(memory); own process grew by \(growth.map { $0 >> 20 }) MiB")
                #expect(growth.last.map { $0 < 16 << 20 } == true)
                #expect(memory.resident <= 2)
                #expect(memory.failures == 0)
            }
        }

        @Test("A file that is not the one registered is not loaded, and says so")
        func digest() async throws {
            defer { files.remove() }
            var record = try files.record("a", TinyModel().file)
            try await EngineFixture.withModels(try TinyModels.settings()) { models in
                _ = try await draft(models, record)
                record.sha256 = String(repeating: "0", count: 64)
                await #expect {
                    _ = try await draft(models, record)
                } throws: { error in
                    guard case LocalModelError.unavailable(let text) = error else { return false }
                    return text.contains("is not the file that was registered") && text.contains(record.file)
                }
                #expect(await models.memory.failures == 1)
            }
        }

        @Test("A model that does not fit is refused with the figures, and the others go on")
        func tooLarge() async throws {
            defer { files.remove() }
            var settings = try TinyModels.settings()
            settings.memoryBytes = 1 << 20
            let record = try files.record("a", TinyModel().file)
            try await EngineFixture.withModels(settings) { models in
                await #expect {
                    _ = try await draft(models, record)
                } throws: { error in
                    guard case LocalModelError.unavailable(let text) = error else { return false }
                    return text.contains("inference.memory_bytes leaves 1")
                }
                #expect(await models.memory.failures == 1)
                let place = await models.place(of: record)
                #expect(place.phase == .failed && place.why?.contains("inference.memory_bytes") == true, "\(place)")
            }
        }

        @Test("A model that does not fit is a failure, and in the log once, whether or not somebody waits for it")
        func unfit() async throws {
            defer { files.remove() }
            let log = KeptLog()
            let store = ModelStore(
                limits: Residency.Limits(budget: 100), waitLimit: .seconds(10),
                logger: log.logger, load: { _ in 60 },
                unload: { _ in })
            store.preload("pinned", bytes: 101)
            #expect(store.place(of: "pinned").phase == .failed && store.counts.failures == 1)
            for count in 1...3 {
                await #expect(throws: LocalModelError.self) { _ = try await store.acquire("big", bytes: 101) }
                #expect(store.counts.failures == 1 + count)
            }
            #expect(store.place(of: "big").why?.contains("inference.memory_bytes") == true)
            #expect(log.lines(.error).compactMap { $0.metadata["model"] } == ["pinned", "big"])
            // One that fits now is as good as any.
            store.release(try await store.acquire("big", bytes: 60))
            #expect(store.place(of: "big").phase == .resident)
            // Two pinned ones that do not fit together: the second waits for nobody when it is left out.
            store.pin(["big", "second"])
            store.preload("second", bytes: 50)
            #expect(store.place(of: "second").phase == .failed)
            #expect(log.lines(.error).compactMap { $0.metadata["model"] } == ["pinned", "big", "second"])
        }

        @Test("The catalog's pins and orders are followed; memory is free after an unload")
        func orders() async throws {
            defer { files.remove() }
            var pinned = try files.record("pinned", TinyModel().file, id: 1, isPinned: true)
            var other = try files.record("other", TinyModel(seed: 2).file, id: 2)
            try await EngineFixture.withModels(try TinyModels.settings()) { models in
                func follow(_ before: [ModelRecord], resident: Int) async throws {
                    await models.follow([pinned, other], before: before)
                    try await EngineFixture.waitUntil { await models.memory.resident == resident }
                }
                try await follow([], resident: 1)
                var before = [pinned, other]
                other.order = ModelOrder(action: .load, number: 1)
                try await follow(before, resident: 2)
                let both = await models.memory.bytes
                before = [pinned, other]
                other.order = ModelOrder(action: .unload, number: 2)
                try await follow(before, resident: 1)
                try await EngineFixture.waitUntil { await models.memory.bytes < both }
                before = [pinned, other]
                pinned.isPinned = false
                pinned.order = ModelOrder(action: .unload, number: 1)
                try await follow(before, resident: 0)
                try await EngineFixture.waitUntil { await models.memory.bytes == 0 }
                _ = try await draft(models, pinned)
                #expect(await models.memory.resident == 1)
            }
        }
    }
}
