import GatewayCore
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
}
