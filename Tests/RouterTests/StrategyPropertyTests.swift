import GatewayCore
import Testing

@testable import Router

/// Plays random models, budgets and failures to a strategy and checks every action against a plain model of what is
/// settled by now.
private struct Play {
    var generator: SeededGenerator
    let seed: UInt64
    let settings: RouteSettings
    let kind: StrategyKind
    let context: StrategyContext
    let failures: Double
    let refusals: Double
    let rewards: Bool

    var settled: [AnswerSegment] = []
    var settledTexts: [String] = []
    var candidates: [StepDraft] = []
    var rejected: [StepDraft] = []
    var drafts = 0
    var escalations: [Int] = []
    var refused = false
    var failed = false
    var interrupted = false

    init(seed: UInt64, kind: StrategyKind, failures: Double, refusals: Double) {
        var generator = SeededGenerator(seed: seed)
        var settings = RouteSettings()
        settings.strategy = kind
        settings.maxSteps = .random(in: 1...10, using: &generator)
        settings.maxStepTokens = .random(in: 1...20, using: &generator)
        settings.maxAnswerTokens = .random(in: 1...120, using: &generator)
        settings.maxResamples = .random(in: 0...3, using: &generator)
        settings.maxCandidates = .random(in: 1...4, using: &generator)
        settings.treeNodes = .random(in: 1...20, using: &generator)
        settings.treeWidth = .random(in: 1...4, using: &generator)
        settings.valueUSD = generator.pick([0, 0.0001, 0.002, 0.1])
        settings.stepGainShare = generator.pick([0.2, 0.9])
        settings.latencyUSDPerSecond = generator.pick([0, 0.0001])
        settings.escalationForbidden = generator.chance(0.1)
        settings.boundary = generator.pick([.newline, .blankLine, .pattern("x")])
        context = StrategyContext(
            settings: settings, sampling: Sampling(temperature: generator.pick([0, 0.5])),
            maxTokens: generator.chance(0.3) ? .random(in: 1...60, using: &generator) : nil,
            hasLocalModel: kind != .direct || generator.chance(0.7))
        rewards = generator.chance(0.9)
        self.settings = settings
        self.generator = generator
        self.seed = seed
        self.kind = kind
        self.failures = failures
        self.refusals = refusals
    }

    private mutating func event(for plan: DraftPlan) -> StrategyEvent {
        drafts += 1
        #expect(plan.maxTokens >= 1 && plan.maxTokens <= settings.maxStepTokens, "seed \(seed)")
        if generator.chance(failures) {
            failed = true
            return .draftFailed(generator.pick([.interrupted, .overloaded(retryAfterSeconds: 1)]))
        }
        let outlook = SpendingOutlook(
            price: generator.chance(0.9) ? ControllerTests.price : nil,
            remaining: generator.pick([nil, .zero, NanoUSD(20_000), NanoUSD(NanoUSD.perDollar)]), inputTokenBound: 60)
        if plan.candidates > 1 {
            #expect(kind == .tree && plan.sampling.temperature > 0, "seed \(seed)")
            // An engine may make fewer than it was asked for.
            let count = generator.chance(0.1) ? 1 : plan.candidates
            let made = (0..<count).map { _ in drafted(plan) }
            drafts += count - 1
            return .candidates(made, outlook: outlook)
        }
        let candidate = drafted(plan)
        return .drafted(candidate.draft, reward: candidate.reward, outlook: outlook)
    }

    private mutating func drafted(_ plan: DraftPlan) -> DraftedCandidate {
        let end: DraftEnd = generator.pick([.boundary, .boundary, .boundary, .length, .answer])
        let count = generator.chance(0.1) ? 0 : Int.random(in: 1...plan.maxTokens, using: &generator)
        let text = count == 0 ? "" : generator.pick(["a\n", "b\n", "c\n", "\n", "step \(candidates.count)\n"])
        let draft = StepDraft(
            text: text, tokens: (0..<count).map { Int32($0 + 1000 * drafts) }, logProbabilities: [], hidden: [],
            end: end, promptTokens: 50, reusedTokens: 0)
        candidates.append(draft)
        let p = Double.random(in: 0...1, using: &generator)
        let hasReward = rewards && generator.chance(0.95)
        return DraftedCandidate(draft: draft, reward: hasReward ? ProcessReward(raw: p, calibrated: p) : nil)
    }

    private mutating func event(for plan: EscalationPlan) -> StrategyEvent {
        #expect(!settings.escalationForbidden, "seed \(seed)")
        #expect(!refused, "escalated after a refusal, seed \(seed)")
        #expect(!escalations.contains(plan.step), "two calls for one step, seed \(seed)")
        #expect(plan.maxTokens >= 1, "seed \(seed)")
        if kind == .stepwise || kind == .tree { #expect(plan.texts == settledTexts, "seed \(seed)") }
        escalations.append(plan.step)
        if generator.chance(refusals) {
            refused = true
            return .refused(
                generator.pick([.budgetExhausted, .ledgerUnavailable, .providerUnavailable, .priceUnknown]))
        }
        let end: LLMReplyEnd = generator.pick([.step, .step, .answer, .length, .interrupted])
        let isStreamed = plan.kind != .step && generator.chance(0.5)
        let text = generator.pick(["", "llm \(drafts)", "llm \(drafts)\n", "a\n"])
        if end == .interrupted {
            interrupted = true
            refused = true
        }
        if isStreamed, !text.isEmpty {
            settled.append(.text(text))
            settledTexts.append(text)
            candidates = []
        }
        return .wrote(
            LLMReply(
                text: text, end: end, tokens: .random(in: 0...plan.maxTokens, using: &generator),
                wasStreamed: isStreamed))
    }

    private mutating func check(_ step: EmittedStep) {
        #expect(step.index == settled.count, "order, seed \(seed)")
        #expect(!step.text.isEmpty, "seed \(seed)")
        switch step.source {
        case .slm:
            let isDrafted = candidates.contains { .tokens($0.tokens) == step.segment && $0.text == step.text }
            #expect(isDrafted, "emitted what was not drafted for this step, seed \(seed)")
            if kind == .stepwise { candidates = [] }
        case .llm:
            guard case .text(let text) = step.segment else {
                Issue.record("an LLM step without text, seed \(seed)")
                return
            }
            #expect(text == step.text, "seed \(seed)")
            candidates = []
        }
        settled.append(step.segment)
        settledTexts.append(step.text)
    }

    mutating func run() {
        var strategy = makeStrategy(kind, context)
        var action = strategy.next(.start)
        var turns = 0
        while true {
            turns += 1
            guard turns < 1000 else {
                Issue.record("no end, seed \(seed)")
                return
            }
            switch action {
            case .draft(let plan):
                // A cascade's draft goes on from what it drafted, a tree's from any of it, others' from the settled.
                if kind == .tree {
                    #expect(Array(plan.answer.prefix(settled.count)) == settled, "seed \(seed)")
                } else if kind != .cascade && kind != .bestOfN || !settled.isEmpty {
                    #expect(plan.answer == settled && plan.texts == settledTexts, "seed \(seed)")
                }
                action = strategy.next(event(for: plan))
            case .escalate(let plan): action = strategy.next(event(for: plan))
            case .emit(let step):
                check(step)
                action = strategy.next(.emitted)
            case .finish(let finish):
                checkEnd(finish, strategy.summary)
                #expect(strategy.next(.emitted) == .finish(finish), "seed \(seed)")
                return
            }
        }
    }

    private func checkEnd(_ finish: Finish, _ summary: AnswerSummary) {
        #expect(finish.degraded == summary.degraded, "seed \(seed)")
        #expect(summary.steps == settled.count, "seed \(seed)")
        let tries =
            switch kind {
            case .bestOfN: settings.maxSteps * (settings.maxCandidates + 1 + settings.maxResamples)
            case .tree: settings.treeNodes + settings.treeWidth + settings.maxSteps * (1 + settings.maxResamples)
            case .direct, .cascade, .stepwise: settings.maxSteps * 2 * (1 + settings.maxResamples)
            }
        #expect(drafts <= tries + 1, "seed \(seed)")
        #expect(escalations.count <= settings.maxSteps, "seed \(seed)")
        #expect(settled.count <= settings.maxSteps, "seed \(seed)")
        let drafted = settled.reduce(0) { if case .tokens(let tokens) = $1 { $0 + tokens.count } else { $0 } }
        #expect(drafted <= min(settings.maxAnswerTokens, context.maxTokens ?? .max), "seed \(seed)")
        switch finish.reason {
        case .stop, .length, .contentFilter: break
        case .localModelFailed: #expect(failed, "seed \(seed)")
        case .refused: #expect(kind == .direct && !context.hasLocalModel, "seed \(seed)")
        case .outOfTurn: Issue.record("out of turn, seed \(seed)")
        }
        if refused { #expect(finish.degraded != nil, "seed \(seed)") }
    }
}

@Suite("Strategies, played with random models")
struct StrategyPropertyTests {
    @Test("Whatever models, budgets and failures do, the promises hold", arguments: StrategyKind.allCases)
    func promises(_ kind: StrategyKind) {
        var escalations = 0
        for seed in 0..<4000 as Range<UInt64> {
            var play = Play(
                seed: seed, kind: kind, failures: seed % 3 == 0 ? 0.15 : 0, refusals: seed % 2 == 0 ? 0.4 : 0)
            // The promises are tested as it goes.
            play.run()
            escalations += play.escalations.count
        }
        // None was kept by doing nothing.
        #expect(escalations > 400, "\(escalations)")
    }

    @Test("With every escalation refused the SLM still answers", arguments: StrategyKind.allCases)
    func allRefused(_ kind: StrategyKind) {
        for seed in 5000..<6500 as Range<UInt64> {
            var play = Play(seed: seed, kind: kind, failures: 0, refusals: 1)
            play.run()
            #expect(play.escalations.count <= 1, "seed \(seed)")
        }
    }

    @Test("Events that do not answer the last action end the answer and never crash", arguments: StrategyKind.allCases)
    func outOfTurn(_ kind: StrategyKind) {
        let draft = StepDraft(
            text: "a\n", tokens: [1], logProbabilities: [], hidden: [], end: .boundary, promptTokens: 1, reusedTokens: 0
        )
        let events: [StrategyEvent] = [
            .start, .emitted, .draftFailed(.interrupted), .refused(.budgetExhausted),
            .drafted(draft, reward: nil, outlook: SpendingOutlook()),
            .candidates([DraftedCandidate(draft: draft, reward: nil)], outlook: SpendingOutlook()),
            .wrote(LLMReply(text: "x", end: .answer, tokens: 1)),
        ]
        for seed in 0..<2000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var strategy = makeStrategy(kind, StrategyContext(settings: RouteSettings(), sampling: Sampling()))
            var hasEnded = false
            for _ in 0..<30 {
                if case .finish = strategy.next(generator.pick(events)) {
                    hasEnded = true
                } else {
                    #expect(!hasEnded, "it went on after its end, seed \(seed)")
                }
            }
            #expect(hasEnded, "seed \(seed)")
        }
    }
}
