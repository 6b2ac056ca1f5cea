import Crypto
import Foundation
import GatewayCore
import Logging
import Synchronization

@testable import GatewayServer

/// A catalog with one tenant, one key and what a test puts in.
struct FakeCatalog: Catalog {
    static let key = "gb-test"
    static let tenant = Tenant(id: 1, name: "acme", timeZone: "UTC", isSuspended: false)
    var allRoutes: [RouteRecord] = []
    var allModels: [ModelRecord] = []
    var prices: [ModelReference: ModelPrice] = [:]
    var limits: [LocalLimit] = []
    var cacheSeconds: Int?
    /// As another gateway made it: it looks like a token.
    static let dottedKey = "sk-acme.team.1"
    /// A second tenant's key.
    static let otherKey = "gb-other"
    /// As if the database were away: keys that are not known cannot be looked up.
    var isAway = false

    func authenticate(_ presentedKey: String) async throws(AuthenticationFailure) -> Caller {
        var tenant = Self.tenant
        switch presentedKey {
        case Self.key, Self.dottedKey: break
        case Self.otherKey: (tenant.id, tenant.name) = (2, "other")
        default: throw isAway ? AuthenticationFailure.unavailable : .unknownKey
        }
        tenant.cacheSeconds = cacheSeconds
        return Caller(tenant: tenant, teamID: nil, keyID: 7)
    }
    func route(_ name: String, tenantID: Int64) async -> RouteRecord? {
        allRoutes.first { $0.name == name && $0.tenantID == tenantID }
    }
    func routes(tenantID: Int64) async -> [RouteRecord] { allRoutes.filter { $0.tenantID == tenantID } }
    func model(_ name: String, tenantID: Int64) async -> ModelRecord? {
        allModels.first { $0.name == name && $0.tenantID == tenantID }
    }
    func models() async -> [ModelRecord] { allModels }
    func price(_ model: ModelReference) async -> ModelPrice? { prices[model] }
    func pricedModels() async -> [ModelReference] { Array(prices.keys) }
    func localLimits(_ caller: Caller) async -> [LocalLimit] { limits.filter { $0.applies(to: caller) } }
}

/// A ledger in memory: one budget, exact, with everything that was settled.
final class FakeLedger: SpendLedger {
    struct State {
        var limit: Int64
        var held: [HoldID: Int64] = [:]
        var settled: Int64 = 0
        var settlements: [Settlement] = []
        var reservations: [Reservation] = []
        var requests: [RequestRecord] = []
        var isAway = false
        /// What every reservation comes to; nil: what the limit says.
        var outcome: ReservationOutcome?
    }
    let state: Mutex<State>
    init(limit: NanoUSD) { state = Mutex(State(limit: limit.rawValue)) }
    init(outcome: ReservationOutcome) { state = Mutex(State(limit: 0, outcome: outcome)) }

    private static func budget(_ s: State) -> BudgetState {
        BudgetState(
            scope: "tenant:acme", period: "month:2026-11", limit: NanoUSD(s.limit), settled: NanoUSD(s.settled),
            held: NanoUSD(s.held.values.reduce(0, +)), resetsAt: Date(timeIntervalSinceNow: 86_400))
    }
    func reserve(_ reservation: Reservation) async throws(LedgerUnavailable) -> ReservationOutcome {
        let outcome: ReservationOutcome? = state.withLock { s in
            guard !s.isAway else { return nil }
            if let outcome = s.outcome { return outcome }
            let used = s.settled + s.held.values.reduce(0, +)
            guard used + reservation.amount.rawValue <= s.limit else { return .refused(Self.budget(s)) }
            s.held[reservation.id] = reservation.amount.rawValue
            s.reservations.append(reservation)
            return .granted(tightest: Self.budget(s))
        }
        guard let outcome else { throw LedgerUnavailable(reason: "away in this test") }
        return outcome
    }
    func settle(_ settlement: Settlement) async {
        state.withLock { s in
            guard let held = s.held.removeValue(forKey: settlement.id) else { return }
            s.settled += settlement.outcome == .estimated ? held : settlement.amount.rawValue
            s.settlements.append(settlement)
        }
    }
    func record(_ request: RequestRecord) async { state.withLock { $0.requests.append(request) } }
    func budgets(_ caller: Caller) async throws(LedgerUnavailable) -> [BudgetState] {
        let answer: BudgetState? = state.withLock { $0.isAway ? nil : Self.budget($0) }
        guard let answer else { throw LedgerUnavailable(reason: "away in this test") }
        return [answer]
    }
    var snapshot: State { state.withLock { $0 } }
}

/// A provider that answers every call from a script.
final class FakeProvider: PaidProvider {
    struct Script: Sendable {
        var chunks: [PaidChunk] = []
        var result = PaidResult()
        /// Thrown by `open`.
        var openError: ProviderError?
        /// Thrown by `next` after the chunks, instead of a proper end.
        var streamError: ProviderError?
    }
    let name = "sim"
    private let scripts: Mutex<[Script]>
    private let seen = Mutex<[PaidCall]>([])
    private let drained = Mutex(0)
    init(_ scripts: [Script]) { self.scripts = Mutex(scripts) }
    var calls: [PaidCall] { seen.withLock { $0 } }
    var drains: Int { drained.withLock { $0 } }

    func open(_ call: PaidCall) async throws -> any PaidExchange {
        seen.withLock { $0.append(call) }
        let script = scripts.withLock { $0.isEmpty ? Script() : $0.count > 1 ? $0.removeFirst() : $0[0] }
        if let error = script.openError { throw error }
        return Exchange(script: script, drain: { self.drained.withLock { $0 += 1 } })
    }

    actor Exchange: PaidExchange {
        let script: Script
        let onDrain: @Sendable () -> Void
        private var index = 0
        init(script: Script, drain: @escaping @Sendable () -> Void) {
            self.script = script
            self.onDrain = drain
        }
        func next() async throws -> PaidChunk? {
            guard index < script.chunks.count else {
                if let error = script.streamError { throw error }
                return nil
            }
            index += 1
            return script.chunks[index - 1]
        }
        func drain(seconds: Double) async -> PaidResult {
            onDrain()
            return script.result
        }
        func cancel() async {}
        var result: PaidResult { script.result }
    }
}

/// An SLM that drafts from a list of steps, whatever it is asked.
final class FakeSLM: SmallLanguageModel {
    let steps: [String]
    /// How it calls tools.
    let format: ToolCallFormat?
    /// Another server's, which keeps its tokens to itself.
    let isRemote: Bool
    private let failure: Mutex<LocalModelError?>
    private let seen = Mutex<[DraftRequest]>([])
    init(
        _ steps: [String], failure: LocalModelError? = nil, format: ToolCallFormat? = nil, isRemote: Bool = false
    ) {
        self.steps = steps
        self.format = format
        self.isRemote = isRemote
        self.failure = Mutex(failure)
    }
    var requests: [DraftRequest] { seen.withLock { $0 } }
    func fail(_ error: LocalModelError?) { failure.withLock { $0 = error } }

    func toolCallFormat() async throws -> ToolCallFormat? { format }

    func draft(_ request: DraftRequest) async throws -> StepDraft {
        seen.withLock { $0.append(request) }
        if let error = failure.withLock({ $0 }) { throw error }
        let index = min(request.answer.count, steps.count - 1)
        var draft = StepDraft(
            text: steps[index], tokens: isRemote ? [] : [Int32(index)], logProbabilities: isRemote ? [] : [-0.5],
            hidden: [Float(index)], end: index == steps.count - 1 ? .answer : .boundary, promptTokens: 10,
            reusedTokens: 0)
        draft.remoteTokens = isRemote ? 7 : nil
        return draft
    }
    func end(session: UUID) async {}
}

/// A PRM with a fixed score a step.
struct FakePRM: ProcessRewardModel {
    var needsHidden = true
    var scores: [Double]
    var fails = false
    /// Called with how many steps stand before the one that is scored.
    var onScore: @Sendable (Int) -> Void = { _ in }
    func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws
        -> ProcessReward
    {
        if fails { throw LocalModelError.interrupted }
        onScore(answer.count)
        let value = scores[min(answer.count, scores.count - 1)]
        return ProcessReward(raw: value, calibrated: value)
    }
}

struct FakeModels: LocalModels {
    var slm: FakeSLM
    var prm: FakePRM
    func slm(
        _ record: ModelRecord, base: ModelRecord?
    ) async throws(LocalModelError) -> any SmallLanguageModel { slm }
    func prm(
        _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel { prm }
}

/// Everything a server test needs, in one place.
struct Fixture {
    static let model = ModelReference(provider: "sim", model: "large")
    var ledger: FakeLedger
    var provider: FakeProvider
    var slm: FakeSLM
    var services: GatewayServices

    init(
        limit: NanoUSD = NanoUSD(NanoUSD.perDollar), scripts: [FakeProvider.Script] = [],
        steps: [String] = ["One.\n", "Two.\n", "Answer: 3"], scores: [Double] = [0.9], priced: Bool = true,
        settings: RouteSettings = RouteSettings(), format: ToolCallFormat? = nil
    ) {
        ledger = FakeLedger(limit: limit)
        provider = FakeProvider(scripts)
        slm = FakeSLM(steps, format: format)
        let route = RouteRecord(
            id: 1, tenantID: 1, name: "math", slm: "slm", prm: "prm", llm: Self.model, settings: settings)
        let sha = String(repeating: "0", count: 64)
        var catalog = FakeCatalog(
            allRoutes: [route],
            allModels: [
                ModelRecord(id: 1, tenantID: 1, name: "slm", kind: .slm, file: "/x.gguf", sha256: sha),
                ModelRecord(
                    id: 2, tenantID: 1, name: "prm", kind: .prm, file: "/x.head", sha256: sha, base: "slm",
                    rewardKind: .sharedHead),
            ])
        if priced {
            catalog.prices[Self.model] = ModelPrice(
                id: 3, model: Self.model, inputPicoPerToken: 10_000_000, outputPicoPerToken: 30_000_000)
        }
        services = GatewayServices(
            catalog: catalog, ledger: ledger, models: FakeModels(slm: slm, prm: FakePRM(scores: scores)),
            providers: ["sim": provider], contentKey: SymmetricKey(size: .bits256), logger: Logger(label: "test"))
    }
}

extension Fixture {
    /// A model of a second provider's.
    static let other = ModelReference(provider: "other", model: "big")

    /// Adds the second provider, at twice the first one's price, and a group of `model` that knows of it.
    mutating func addOther(
        _ scripts: [FakeProvider.Script], isPriced: Bool = true, fallbacks: [ModelReference] = [],
        mirror: ModelGroup.Mirror? = nil
    ) -> FakeProvider {
        let provider = FakeProvider(scripts)
        services.providers["other"] = provider
        if isPriced, var catalog = services.catalog as? FakeCatalog {
            catalog.prices[Self.other] = ModelPrice(
                id: 4, model: Self.other, inputPicoPerToken: 20_000_000, outputPicoPerToken: 60_000_000)
            services.catalog = catalog
        }
        let group = ModelGroup(deployments: [.init(model: Self.model)], fallbacks: fallbacks, mirror: mirror)
        services.deployments = Deployments([Self.model: group])
        return provider
    }
}

/// A non-streamed completion of the fake provider.
func completion(_ text: String, prompt: Int64 = 100, completion: Int64 = 10) -> FakeProvider.Script {
    let body = """
        {"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"\(text)"},\
        "finish_reason":"stop"}],"usage":{"prompt_tokens":\(prompt),"completion_tokens":\(completion)},"odd":1e400}
        """
    return .init(
        chunks: [PaidChunk(bytes: Array(body.utf8), text: text)],
        result: PaidResult(
            usage: TokenUsage(input: prompt, output: completion), finishReason: "stop", providerRequestID: "req-1"))
}
