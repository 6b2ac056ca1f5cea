import Foundation
import GatewayCore
import GatewayTesting
import Testing

@testable import Inference

@Suite("Whose adapter's turn it is")
struct AdapterTurnTests {
    @Test("Adapters never share a decode, change seldom, and none waits for ever")
    func turns() {
        for seed in 0..<UInt64(200) {
            var random = SplitMix64(seed: seed)
            var simulation = SchedulerSimulation(SchedulerLimits())
            var jobs: [UInt64] = []
            for _ in 0..<random.integer(in: 2...40) {
                let tenant = Int64(random.integer(in: 1...6))
                simulation.group = tenant % 4
                let submitted = simulation.submit(
                    tenant, prompt: random.integer(in: 1...200), output: random.integer(in: 1...60))
                if submitted.submission == .queued { jobs.append(submitted.id) }
            }
            var changes = 0
            var last: Int64 = 0
            var decodes = 0
            while simulation.tick() {
                decodes += 1
                if simulation.scheduler.group != last { changes += 1 }
                last = simulation.scheduler.group
            }
            #expect(simulation.violations.isEmpty, "seed \(seed)")
            #expect(jobs.allSatisfy { simulation.outcomes[$0] == .done }, "seed \(seed)")
            // Groups that come and go cost changes of their own: one for each job, beyond one for each turn.
            #expect(changes <= decodes / simulation.limits.turn + jobs.count + 1, "seed \(seed)")
        }
    }

    @Test("A tenant that floods with one adapter leaves the others their turns")
    func flood() {
        var simulation = SchedulerSimulation(SchedulerLimits())
        simulation.group = 1
        for _ in 0..<60 { simulation.submit(1, prompt: 100, output: 100) }
        for _ in 0..<20 { simulation.tick() }
        simulation.group = 2
        let quiet = simulation.submit(2, prompt: 20, output: 20).id
        for _ in 0..<400 where simulation.outcomes[quiet] == nil { simulation.tick() }
        #expect(simulation.outcomes[quiet] == .done)
        #expect(simulation.violations.isEmpty)
    }
}

extension HostTests {
    @Suite("Adapters over one model")
    struct AdapterTests {
        private let files: TinyModels
        private let tiny = TinyModel()

        init() throws { files = try TinyModels() }

        private func adapter(_ number: Int) throws -> ModelRecord {
            var record = try files.record(
                "adapter\(number)", tiny.adapter(seed: UInt64(100 + number)), id: Int64(100 + number))
            record.kind = .adapter
            record.base = "base"
            record.tenantID = Int64(number)
            return record
        }

        private func text(
            _ model: any SmallLanguageModel, _ question: String = "abc", maxTokens: Int = 12
        ) async throws -> [Int32] {
            try await model.draft(DraftRequest(asking: question, maxTokens: maxTokens)).tokens
        }

        @Test("Each adapter answers as it does alone, whatever else is asked at the same time")
        func mixed() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            try await EngineFixture.withModels(try TinyModels.settings()) { engine in
                var models: [any SmallLanguageModel] = [try await engine.slm(base)]
                for number in 1...3 { models.append(try await engine.slm(try adapter(number), base: base)) }
                var alone: [[Int32]] = []
                for model in models { alone.append(try await text(model)) }
                #expect(Set(alone).count == 4)
                let all = models
                let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
                    for round in 0..<16 { group.addTask { (round % 4, try await text(all[round % 4])) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                for (index, tokens) in together { #expect(tokens == alone[index]) }
                let status = try await engine.supervisor(file: base.file, sha256: base.sha256).currentStatus()
                #expect(status.adapters == 3)
                #expect(status.adapterLoads == 3)
                #expect(await engine.memory.resident == 1)
            }
        }

        @Test("More adapters than fit take turns; one that was evicted answers as before")
        func eviction() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            var settings = try TinyModels.settings()
            settings.adapters = 2
            try await EngineFixture.withModels(settings) { engine in
                var first: [[Int32]] = []
                for round in 0..<2 {
                    for number in 1...5 {
                        let tokens = try await text(try await engine.slm(try adapter(number), base: base))
                        if round == 0 { first.append(tokens) } else { #expect(tokens == first[number - 1]) }
                    }
                }
                let status = try await engine.supervisor(file: base.file, sha256: base.sha256).currentStatus()
                #expect(status.adapters == 2)
                #expect(status.adapterLoads == 10)
            }
        }

        @Test("A prefix evaluated with one adapter is of no use to another, nor to the model itself")
        func prefixes() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            try await EngineFixture.withModels(try TinyModels.settings()) { engine in
                var (one, two) = (try adapter(1), try adapter(2))
                (one.tenantID, two.tenantID) = (1, 1)
                for (record, reused) in [(one, false), (two, false), (one, true)] {
                    let model = try await engine.slm(record, base: base)
                    let draft = try await model.draft(DraftRequest(asking: "the same words", maxTokens: 2))
                    #expect((draft.reusedTokens > 0) == reused)
                }
            }
        }

        @Test("A head that belongs to an adapter reads with it; the model below and other adapters are refused")
        func heads() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            let (one, two) = (try adapter(1), try adapter(2))
            let messages = [ChatMessage(role: "user", content: "abc")]
            let draft = StepDraft(
                text: "the same words\n", tokens: [], logProbabilities: [], hidden: [], end: .boundary,
                promptTokens: 0, reusedTokens: 0)
            let head = RewardHead(
                baseSHA256: BaseFiles.identity(model: base.sha256, adapter: one.sha256),
                weights: (0..<tiny.width).map { Float($0 % 7) / 10 - 0.3 }, bias: 0,
                mean: Array(repeating: 0, count: tiny.width), scale: Array(repeating: 1, count: tiny.width),
                calibration: .identity, metrics: [:], seed: 1)
            var record = try files.record("head", try head.encoded(), id: 9)
            (record.kind, record.base) = (.prm, one.name)
            try await EngineFixture.withModels(try TinyModels.settings()) { engine in
                var rewards: [Double] = []
                for adapter in [one.file, nil, two.file] {
                    let model = try await engine.model(file: base.file, adapter: adapter)
                    rewards.append(head.raw(try await model.hiddenStates(messages: messages, steps: [draft.text])[0]))
                }
                #expect(Set(rewards).count == 3)
                for kind in [RewardKind.head, .sharedHead] {
                    record.rewardKind = kind
                    let asked = record
                    let prm = try await engine.prm(asked, base: one, below: base)
                    #expect(prm.needsHidden == (kind == .sharedHead))
                    await #expect(throws: LocalModelError.self) { _ = try await engine.prm(asked, base: base) }
                    await #expect(throws: LocalModelError.self) { _ = try await engine.prm(asked, base: one) }
                    await #expect(throws: LocalModelError.self) {
                        _ = try await engine.prm(asked, base: two, below: base)
                    }
                    guard kind == .head else { continue }
                    let reward = try await prm.score(session: UUID(), messages: messages, answer: [], draft: draft)
                    #expect(abs(reward.raw - rewards[0]) < 1e-6)
                }
            }
        }

        @Test("A damaged adapter, or one of another model, is a clear error, and the model answers all the while")
        func damaged() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            try await EngineFixture.withModels(try TinyModels.settings()) { engine in
                let expected = try await text(try await engine.slm(base))
                let supervisor = try await engine.supervisor(file: base.file, sha256: base.sha256)
                let pid = await supervisor.processID
                var wide = TinyModel()
                wide.width = 128
                let whole = tiny.adapter(seed: 7)
                let header = whole.count - Int(try GGUFFile(checking: write(whole), for: .adapter).tensorBytes)
                var damaged = [wide.adapter(seed: 1), tiny.file, Data("no adapter".utf8)]
                damaged += (0..<40).map { Mutation.of(whole, headerBytes: header, seed: $0) }
                var refused = 0
                for (index, bytes) in damaged.enumerated() {
                    var record = try files.record("bad\(index)", bytes, id: Int64(index))
                    record.kind = .adapter
                    do {
                        _ = try await text(try await engine.slm(record, base: base))
                    } catch LocalModelError.unavailable {
                        refused += 1
                    }
                }
                print("damaged adapters: \(refused) of \(damaged.count) refused")
                #expect(refused >= 20)
                #expect(try await text(try await engine.slm(base)) == expected)
                #expect(await supervisor.processID == pid)
            }
        }

        private func write(_ bytes: Data) throws -> String {
            let path = files.directory.appending(path: "whole.gguf")
            try bytes.write(to: path)
            return path.path
        }

        @Test("Sixteen tenants' adapters over the demo model cost their own bytes and no copy of the model")
        func memory() async throws {
            defer { files.remove() }
            var base = EngineFixture.record(file: try EngineFixture.model())
            var settings = try TinyModels.settings()
            settings.contextTokens = 768
            settings.digest = nil
            base.sha256 = String(repeating: "a", count: 64)
            let parts = [TinyModel.Part("attn_q", 576, 576), TinyModel.Part("attn_v", 576, 192)]
            try await EngineFixture.withModels(settings) { engine in
                // Sixteen tenants without adapters: their keys and values fill the cells.
                for tenant in 1...16 {
                    base.tenantID = Int64(tenant)
                    _ = try await text(try await engine.slm(base), "Hi", maxTokens: 2)
                }
                let supervisor = try await engine.supervisor(file: base.file, sha256: base.sha256)
                let pid = try #require(await supervisor.processID)
                let before = try #require(ProcessMemory.residentBytes(pid))
                var bytes: Int64 = 0
                for number in 1...16 {
                    let file = TinyModel.adapter(parts, blocks: 30, rank: 8, seed: UInt64(number))
                    bytes += Int64(file.count)
                    var record = try files.record("a\(number)", file, id: Int64(number))
                    record.kind = .adapter
                    record.tenantID = Int64(number)
                    _ = try await text(try await engine.slm(record, base: base), "Hi", maxTokens: 2)
                }
                let after = try #require(ProcessMemory.residentBytes(pid))
                print(
                    "16 adapters: model \(before >> 20) MiB, adapters \(bytes >> 20) MiB, together \(after >> 20) MiB")
                #expect(Double(after) <= Double(before + bytes) * 1.1)
                #expect(try await supervisor.currentStatus().adapters == 16)
            }
        }
    }
}
