import Foundation
import GatewayCore
import GatewayTesting
import Testing

@testable import Inference

@Suite("Joining what two models think of the next token")
struct LogitFusionTests {
    private let llm: [Float] = [0.5, 0.3, 0.1, 0.1].map { log($0) }
    private let slm: [Float] = [0.1, 0.6, 0.2, 0.1].map { log($0) }

    @Test("Without weight it is the LLM's; with the SLM's base the LLM is moved by what the SLM learned, and only that")
    func joined() {
        #expect(LogitFusion(weight: 0).joined(llm: llm, slm: slm, base: nil) == llm)
        #expect(LogitFusion(weight: 2).joined(llm: llm, slm: slm, base: slm) == llm)
        let moved = LogitFusion(weight: 1).joined(llm: llm, slm: slm, base: llm)
        #expect(zip(moved, slm).allSatisfy { abs($0 - $1) < 1e-6 })
        let mean = LogitFusion(weight: 3).joined(llm: llm, slm: slm, base: nil)
        #expect(abs(mean[1] - (log(0.3) + 3 * log(0.6)) / 4) < 1e-6)
    }

    @Test("What a model rules out stays out, and is no reason to choose it")
    func ruledOut() {
        let none: [Float] = [-.infinity, 0, -.infinity, -.infinity]
        let joined = LogitFusion(weight: 1).joined(llm: none, slm: none, base: none)
        #expect(joined[0] == -.infinity && joined[1] == 0)
        #expect(LogitFusion.choose(joined, Sampling(), position: 0)?.token == 1)
        #expect(LogitFusion.choose([-.infinity, -.infinity], Sampling(), position: 0) == nil)
        #expect(LogitFusion.choose([], Sampling(), position: 0) == nil)
    }

    @Test("Greedy is the best, with its probability; a seed draws the same at a place and others elsewhere")
    func chosen() throws {
        let best = try #require(LogitFusion.choose(llm, Sampling(), position: 5))
        #expect(best.token == 0 && abs(best.logProbability - log(0.5)) < 1e-5)
        let sampling = Sampling(temperature: 1, topP: 1, topK: 0, seed: 7)
        var counts = [0, 0, 0, 0]
        for position in 0..<4000 {
            let token = try #require(LogitFusion.choose(llm, sampling, position: position)).token
            #expect(LogitFusion.choose(llm, sampling, position: position)?.token == token)
            counts[Int(token)] += 1
        }
        // Five standard deviations.
        for (count, share) in zip(counts, [0.5, 0.3, 0.1, 0.1]) {
            #expect(abs(Double(count) - 4000 * share) < 5 * (4000 * share * (1 - share)).squareRoot())
        }
    }

    @Test("Top-k, top-p and min-p leave what they leave, and always one")
    func cut() {
        func drawn(_ change: (inout Sampling) -> Void) -> Set<Int32> {
            var sampling = Sampling(temperature: 2, topP: 1, topK: 0, seed: 3)
            change(&sampling)
            return Set((0..<500).compactMap { LogitFusion.choose(llm, sampling, position: $0)?.token })
        }
        #expect(drawn { _ in } == [0, 1, 2, 3])
        #expect(drawn { $0.topK = 2 } == [0, 1])
        #expect(drawn { $0.topP = 0.7 } == [0, 1])
        #expect(drawn { $0.topP = 0.0001 } == [0])
        #expect(drawn { $0.minP = 0.5 } == [0, 1])
        #expect(drawn { $0.minP = 1 } == [0])
    }
}

extension HostTests {
    @Suite("Logit fusion over engine hosts")
    struct FusionTests {
        private let files: TinyModels
        private let tiny = TinyModel()

        init() throws { files = try TinyModels() }

        private func request(_ question: String, maxTokens: Int = 16) -> DraftRequest {
            DraftRequest(asking: question, maxTokens: maxTokens)
        }

        @Test("The SLM's own base as the LLM, and weight 1: what both write is what the SLM writes, token by token")
        func identity() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            var adapter = try files.record("adapter", tiny.adapter(seed: 101), id: 101)
            adapter.kind = .adapter
            adapter.base = "base"
            adapter.tenantID = 1
            try await EngineFixture.withModels(try TinyModels.settings()) { engine in
                let slm = try await engine.slm(adapter, base: base)
                let home = HomeModel(models: engine, file: base.file)
                var differing = 0
                for question in ["abc", "the same words", "12 + 30"] {
                    let own = try await slm.draft(request(question))
                    let plain = try await home.stream(request(question), tenant: 1) { _ in }
                    let fused = try await home.write(
                        FusedStep(request: request(question), partner: slm, weight: 1), tenant: 1)
                    #expect(fused.tokens == own.tokens && fused.text == own.text && fused.end == own.end)
                    #expect(fused.promptTokens == own.promptTokens)
                    // Up to how keys and values are rounded that came in other batches.
                    #expect(zip(fused.logProbabilities, own.logProbabilities).allSatisfy { abs($0 - $1) < 0.02 })
                    let alone = try await home.write(
                        FusedStep(request: request(question), partner: slm, weight: 0), tenant: 1)
                    #expect(alone.tokens == plain.tokens)
                    differing += own.tokens == plain.tokens ? 0 : 1
                }
                // Else the adapter changes nothing, and nothing was shown.
                #expect(differing > 0)
            }
        }

        @Test("A token costs each host one token: what was evaluated for the step is found again")
        func reuse() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            try await EngineFixture.withModels(try TinyModels.settings()) { engine in
                let slm = try await engine.slm(base)
                let home = HomeModel(models: engine, file: base.file)
                let supervisor = try await engine.supervisor(file: base.file, sha256: base.sha256)
                let before = try await supervisor.currentStatus().evaluatedTokens
                let fused = try await home.write(
                    FusedStep(request: request("abc"), partner: slm, weight: 1), tenant: 1)
                let evaluated = try await supervisor.currentStatus().evaluatedTokens - before
                #expect(fused.tokens.count > 4)
                #expect(evaluated <= UInt64(fused.promptTokens + fused.tokens.count + 2))
            }
        }

        @Test("Models of two vocabularies are refused by the setting's name, and so is an SLM that is elsewhere")
        func otherVocabulary() async throws {
            defer { files.remove() }
            let base = try files.record("base", tiny.file)
            try await EngineFixture.withModels(try TinyModels.settings()) { engine in
                let slm = try await engine.slm(base)
                let home = HomeModel(models: engine, file: try EngineFixture.model())
                await #expect {
                    try await home.write(FusedStep(request: request("abc"), partner: slm, weight: 1), tenant: 1)
                } throws: { error in
                    guard case LocalModelError.invalid(let why) = error else { return false }
                    return why.contains("fusion_weight") && why.contains("vocabulary")
                }
            }
        }
    }
}
