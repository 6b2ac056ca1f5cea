import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Logging
import Synchronization
import Testing

@testable import GatewayServer
@testable import Router

/// A memory of one process: what the database does, without one.
final class FakeRouterMemory: RouterMemory {
    struct State {
        var states: [String: String] = [:]
        var outcomes: [String: [String]] = [:]
        var isAway = false
    }
    let state = Mutex(State())

    func fold(
        tenantID: Int64, route: String, _ body: @escaping @Sendable (String?, [String]) throws -> String?
    ) async throws(LedgerUnavailable) -> String? {
        let result: Result<String?, LedgerUnavailable> = state.withLock { s in
            guard !s.isAway else { return .failure(LedgerUnavailable(reason: "away in this test")) }
            let key = "\(tenantID)/\(route)"
            guard let new = try? body(s.states[key], s.outcomes[key] ?? []) else { return .success(s.states[key]) }
            s.states[key] = new
            s.outcomes[key] = []
            return .success(new)
        }
        return try result.get()
    }

    func add(_ outcome: RouterState.Outcome, tenantID: Int64 = 1, route: String = "tutor") throws {
        let text = String(decoding: try JSONEncoder().encode(outcome), as: UTF8.self)
        state.withLock { $0.outcomes["\(tenantID)/\(route)", default: []].append(text) }
    }
}

@Suite struct RouterLearningTests {
    private static func route(_ llm: String = "general") -> RouteRecord {
        RouteRecord(
            id: 1, tenantID: 1, name: "tutor", slm: "slm", prm: "prm", llm: ModelReference(provider: "sim", model: llm),
            settings: RouteSettings())
    }
    private static let fresh = RouterState.initial(settings: RouteSettings(), meanAnswer: 0.001, budget: 1)
    private static func outcome() -> RouterState.Outcome {
        RouterState.Outcome(cluster: "depth 0", p: 0.4, gain: 0.5, baseCost: 0.001, remaining: 0.2, elapsed: 0.1)
    }
    private static func learning(_ memory: FakeRouterMemory) -> RouterLearning {
        RouterLearning(memory: memory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test("what two gateways' requests taught is one state, which both decide by, and a third after a restart")
    func shared() async throws {
        let memory = FakeRouterMemory()
        let (one, two) = (Self.learning(memory), Self.learning(memory))
        let route = Self.route()
        #expect(await one.state(of: route, fresh: Self.fresh) == Self.fresh)
        #expect(await two.state(of: route, fresh: Self.fresh) == Self.fresh)
        for gateway in [one, two, one, two, two] {
            try memory.add(Self.outcome())
            gateway.note(route)
            await gateway.foldDirty()
        }
        var expected = Self.fresh
        for _ in 0..<5 { expected.update(Self.outcome()) }
        #expect(await two.state(of: route, fresh: Self.fresh) == expected)
        #expect(await Self.learning(memory).state(of: route, fresh: Self.fresh) == expected)
    }

    /// What is learned of a step of the LLM's at 1, p before it 0.2, from a draft.
    private static func gains(step: Int, attempt: Int) throws -> [Double]? {
        func plan(_ step: Int, _ attempt: Int) -> DraftPlan {
            DraftPlan(
                step: step, attempt: attempt, answer: [], texts: [], sampling: Sampling(), maxTokens: 8, boundary: nil,
                wantsReward: true)
        }
        var learning = AnswerLearning(settings: RouteSettings(), price: nil, state: fresh)
        learning.scored(plan(0, 0), p: 0.9, context: 10)
        learning.scored(plan(2, 1), p: 0.95, context: 10)
        let reward = ProcessReward(raw: 0.2, calibrated: 0.2)
        let decision = Decision(action: .llmStep, shadowPrice: 1, reason: "")
        learning.wrote(
            EscalationPlan(kind: .step, step: 1, texts: [], maxTokens: 8, decision: decision, reward: reward),
            cost: .zero)
        learning.scored(plan(step, attempt), p: 0.6, context: 10)
        learning.scored(plan(step, attempt + 1), p: 0.7, context: 10)
        let text = try #require(learning.outcome(budgets: [], now: Date()))
        return try JSONDecoder().decode(RouterState.Outcome.self, from: Data(text.utf8)).stepGains
    }

    @Test("a step of the LLM's is judged by the first draft behind it, whatever its number, and by no later step")
    func stepGains() throws {
        let expected = (0.6 - 0.2) / 0.8 - RouteSettings().stepGainShare
        for attempt in [0, 7] { #expect(try Self.gains(step: 2, attempt: attempt) == [expected]) }
        #expect(try Self.gains(step: 3, attempt: 0) == nil)
    }

    @Test("with the database away the priors decide, and what waits is learned when it is back")
    func away() async throws {
        let memory = FakeRouterMemory()
        memory.state.withLock { $0.isAway = true }
        let learning = Self.learning(memory)
        let route = Self.route()
        #expect(await learning.state(of: route, fresh: Self.fresh) == Self.fresh)
        try memory.add(Self.outcome())
        learning.note(route)
        await learning.foldDirty()
        #expect(memory.state.withLock { $0.outcomes["1/tutor"]?.count } == 1)
        memory.state.withLock { $0.isAway = false }
        await learning.foldDirty()
        #expect(await learning.state(of: route, fresh: Self.fresh).updates == 1)
    }

    @Test("what was learned of one LLM is not believed of another, and what cannot be read is not believed at all")
    func otherModel() async throws {
        let memory = FakeRouterMemory()
        let learning = Self.learning(memory)
        _ = await learning.state(of: Self.route(), fresh: Self.fresh)
        for _ in 0..<3 { try memory.add(Self.outcome()) }
        memory.state.withLock { $0.outcomes["1/tutor"]?.append("{\"no\": \"outcome\"}") }
        learning.note(Self.route())
        await learning.foldDirty()
        #expect(await learning.state(of: Self.route(), fresh: Self.fresh).updates == 3)
        #expect(await learning.state(of: Self.route("other"), fresh: Self.fresh).updates == 0)
        memory.state.withLock { $0.states["1/tutor"] = "[]" }
        try memory.add(Self.outcome())
        #expect(await Self.learning(memory).state(of: Self.route(), fresh: Self.fresh).updates == 1)
    }
}

@Suite struct AnswerLearningTests {
    private static let question = #"{"model":"math","messages":[{"role":"user","content":"1+2?"}]}"#

    private static func fixture(_ memory: FakeRouterMemory?, settings: RouteSettings) -> Fixture {
        var fixture = Fixture(
            scripts: [completion("Better two.\\nAnswer: 3")], scores: [0.99, 0.05, 0.99], settings: settings)
        fixture.services.learning = RouterLearning(
            memory: memory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return fixture
    }

    private static func settings() -> RouteSettings {
        var settings = RouteSettings()
        settings.maxResamples = 0
        settings.exploration = 0
        settings.llmStepSeconds = 1000
        return settings
    }

    private static func outcome(_ fixture: Fixture) async throws -> RouterState.Outcome? {
        await fixture.services.activity.waitUntilIdle()
        let text = try #require(fixture.ledger.snapshot.requests.first).outcome
        return try text.map { try JSONDecoder().decode(RouterState.Outcome.self, from: Data($0.utf8)) }
    }

    @Test("a request is recorded with what its route's router learns from it, and the next one is decided by that")
    func recorded() async throws {
        let memory = FakeRouterMemory()
        let fixture = Self.fixture(memory, settings: Self.settings())
        let response = try await DirectAnswerTests.post(fixture, Self.question)
        #expect(response.status == .ok && response.headers[.servedBy] == "mixed")
        let outcome = try #require(try await Self.outcome(fixture))
        #expect(outcome.p == 0.05 && outcome.cluster == AdaptiveController.cluster(depth: 1))
        #expect(abs((outcome.paid ?? 0) - 0.0013) < 1e-9)
        #expect(outcome.period == "month:2026-11" && outcome.rooms?.map(\.scope) == ["tenant:acme"])
        #expect(abs((outcome.remaining ?? 0) - 0.9987) < 1e-9)
        #expect(outcome.floor == nil)
        // This PRM looks at the SLM's own states: it cannot read what another wrote.
        #expect(outcome.read == nil && outcome.spent == outcome.paid)
        // A budget that is nearly gone, over and over: the next poor step is not paid for.
        for _ in 0..<300 {
            var poor = outcome
            poor.rooms?[0].remaining = 0.0001
            // Whatever day it is: with nothing of the month to come there would be nothing to save for.
            poor.rooms?[0].elapsed = 0
            try memory.add(poor, route: "math")
        }
        await fixture.services.learning.foldDirty()
        let next = try await DirectAnswerTests.post(fixture, Self.question)
        #expect(next.headers[.servedBy] == "slm")
    }

    @Test("a quarter passes as a month does, only slower; a budget without an end never does")
    func elapsed() {
        let now = Date(timeIntervalSince1970: 1_790_000_000)
        func elapsed(_ period: String, daysLeft: Double?) -> Double {
            BudgetState(
                scope: "tenant:acme", period: period, limit: .zero, settled: .zero, held: .zero,
                resetsAt: daysLeft.map { now.addingTimeInterval($0 * 86_400) }
            ).elapsed(now)
        }
        #expect(abs(elapsed("day:2026-11-05", daysLeft: 0.25) - 0.75) < 1e-6)
        #expect(abs(elapsed("week:2026-W45", daysLeft: 3.5) - 0.5) < 1e-6)
        #expect(abs(elapsed("month:2026-11", daysLeft: 7.6) - 0.75) < 1e-6)
        #expect(abs(elapsed("quarter:2026-Q4", daysLeft: 91.3 / 4) - 0.75) < 1e-6)
        #expect(elapsed("quarter:2026-Q4", daysLeft: 92) == 0)
        #expect(elapsed("total", daysLeft: nil) == 0)
    }

    @Test("the rest that an LLM wrote is read by a PRM that can read it, step by step as it stands in the answer")
    func read() async throws {
        let script = completion("Better two.\\nAnswer: 3")
        let lines = [PaidChunk(bytes: script.chunks[0].bytes, text: "Better two.\nAnswer: 3")]
        var fixture = Fixture(
            scripts: [.init(chunks: lines, result: script.result)], scores: [0.99, 0.05, 0.7],
            settings: Self.settings())
        fixture.services.learning = RouterLearning(
            memory: FakeRouterMemory(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let prm = FakePRM(needsHidden: false, scores: [0.99, 0.05, 0.7])
        fixture.services.models = FakeModels(slm: fixture.slm, prm: prm)
        let response = try await DirectAnswerTests.post(fixture, Self.question)
        #expect(response.headers[.servedBy] == "mixed")
        #expect(try await Self.outcome(fixture)?.read == 0.7)
    }

    private static func begins(_ account: inout ReadingAllowance.Account) -> Bool { account.begin() }

    @Test("readings take a small part of the engines' time, one at a time")
    func allowance() {
        var account = ReadingAllowance.Account()
        #expect(Self.begins(&account))
        #expect(!Self.begins(&account))
        account.end(.seconds(8))
        // Three seconds too many are saved first, out of a hundred of drafting.
        account.worked(.seconds(99))
        #expect(!Self.begins(&account))
        account.worked(.seconds(2))
        #expect(Self.begins(&account))
        // However long a gateway drafts, it saves up no more than at the beginning.
        account.end(.zero)
        account.worked(.seconds(1_000_000))
        #expect(Self.begins(&account))
        account.end(ReadingAllowance.Account.most)
        #expect(!Self.begins(&account))
    }

    @Test("a route with a fixed λ, one that never escalates and a gateway without a memory learn nothing")
    func nothing() async throws {
        var fixed = Self.settings()
        fixed.target = .price
        var forbidden = Self.settings()
        forbidden.escalationForbidden = true
        let cases = [(fixed, FakeRouterMemory()), (forbidden, FakeRouterMemory()), (Self.settings(), nil)]
        for (settings, memory) in cases {
            let fixture = Self.fixture(memory, settings: settings)
            #expect(try await DirectAnswerTests.post(fixture, Self.question).status == .ok)
            #expect(try await Self.outcome(fixture) == nil)
        }
        // Another strategy's outcomes are not this route's.
        let fixture = Self.fixture(FakeRouterMemory(), settings: Self.settings())
        var headers = DirectAnswerTests.headers
        headers[.strategy] = "cascade"
        let response = try await DirectAnswerTests.post(fixture, Self.question, headers: headers)
        #expect(response.status == .ok)
        #expect(try await Self.outcome(fixture) == nil)
    }

    @Test(
        "every strategy answers, pays once for a poor draft and shows none of it",
        arguments: [StrategyKind.bestOfN, .tree])
    func strategies(kind: StrategyKind) async throws {
        var settings = Self.settings()
        settings.strategy = kind
        settings.treeWidth = 1
        // Else it is searched on as long as there are nodes: that is free, and a try may be a good one.
        settings.resampleSeconds = 1000
        let fixture = Self.fixture(FakeRouterMemory(), settings: settings)
        let response = try await DirectAnswerTests.post(fixture, Self.question)
        #expect(response.status == .ok)
        #expect(fixture.ledger.snapshot.settlements.count == 1)
        #expect(!String(buffer: response.body).contains("\"Two."))
        #expect(fixture.ledger.snapshot.held.isEmpty)
    }
}
