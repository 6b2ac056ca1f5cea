import GatewayCore
import GatewayTesting
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import GatewayServer

@Suite("A route's models")
struct RouteModelsTests {
    /// Notes what it is asked for, and has nothing.
    private final class Asked: LocalModels {
        let names = Mutex<[[String?]]>([])

        func slm(
            _ record: ModelRecord, base: ModelRecord?
        ) async throws(LocalModelError) -> any SmallLanguageModel {
            names.withLock { $0.append([record.name, base?.name]) }
            throw .interrupted
        }

        func prm(
            _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
        ) async throws(LocalModelError) -> any ProcessRewardModel {
            names.withLock { $0.append([record.name, base?.name, below?.name]) }
            throw .interrupted
        }
    }

    @Test("A head comes with the model it belongs to, and where that is an adapter with the one below")
    func below() async {
        func model(_ name: String, _ kind: ModelKind, base: String? = nil, _ reward: RewardKind? = nil) -> ModelRecord {
            ModelRecord(
                id: 1, tenantID: 1, name: name, kind: kind, file: "/x", sha256: "", base: base, rewardKind: reward)
        }
        let catalog = FakeCatalog(allModels: [
            model("small", .slm), model("tuned", .adapter, base: "small"),
            model("plain", .prm, base: "small", .sharedHead), model("own", .prm, base: "tuned", .sharedHead),
            model("words", .prm, .tokens),
        ])
        let asked = Asked()
        for (slm, prm) in [("small", "plain"), ("tuned", "plain"), ("tuned", "own"), ("small", "words")] {
            let route = RouteRecord(
                id: 1, tenantID: 1, name: "r", slm: slm, prm: prm, llm: Fixture.model, settings: RouteSettings())
            let models = RouteModels(catalog: catalog, models: asked, route: route)
            _ = try? await models.slm()
            #expect(await models.prm() == nil)
        }
        #expect(
            asked.names.withLock { $0 } == [
                ["small", nil], ["plain", "small", nil], ["tuned", "small"], ["plain", "small", nil],
                ["tuned", "small"], ["own", "tuned", "small"], ["small", nil], ["words", "small", nil],
            ])
    }

    /// An SLM, and a PRM that cannot be loaded.
    private struct Unloadable: LocalModels {
        let slm: FakeSLM

        func slm(
            _ record: ModelRecord, base: ModelRecord?
        ) async throws(LocalModelError) -> any SmallLanguageModel { slm }
        func prm(
            _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
        ) async throws(LocalModelError) -> any ProcessRewardModel {
            throw .unavailable("/x.head is half a head")
        }
    }

    @Test("A PRM that never scores is told of with the reason, once: where it fails, and where it cannot be had")
    func told() async throws {
        let log = KeptLog()
        var fixture = Fixture()
        fixture.services.logger = log.logger
        let scoreless: [(any LocalModels, String)] = [
            (FakeModels(slm: fixture.slm, prm: FakePRM(scores: [0], fails: true)), "interrupted"),
            (Unloadable(slm: fixture.slm), "half a head"),
        ]
        for (index, (models, why)) in scoreless.enumerated() {
            fixture.services.models = models
            for _ in 0..<2 {
                let response = try await DirectAnswerTests.post(fixture, BoostedAnswerTests.question)
                #expect(response.status == .ok && response.headers[.degraded] == "reward_unavailable")
            }
            let told = log.lines(.warning).map(\.text).filter { $0.contains("a reward model fails") }
            #expect(told.count == index + 1 && told.last?.contains(why) == true)
            #expect(told.last?.contains("prm") == true && told.last?.contains("/x.head") == true)
        }
    }

    @Test("What passes by itself is no news, another file is, and only so many are remembered")
    func news() {
        let failures = RewardFailures()
        func isNews(_ error: any Error, file: String = "/x", tenantID: Int64 = 1) -> Bool {
            failures.isNews(
                error, of: ModelRecord(id: 1, tenantID: tenantID, name: "prm", kind: .prm, file: file, sha256: ""))
        }
        for error in [LocalModelError.overloaded(retryAfterSeconds: 1), .deadlineExceeded] { #expect(!isNews(error)) }
        #expect(!isNews(CancellationError()))
        let invalid = LocalModelError.invalid("a")
        #expect(isNews(invalid) && !isNews(LocalModelError.invalid("b")) && isNews(LocalModelError.unavailable("a")))
        #expect(isNews(invalid, file: "/y") && isNews(invalid, tenantID: 2))
        let asked = ModelRecord(
            id: 1, tenantID: 1, name: "prm", kind: .prm, file: "/x", sha256: "", settingsSHA256: "a")
        #expect(failures.isNews(invalid, of: asked) && !failures.isNews(invalid, of: asked))
        for index in 0..<RewardFailures.most { _ = isNews(invalid, file: "\(index)") }
        #expect(isNews(invalid))
    }
}
