import GatewayCore
import Testing

@testable import Router

@Suite("Strategies, step by step")
struct StrategyTests {
    private static let outlook = SpendingOutlook(
        price: ControllerTests.price, remaining: NanoUSD(NanoUSD.perDollar), inputTokenBound: 300)

    private static func drafted(_ text: String, _ p: Double?, _ end: DraftEnd = .boundary) -> StrategyEvent {
        let draft = StepDraft(
            text: text, tokens: Array(text.utf8.map { Int32($0) }), logProbabilities: [], hidden: [], end: end,
            promptTokens: 100, reusedTokens: 0)
        return .drafted(draft, reward: p.map { ProcessReward(raw: $0, calibrated: $0) }, outlook: outlook)
    }

    private static func make(
        _ kind: StrategyKind, _ change: (inout RouteSettings) -> Void = { _ in }
    ) -> any Strategy {
        var settings = RouteSettings()
        settings.latencyUSDPerSecond = 0.001
        change(&settings)
        return makeStrategy(kind, StrategyContext(settings: settings, sampling: Sampling(seed: 5)))
    }

    private static func emitted(_ action: StrategyAction) -> String? {
        if case .emit(let step) = action { "\(step.source): \(step.text)" } else { nil }
    }

    @Test("Stepwise: good steps stream, a poor one is tried again, then the LLM writes it, then the SLM goes on")
    func stepwise() throws {
        var strategy = Self.make(.stepwise) {
            $0.resampleGainShare = 1
            $0.stepGainShare = 0.95
            $0.llmSuccessPrior = 1
            $0.llmRestSeconds = 100
        }
        guard case .draft(let first) = strategy.next(.start) else { throw Unexpected() }
        #expect(first.answer.isEmpty && first.attempt == 0 && first.wantsReward && first.sampling.temperature == 0)
        #expect(Self.emitted(strategy.next(Self.drafted("one\n", 0.99))) == "slm: one\n")
        guard case .draft(let second) = strategy.next(.emitted) else { throw Unexpected() }
        #expect(second.texts == ["one\n"] && second.step == 1)
        guard case .draft(let again) = strategy.next(Self.drafted("bad\n", 0.2)) else { throw Unexpected() }
        #expect(again.attempt == 1 && again.step == 1 && again.texts == ["one\n"])
        #expect(again.sampling.temperature == 0.7 && again.sampling.seed != second.sampling.seed)
        guard case .escalate(let plan) = strategy.next(Self.drafted("worse\n", 0.1)) else { throw Unexpected() }
        #expect(plan.kind == .step && plan.step == 1 && plan.texts == ["one\n"] && plan.rejected == "bad\n")
        #expect(plan.reward?.calibrated == 0.2 && plan.decision.action == .llmStep)
        let reply = LLMReply(text: "two", end: .step, tokens: 3)
        #expect(Self.emitted(strategy.next(.wrote(reply))) == "llm: two\n")
        guard case .draft(let third) = strategy.next(.emitted) else { throw Unexpected() }
        #expect(third.answer.last == .text("two\n") && third.texts == ["one\n", "two\n"])
        #expect(Self.emitted(strategy.next(Self.drafted("three", 0.99, .answer))) == "slm: three")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: nil)))
        #expect(strategy.summary.steps == 3 && strategy.summary.escalations == 1)
        #expect(strategy.summary.servedBy == .mixed)
    }

    @Test(
        "Stepwise: a refused escalation accepts the best candidate, says why, and asks no more",
        arguments: [EscalationRefusal.budgetExhausted, .ledgerUnavailable, .providerUnavailable, .priceUnknown])
    func refused(_ refusal: EscalationRefusal) throws {
        var strategy = Self.make(.stepwise) { $0.maxResamples = 0 }
        _ = strategy.next(.start)
        guard case .escalate = strategy.next(Self.drafted("a\n", 0.1)) else { throw Unexpected() }
        #expect(Self.emitted(strategy.next(.refused(refusal))) == "slm: a\n")
        guard case .draft = strategy.next(.emitted) else { throw Unexpected() }
        #expect(Self.emitted(strategy.next(Self.drafted("b", 0.1, .answer))) == "slm: b")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: refusal.degraded)))
    }

    @Test("Stepwise: with nothing left to spend the answer says so, unless it would not have been spent anyway")
    func nothingLeft() {
        for (p, degraded) in [(0.1, DegradedReason?.some(.budgetExhausted)), (0.99, nil)] {
            var strategy = Self.make(.stepwise) { $0.maxResamples = 0 }
            _ = strategy.next(.start)
            guard case .drafted(let draft, let reward, var outlook) = Self.drafted("a", p, .answer) else { return }
            outlook.remaining = .zero
            #expect(Self.emitted(strategy.next(.drafted(draft, reward: reward, outlook: outlook))) == "slm: a")
            #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: degraded)))
        }
    }

    @Test("Stepwise: without a reward the step is accepted and the answer says so")
    func noReward() {
        var strategy = Self.make(.stepwise)
        _ = strategy.next(.start)
        #expect(Self.emitted(strategy.next(Self.drafted("a", nil, .answer))) == "slm: a")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: .rewardUnavailable)))
    }

    @Test("Stepwise: an SLM that fails leaves the rest to the LLM, from what is settled")
    func localFailure() throws {
        var strategy = Self.make(.stepwise)
        _ = strategy.next(.start)
        _ = strategy.next(Self.drafted("a\n", 1))
        _ = strategy.next(.emitted)
        guard case .escalate(let plan) = strategy.next(.draftFailed(.interrupted)) else { throw Unexpected() }
        #expect(plan.kind == .rest && plan.texts == ["a\n"] && plan.step == 1)
        var refused = strategy
        #expect(
            refused.next(.refused(.budgetExhausted))
                == .finish(Finish(reason: .localModelFailed(.interrupted), degraded: .budgetExhausted)))
        #expect(Self.emitted(strategy.next(.wrote(LLMReply(text: "rest", end: .answer, tokens: 2)))) == "llm: rest")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: .modelUnavailable)))
    }

    @Test(
        "A conversation that the SLM cannot take is the LLM's, without a fault; refused it is for the LLM's reason",
        arguments: StrategyKind.allCases.filter { $0 != .direct })
    func tooLong(_ kind: StrategyKind) throws {
        var strategy = Self.make(kind)
        var action = strategy.next(.start)
        while case .draft = action { action = strategy.next(.draftFailed(.contextExceeded(tokens: 9, limit: 8))) }
        guard case .escalate(let plan) = action else { throw Unexpected() }
        #expect(plan.kind == .rest && plan.decision.reason == "local_model_failed")
        var refused = strategy
        #expect(
            refused.next(.refused(.rateLimited))
                == .finish(Finish(reason: .refused(.rateLimited), degraded: .rateLimited)))
        #expect(Self.emitted(strategy.next(.wrote(LLMReply(text: "all", end: .answer, tokens: 2)))) == "llm: all")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: nil)))
    }

    @Test(
        "For an answer that is worth nothing the LLM is not paid either where the SLM fails",
        arguments: StrategyKind.allCases.filter { $0 != .direct }, [true, false])
    func worthless(_ kind: StrategyKind, isRoutes: Bool) throws {
        var settings = RouteSettings()
        if isRoutes { settings.valueUSD = 0 }
        var strategy = makeStrategy(
            kind, StrategyContext(settings: settings, sampling: Sampling(seed: 5), valueUSD: isRoutes ? nil : 0))
        var action = strategy.next(.start)
        while case .draft = action { action = strategy.next(.draftFailed(.interrupted)) }
        #expect(action == .finish(Finish(reason: .localModelFailed(.interrupted), degraded: nil)))
    }

    @Test("Stepwise: a streamed rest that breaks off is gone on from by the SLM")
    func brokenRest() throws {
        var strategy = Self.make(.stepwise) { ($0.maxResamples, $0.stepGainShare) = (0, 0) }
        _ = strategy.next(.start)
        guard case .escalate(let plan) = strategy.next(Self.drafted("a\n", 0.1)) else { throw Unexpected() }
        #expect(plan.kind == .rest)
        let part = LLMReply(text: "The answer", end: .interrupted, tokens: 2, wasStreamed: true)
        guard case .draft(let next) = strategy.next(.wrote(part)) else { throw Unexpected() }
        #expect(next.answer == [.text("The answer")])
        #expect(Self.emitted(strategy.next(Self.drafted(" is 4.", 0.1, .answer))) == "slm:  is 4.")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: .providerUnavailable)))
    }

    @Test("A reply that breaks off before the client saw any of it is dropped", arguments: StrategyKind.allCases)
    func brokenUnseen(_ kind: StrategyKind) throws {
        var strategy = Self.make(kind) { $0.maxResamples = 0 }
        var action = strategy.next(.start)
        if kind != .direct { action = strategy.next(Self.drafted("a", 0.1, .answer)) }
        guard case .escalate = action else { throw Unexpected() }
        action = strategy.next(.wrote(LLMReply(text: "The answer is 1", end: .interrupted, tokens: 4)))
        if kind == .direct { action = strategy.next(Self.drafted("a", nil, .answer)) }
        #expect(Self.emitted(action) == "slm: a")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: .providerUnavailable)))
    }

    @Test(
        "A reply that the client's stop string ends at once ends the answer; an empty one leaves it to the draft",
        arguments: StrategyKind.allCases.filter { $0 != .direct })
    func stoppedAtOnce(_ kind: StrategyKind) throws {
        for stop in [String?.none, "STOP"] {
            var strategy = Self.make(kind) { $0.maxResamples = 0 }
            _ = strategy.next(.start)
            guard case .escalate = strategy.next(Self.drafted("a", 0.1, .answer)) else { throw Unexpected() }
            var reply = LLMReply(text: "", end: stop == nil ? .step : .answer, tokens: 1)
            reply.stop = stop
            let action = strategy.next(.wrote(reply))
            if stop == nil {
                #expect(Self.emitted(action) == "slm: a")
            } else {
                #expect(action == .finish(Finish(reason: .stop, degraded: nil, stop: stop)))
            }
        }
    }

    @Test("A step that the LLM was cut off in stays open, and the SLM goes on within it", arguments: [true, false])
    func cutStep(_ isTree: Bool) throws {
        var strategy = Self.make(isTree ? .tree : .stepwise) {
            $0.maxResamples = 0
            $0.stepGainShare = 0.95
            $0.llmSuccessPrior = 1
            $0.llmRestSeconds = 1000
        }
        _ = strategy.next(.start)
        guard case .escalate(let plan) = strategy.next(Self.drafted("bad\n", 0.1)) else { throw Unexpected() }
        #expect(plan.kind == .step)
        let reply = LLMReply(text: "two is", end: .length, tokens: 2)
        #expect(Self.emitted(strategy.next(.wrote(reply))) == "llm: two is")
        guard case .draft(let next) = strategy.next(.emitted) else { throw Unexpected() }
        #expect(next.answer == [.text("two is")])
    }

    @Test("A full step of another server's, which keeps its tokens, does not end the answer", arguments: [true, false])
    func remoteTokens(_ isCascade: Bool) throws {
        var strategy = Self.make(isCascade ? .cascade : .stepwise) { $0.maxStepTokens = 8 }
        _ = strategy.next(.start)
        guard case .drafted(var draft, let reward, let outlook) = Self.drafted("a long step", 0.99, .length) else {
            throw Unexpected()
        }
        draft.tokens = []
        draft.remoteTokens = 8
        var action = strategy.next(.drafted(draft, reward: reward, outlook: outlook))
        if !isCascade {
            guard case .emit(let step) = action else { throw Unexpected() }
            #expect(step.tokens == 8)
            action = strategy.next(.emitted)
        }
        guard case .draft(let next) = action else { throw Unexpected() }
        #expect(next.answer == [.text("a long step")])
    }

    @Test("Stepwise: an SLM that goes round in circles is taken for poor, and stopped where nobody helps")
    func circles() throws {
        var strategy = Self.make(.stepwise) { $0.escalationForbidden = true }
        var action = strategy.next(.start)
        var steps = 0
        while true {
            switch action {
            case .draft: action = strategy.next(Self.drafted("again\n", 0.99))
            case .emit:
                steps += 1
                action = strategy.next(.emitted)
            case .finish(let finish):
                #expect(finish.reason == .length)
                #expect(steps == Stepwise.fatalRepetitions - 1)
                return
            case .escalate: throw Unexpected()
            }
        }
    }

    @Test("Stepwise: circles go to the LLM where that is open, whatever the PRM says")
    func circlesEscalate() throws {
        var strategy = Self.make(.stepwise) { $0.maxResamples = 0 }
        var action = strategy.next(.start)
        for _ in 0..<2 {
            _ = strategy.next(Self.drafted("again\n", 0.99))
            action = strategy.next(.emitted)
        }
        action = strategy.next(Self.drafted("again\n", 0.99))
        guard case .escalate(let plan) = action else { throw Unexpected() }
        #expect(plan.step == 2 && plan.texts == ["again\n", "again\n"] && plan.rejected == "again\n")
        #expect(plan.decision.isEscalation && plan.reward?.calibrated == 0)
    }

    @Test("The client's bound holds over the whole answer")
    func clientBound() throws {
        var strategy = Stepwise(
            StrategyContext(settings: RouteSettings(), sampling: Sampling(), maxTokens: 10))
        guard case .draft(let first) = strategy.next(.start) else { throw Unexpected() }
        #expect(first.maxTokens == 10)
        _ = strategy.next(Self.drafted("1234567\n", 1))
        guard case .draft(let second) = strategy.next(.emitted) else { throw Unexpected() }
        #expect(second.maxTokens == 2)
        _ = strategy.next(Self.drafted("ab", 1, .length))
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .length, degraded: nil)))
    }

    private static func doubtful(_ kind: StrategyKind, maxSteps: Int, maxTokens: Int? = nil) -> any Strategy {
        var settings = RouteSettings()
        (settings.maxResamples, settings.shadowPrice, settings.latencyUSDPerSecond) = (0, 1, 0)
        settings.stepGainShare = 0
        (settings.valueUSD, settings.maxSteps, settings.treeNodes, settings.treeWidth) = (0.0004, maxSteps, 1, 1)
        return makeStrategy(
            kind, StrategyContext(settings: settings, sampling: Sampling(seed: 5), maxTokens: maxTokens))
    }

    @Test(
        "A doubtful step is taken where the answer goes on, and not where its bound ends it: then there is no later",
        arguments: [StrategyKind.stepwise, .tree])
    func lastStep(_ kind: StrategyKind) throws {
        for (maxSteps, maxTokens, isLast) in [(8, nil, false), (1, nil, true), (8, 2, true), (8, 3, false)] {
            var strategy = Self.doubtful(kind, maxSteps: maxSteps, maxTokens: maxTokens)
            _ = strategy.next(.start)
            let action = strategy.next(Self.drafted("a\n", 0.5))
            if case .escalate = action {
                #expect(isLast, "\(maxSteps) steps, \(maxTokens ?? 0) tokens")
            } else {
                #expect(!isLast && Self.emitted(action) == "slm: a\n", "\(maxSteps) steps, \(maxTokens ?? 0) tokens")
            }
        }
    }

    @Test("A tree that goes on step by step knows how sound the answer was", arguments: [0.05, 0.1, 0.15])
    func slipBehindTree(_ p: Double) throws {
        var strategy = Self.doubtful(.tree, maxSteps: 8)
        _ = strategy.next(.start)
        #expect(Self.emitted(strategy.next(Self.drafted("a\n", 0.7))) == "slm: a\n")
        guard case .draft(let plan) = strategy.next(.emitted) else { throw Unexpected() }
        #expect(plan.texts == ["a\n"])
        guard case .escalate(let call) = strategy.next(Self.drafted("b\n", p)) else { throw Unexpected() }
        let before = call.decision.estimates.first { $0.action == .accept }
        // With p alone, accepting would count for much more.
        #expect(abs((before?.gain ?? 1) - 0.8 * (p / 0.7 - p) * RouteSettings().llmSuccessPrior) < 1e-9)
    }

    @Test("What is left to pay with beside an LLM's thoughts lowers the bound of a call", arguments: [0, 1024])
    func affordable(thoughts: Int) throws {
        var strategy = Self.make(.stepwise) {
            ($0.maxResamples, $0.stepGainShare, $0.llmThinkingTokens) = (0, 0, thoughts)
        }
        _ = strategy.next(.start)
        guard case .drafted(let draft, let reward, var outlook) = Self.drafted("a\n", 0.1) else { return }
        outlook.remaining = ControllerTests.price.upperBound(inputTokens: 300, maxOutputTokens: 130 + Int64(thoughts))
        guard case .escalate(let plan) = strategy.next(.drafted(draft, reward: reward, outlook: outlook)) else {
            throw Unexpected()
        }
        #expect(plan.kind == .rest && plan.maxTokens == 130)
    }

    @Test("Cascade: nothing is emitted before the one decision, which the poorest step makes")
    func cascade() throws {
        var strategy = Self.make(.cascade)
        _ = strategy.next(.start)
        guard case .draft(let plan) = strategy.next(Self.drafted("a\n", 0.97)) else { throw Unexpected() }
        #expect(plan.texts == ["a\n"])
        var poor = strategy
        #expect(Self.emitted(strategy.next(Self.drafted("b", 0.98, .answer))) == "slm: a\n")
        #expect(Self.emitted(strategy.next(.emitted)) == "slm: b")
        #expect(strategy.next(.emitted) == .finish(Finish(reason: .stop, degraded: nil)))

        guard case .escalate(let call) = poor.next(Self.drafted("b", 0.1, .answer)) else { throw Unexpected() }
        #expect(call.kind == .rest && call.texts.isEmpty && call.reward?.calibrated == 0.1 && call.rejected == "a\nb")
        var refused = poor
        #expect(Self.emitted(refused.next(.refused(.budgetExhausted))) == "slm: a\n")
        #expect(Self.emitted(refused.next(.emitted)) == "slm: b")
        #expect(refused.next(.emitted) == .finish(Finish(reason: .stop, degraded: .budgetExhausted)))
        #expect(Self.emitted(poor.next(.wrote(LLMReply(text: "x", end: .answer, tokens: 1)))) == "llm: x")
        #expect(poor.next(.emitted) == .finish(Finish(reason: .stop, degraded: nil)))
        #expect(poor.summary.servedBy == .llm)
    }

    @Test("Direct: one call; the SLM answers where it is refused, and nobody where there is none")
    func direct() throws {
        var strategy = Self.make(.direct)
        guard case .escalate(let plan) = strategy.next(.start) else { throw Unexpected() }
        #expect(plan.kind == .direct && plan.step == 0 && plan.maxTokens == 512)
        var refused = strategy
        guard case .draft(let draft) = refused.next(.refused(.ledgerUnavailable)) else { throw Unexpected() }
        #expect(!draft.wantsReward)
        #expect(Self.emitted(refused.next(Self.drafted("a", nil, .answer))) == "slm: a")
        #expect(refused.next(.emitted) == .finish(Finish(reason: .stop, degraded: .ledgerUnavailable)))
        #expect(
            strategy.next(.wrote(LLMReply(text: "x", end: .length, tokens: 1, wasStreamed: true)))
                == .finish(Finish(reason: .length, degraded: nil)))

        var alone = makeStrategy(
            .direct, StrategyContext(settings: RouteSettings(), sampling: Sampling(), hasLocalModel: false))
        _ = alone.next(.start)
        #expect(
            alone.next(.refused(.budgetExhausted))
                == .finish(Finish(reason: .refused(.budgetExhausted), degraded: .budgetExhausted)))
    }

    private struct Unexpected: Error {}
}
