import GatewayCore
import Testing

@testable import Router

@Suite("The controller")
struct ControllerTests {
    static let price = ModelPrice(
        id: 1, model: ModelReference(provider: "sim", model: "big"), inputPicoPerToken: 150_000,
        outputPicoPerToken: 600_000)

    static func observe(_ p: Double, context: Int = 200, further: Double = 0) -> StepObservation {
        StepObservation(
            reward: ProcessReward(raw: p, calibrated: p), contextTokens: context, price: price,
            furtherEscalations: further)
    }

    static func decide(_ observation: StepObservation, _ settings: RouteSettings = RouteSettings()) -> Decision {
        FixedShadowPriceController().decide(observation, settings: settings)
    }

    @Test("A poor step goes to the LLM, a good one is accepted")
    func poorAndGood() {
        #expect(Self.decide(Self.observe(0.1)).action == .llmRest)
        #expect(Self.decide(Self.observe(0.97)).action == .accept)
        #expect(Self.decide(Self.observe(1)).action == .accept)
    }

    @Test("The estimates are the formula's")
    func formula() throws {
        var settings = RouteSettings()
        settings.shadowPrice = 3
        settings.latencyUSDPerSecond = 0.0001
        let decision = Self.decide(Self.observe(0.4), settings)
        #expect(decision.estimates.map(\.action) == StepAction.allCases)
        let step = try #require(decision.estimates.first { $0.action == .llmStep })
        #expect(abs(step.gain - 0.3) < 1e-12)
        #expect(abs(step.costUSD - (200 * 150_000 + 40 * 600_000) / 1e12) < 1e-15)
        #expect(abs(step.utility - (0.02 * 0.3 - 3 * step.costUSD - 0.0001 * 1)) < 1e-15)
        let rest = try #require(decision.estimates.first { $0.action == .llmRest })
        #expect(abs(rest.gain - 0.52) < 1e-12)
        #expect(abs(rest.costUSD - (200 * 150_000 + 120 * 600_000) / 1e12) < 1e-15)
        let resample = try #require(decision.estimates.first { $0.action == .resample })
        #expect(abs(resample.gain - 0.15 * 0.6) < 1e-12)
        #expect(resample.costUSD == 0)
        #expect(decision.shadowPrice == 3)
    }

    /// A step after which the answer goes on, p before it and after it.
    private static func going(
        _ before: Double, _ p: Double, end: DraftEnd = .boundary, resamples: Int = 0, value: Double = 0.0004
    ) -> Decision {
        var settings = RouteSettings()
        settings.maxResamples = resamples
        settings.shadowPrice = 1
        settings.latencyUSDPerSecond = 0
        settings.valueUSD = value
        var observation = observe(p)
        (observation.before, observation.draftEnd) = (before, end)
        return decide(observation, settings)
    }

    @Test("A sound step of a doubtful answer is taken, since what comes can be paid for then; a slip is paid for now")
    func later() throws {
        // The rest costs 0.0001, and 0.00008 after one more step; a right answer is worth 0.0004.
        for p in [0.5, 0.6, 0.7] {
            #expect(Self.going(p, p).action == .accept)
            #expect(Self.going(p, p, end: .answer).isEscalation)
        }
        for p in [0.01, 0.1, 0.2] { #expect(Self.going(0.7, p).isEscalation) }
        // In doubt from the start: nothing says that the step is to blame, and the answer is paid for all the same.
        for p in [0.01, 0.1] { #expect(Self.going(p, p).isEscalation) }
        let decision = Self.going(0.5, 0.4)
        let accept = try #require(decision.estimates.first { $0.action == .accept })
        let later = (240 * 150_000 + 80 * 600_000) / 1e12
        #expect(abs(accept.gain - 0.8 * (0.8 - 0.4) * 0.92) < 1e-12)
        #expect(abs(accept.costUSD - 0.8 * (0.8 - 0.4) * later) < 1e-15)
        // Nobody pays later either where an answer is not worth it.
        let worthless = Self.going(0.5, 0.4, value: 0.00005)
        #expect(worthless.action == .accept && worthless.estimates[0].utility == 0)
    }

    @Test("Before a slip is paid for, the SLM may try again: the choice to pay stays open")
    func tries() throws {
        #expect(Self.going(0.7, 0.1, resamples: 1).action == .resample)
        #expect(Self.going(0.7, 0.7, resamples: 1).action == .accept)
        let decision = Self.going(0.7, 0.1, resamples: 1)
        let best = try #require(decision.estimates.filter { $0.action != .resample }.map(\.utility).max())
        let resample = try #require(decision.estimates.first { $0.action == .resample })
        let later = (240 * 150_000 + 80 * 600_000) / 1e12
        let sound = 0.0004 * 0.6 + 0.8 * 0.3 * (0.0004 * 0.92 - later)
        #expect(abs(resample.utility - (0.15 * sound + 0.85 * best)) < 1e-12)
    }

    @Test("Where the LLM is expected to fail too nothing is spent", arguments: [0.0, 0.2, 0.5])
    func hopeless(_ p: Double) {
        var settings = RouteSettings()
        settings.llmSuccessPrior = p
        settings.maxResamples = 0
        #expect(Self.decide(Self.observe(p), settings).action == .accept)
        #expect(Self.decide(Self.observe(min(p + 0.1, 1)), settings).action == .accept)
    }

    @Test("With J more escalations expected the rest is taken once J steps cost as much, at the cached price")
    func restRule() {
        var settings = RouteSettings()
        settings.maxResamples = 0
        settings.shadowPrice = 1
        settings.stepGainShare = 0.9
        // At 2,000 tokens of context: step 0.000324, rest 0.000372.
        let few = Self.decide(Self.observe(0.5, context: 2000, further: 1.1), settings)
        #expect(few.action == .llmStep && few.reason == "best_utility")
        let many = Self.decide(Self.observe(0.5, context: 2000, further: 1.15), settings)
        #expect(many.action == .llmRest && many.reason == "rest_cheaper_than_steps")
        var cached = Self.observe(0.5, context: 2000, further: 1.15)
        cached.price?.rates.cachedInput = 15_000
        #expect(Self.decide(cached, settings).action == .llmStep)
        // Steps now cost 0.000054 each: 6.9 of them for a rest.
        cached.furtherEscalations = 6.8
        #expect(Self.decide(cached, settings).action == .llmStep)
        cached.furtherEscalations = 7
        #expect(Self.decide(cached, settings).action == .llmRest)
    }

    @Test("With a constant ratio of gain to cost the rule is a fixed threshold on the reward, RSD's 0.7 among them")
    func fixedThreshold() {
        var settings = RouteSettings()
        settings.maxResamples = 0
        settings.llmSuccessPrior = 1
        settings.stepGainShare = 1
        settings.expectedRestTokens = settings.expectedStepTokens
        settings.shadowPrice = 1
        settings.latencyUSDPerSecond = 0
        // Escalated where ω(1 − p) > λ·ĉ: ω is put so that the threshold is 0.7.
        let cost = (200.0 * 150_000 + 40 * 600_000) / 1e12
        settings.valueUSD = cost / 0.3
        for hundredth in 0...100 where hundredth != 70 {
            let p = Double(hundredth) / 100
            #expect(Self.decide(Self.observe(p), settings).isEscalation == (p < 0.7), "p = \(p)")
        }
    }

    @Test("Where money counts for nothing the threshold stays where it is, whatever can be paid for later")
    func thresholdWithLater() {
        var settings = RouteSettings()
        (settings.maxResamples, settings.llmSuccessPrior, settings.stepGainShare) = (0, 0.7, 1)
        (settings.shadowPrice, settings.latencyUSDPerSecond) = (0, 0)
        for before in [0.0, 0.3, 0.65, 0.72, 0.9, 1] {
            for hundredth in 0...100 where hundredth != 70 {
                var observation = Self.observe(Double(hundredth) / 100)
                observation.before = before
                let decision = Self.decide(observation, settings)
                #expect(decision.isEscalation == (hundredth < 70), "\(hundredth) % after \(before)")
            }
        }
    }

    @Test("Forbidden actions are left out and the reason is kept")
    func exclusions() {
        func reasons(_ observation: StepObservation, _ settings: RouteSettings) -> [StepAction: Exclusion] {
            let decision = Self.decide(observation, settings)
            #expect(!decision.isEscalation)
            return Dictionary(uniqueKeysWithValues: decision.excluded.map { ($0.action, $0.reason) })
        }
        var settings = RouteSettings()
        var observation = Self.observe(0.1)
        observation.price = nil
        #expect(reasons(observation, settings) == [.llmStep: .priceUnknown, .llmRest: .priceUnknown])
        observation = Self.observe(0.1)
        observation.remaining = .zero
        observation.resamplesUsed = 1
        #expect(
            reasons(observation, settings) == [
                .resample: .noTriesLeft, .llmStep: .overBudget, .llmRest: .overBudget,
            ])
        observation = Self.observe(0.1)
        observation.barred = [.llmStep: .refusedEarlier, .llmRest: .notOffered]
        #expect(reasons(observation, settings) == [.llmStep: .refusedEarlier, .llmRest: .notOffered])
        settings.escalationForbidden = true
        #expect(
            reasons(Self.observe(0.1), settings) == [
                .llmStep: .escalationForbidden, .llmRest: .escalationForbidden,
            ])
    }

    @Test("The budget's worst case counts the proven bound of the input, to the nano-dollar")
    func worstCase() throws {
        var observation = Self.observe(0.1)
        observation.inputTokenBound = 1000
        let bound = try #require(Self.price.upperBound(inputTokens: 1000, maxOutputTokens: 40))
        observation.remaining = bound
        #expect(Self.decide(observation).action == .llmStep)
        observation.remaining = bound.subtracting(NanoUSD(1))
        #expect(!Self.decide(observation).isEscalation)
        observation.inputTokenBound = 0
        #expect(Self.decide(observation).isEscalation)
    }

    @Test("It counts what the LLM may think as well, which the expected cost does not")
    func thoughts() throws {
        var settings = RouteSettings()
        settings.llmThinkingTokens = 1024
        var observation = Self.observe(0.1)
        let bound = try #require(Self.price.upperBound(inputTokens: 200, maxOutputTokens: 40 + 1024))
        observation.remaining = bound
        let decision = Self.decide(observation, settings)
        #expect(decision.action == .llmStep)
        observation.remaining = bound.subtracting(NanoUSD(1))
        #expect(!Self.decide(observation, settings).isEscalation)
        #expect(Self.decide(observation).isEscalation)
        let step = try #require(decision.estimates.first { $0.action == .llmStep })
        #expect(abs(step.costUSD - (200 * 150_000 + 40 * 600_000) / 1e12) < 1e-15)
    }

    @Test("Equal utilities go to the cheaper action")
    func ties() {
        var settings = RouteSettings()
        settings.shadowPrice = 0
        settings.stepGainShare = 1
        settings.llmSuccessPrior = 1
        #expect(Self.decide(Self.observe(0.2), settings).action == .llmStep)
        settings.valueUSD = 0
        #expect(Self.decide(Self.observe(0.2), settings).action == .accept)
    }

    @Test("A reward that is not a number accepts; other nonsense is clamped and never crashes")
    func nonsense() {
        #expect(Self.decide(Self.observe(.nan)).reason == "reward_unavailable")
        #expect(Self.decide(Self.observe(.nan)).action == .accept)
        let odd: [Double] = [.nan, .infinity, -.infinity, -1, 2, 1e308, -1e308, 0]
        for p in odd {
            for value in odd {
                var settings = RouteSettings()
                settings.valueUSD = value
                settings.shadowPrice = value
                settings.latencyUSDPerSecond = value
                settings.llmSuccessPrior = value
                settings.stepGainShare = value
                settings.resampleGainShare = value
                settings.llmStepSeconds = value
                settings.maxResamples = -1
                settings.expectedStepTokens = .min
                var observation = Self.observe(p, context: .max, further: value)
                observation.valueUSD = value
                observation.cachedTokens = .min
                observation.resamplesUsed = .max
                observation.remaining = NanoUSD(.max)
                let decision = Self.decide(observation, settings)
                #expect(decision.estimates.allSatisfy { !$0.utility.isNaN && !$0.costUSD.isNaN })
            }
        }
    }

    @Test("A dearer budget never escalates more, a dearer answer never less, a better step is never more attractive")
    func monotone() {
        for seed in 0..<4000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var settings = RouteSettings()
            settings.llmSuccessPrior = .random(in: 0...1, using: &generator)
            settings.stepGainShare = .random(in: 0...1, using: &generator)
            settings.resampleGainShare = settings.stepGainShare * .random(in: 0...1, using: &generator)
            settings.latencyUSDPerSecond = generator.pick([0, 0.00002, 0.001])
            settings.maxResamples = generator.pick([0, 1, 3])
            settings.expectedRestTokens = .random(in: 40...500, using: &generator)
            var observation = Self.observe(
                .random(in: 0...1, using: &generator), context: .random(in: 0...5000, using: &generator),
                further: .random(in: 0...4, using: &generator))
            observation.valueUSD = .random(in: 0...0.01, using: &generator)
            settings.shadowPrice = .random(in: 0...10, using: &generator)
            let before = Self.decide(observation, settings)

            var dearer = settings
            dearer.shadowPrice += .random(in: 0...10, using: &generator)
            #expect(before.isEscalation || !Self.decide(observation, dearer).isEscalation, "λ, seed \(seed)")

            // A resample may beat the LLM by gain only where the LLM is no better than the SLM.
            if settings.llmSuccessPrior >= 0.999 || settings.maxResamples == 0 {
                var worth = observation
                worth.valueUSD = (observation.valueUSD ?? 0) + .random(in: 0...0.01, using: &generator)
                #expect(!before.isEscalation || Self.decide(worth, settings).isEscalation, "ω, seed \(seed)")
            }

            var better = observation
            let p = observation.reward.calibrated
            better.reward.calibrated = p + (1 - p) * .random(in: 0...1, using: &generator)
            let after = Self.decide(better, settings)
            #expect(before.isEscalation || !after.isEscalation, "p, seed \(seed)")
            for action in [StepAction.llmStep, .llmRest] {
                let old = before.estimates.first { $0.action == action }?.utility ?? 0
                let new = after.estimates.first { $0.action == action }?.utility ?? 0
                #expect(new <= old + 1e-15, "p raised \(action), seed \(seed)")
            }
        }
    }
}
