internal import FoundationEssentials
internal import GatewayCore
internal import Router

/// Gathers what a route's router learns from one answer.
struct AnswerLearning {
    private let settings: RouteSettings
    private let price: ModelPrice?
    let state: RouterState?
    /// Whether an outcome comes of it.
    var isRecorded = true
    /// Best p of each step's tries, with the context that it was drafted from.
    private var steps: [Int: (p: Double, context: Int)] = [:]
    /// The step that the LLM wrote last and p before it, until the step after it is scored.
    private var lifted: (step: Int, p: Double)?
    private var stepGains: [Double] = []
    /// What the PRM makes of the rest that the LLM wrote.
    var read: Double?
    private var calls: [(kind: EscalationKind, base: Double, cost: Double)] = []
    /// Spent on calls that came to nothing.
    private var lost = 0.0

    init(settings: RouteSettings, price: ModelPrice?, state: RouterState?) {
        self.settings = settings
        self.price = price
        self.state = state
    }

    /// A draft was scored.
    mutating func scored(_ plan: DraftPlan, p: Double, context: Int) {
        guard p.isFinite else { return }
        // Whatever number a strategy gives the try. A step further on says less of the LLM's than of the SLM's since.
        if let (step, before) = lifted, plan.step > step {
            lifted = nil
            if plan.step == step + 1, before < 1 {
                stepGains.append((p - before) / (1 - before) - settings.stepGainShare)
            }
        }
        if let best = steps[plan.step], best.p >= p { return }
        steps[plan.step] = (p, context)
    }

    /// The LLM wrote a step or the rest.
    mutating func wrote(_ plan: EscalationPlan, cost: NanoUSD) {
        lifted = plan.kind == .step ? plan.reward.map { (plan.step, $0.calibrated) } : nil
        let tokens = plan.kind == .step ? settings.expectedStepTokens : settings.expectedRestTokens
        let context = steps[plan.step]?.context ?? 0
        calls.append((plan.kind, base(context, tokens), cost.approximateUSD))
    }

    /// A call came to nothing and may have cost something all the same.
    mutating func failed(cost: NanoUSD) { lost += cost.approximateUSD }

    private func base(_ context: Int, _ tokens: Int) -> Double {
        price?.expectedUSD(context: context, cached: 0, output: tokens) ?? 0
    }

    /// The outcome as it is recorded; nil where nothing was scored or nothing is learned.
    /// - Parameter budgets: those that limited the request, after it, the tightest first.
    func outcome(budgets: [BudgetState], now: Date) -> String? {
        // The step that most wanted the LLM stands for the request: a plan counts requests.
        let worst = steps.min { ($0.value.p, $0.key) < ($1.value.p, $1.key) }
        guard isRecorded, let state, let worst else { return nil }
        let p = worst.value.p
        let cluster = AdaptiveController.cluster(depth: worst.key)
        let rest = base(worst.value.context, settings.expectedRestTokens)
        var outcome = RouterState.Outcome(
            cluster: cluster, p: p, gain: state.gains.success(p, cluster: cluster) - p, baseCost: rest,
            remaining: budgets.first.map { max($0.remaining.approximateUSD, 0) },
            elapsed: budgets.first?.elapsed(now) ?? 0)
        // One call for the rest is what a plan's unit of cost is about.
        if calls.count == 1, calls[0].kind == .rest, calls[0].base > 0 {
            outcome.paid = calls[0].cost * rest / calls[0].base
            outcome.read = read
        }
        outcome.spent = calls.reduce(lost) { $0 + $1.cost }
        outcome.period = budgets.first?.period
        outcome.rooms = budgets.map { $0.room(now) }
        outcome.floor = settings.target == .floor ? settings.qualityFloor : nil
        outcome.stepGains = stepGains.isEmpty ? nil : stepGains
        return (try? JSONEncoder().encode(outcome)).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension BudgetState {
    func room(_ now: Date) -> BudgetRoom {
        BudgetRoom(
            scope: scope, period: period, remaining: max(remaining.approximateUSD, 0), elapsed: elapsed(now))
    }

    /// Which share of the period has passed; 0 for one without an end, which is to last as long again from now on.
    func elapsed(_ now: Date) -> Double {
        guard let resetsAt, let days = PeriodKind(period).days else { return 0 }
        return min(max(1 - resetsAt.timeIntervalSince(now) / (days * 86_400), 0), 1)
    }
}
