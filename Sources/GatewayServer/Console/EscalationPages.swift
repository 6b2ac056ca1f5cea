internal import Foundation
internal import GatewayCore
internal import Ledger

/// A tenant's escalations, latest first.
struct EscalationsPage: Sendable {
    static let pageSize = 50

    struct Row: Sendable {
        let seq: String
        let href: String
        let at: ConsoleInstant
        let route: String
        let team: String
        let model: String
        let kind: String
        let reward: String
        let lambda: String
        let cost: ConsoleAmount
        let entry: String
        /// Whether the entry is not simply the charge.
        let isUnusual: Bool
        let reason: String
    }

    let rows: [Row]
    let zone: String
    let newer: String?
    let older: String?

    /// - Parameters:
    ///   - all: latest first, one more than are shown where there are more of them in the direction that was asked for.
    ///   - isForward: whether the later ones of a place were asked for.
    init(
        _ all: [EscalationInfo], tenant: TenantInfo, isForward: Bool = false, isFirst: Bool = true
    ) {
        let zone = ConsoleZone(tenant.timeZone)
        let hasMore = all.count > Self.pageSize
        let shown = isForward ? all.suffix(Self.pageSize) : all.prefix(Self.pageSize)
        rows = shown.map { Row($0, tenant: tenant.reference, zone) }
        self.zone = tenant.timeZone
        let root = ConsoleLink.tenant(tenant.reference, "/escalations")
        let hasNewer = isForward ? hasMore : !isFirst
        let hasOlder = isForward || hasMore
        newer = hasNewer ? shown.first.map { "\(root)?after=\($0.seq)" } : nil
        older = hasOlder ? shown.last.map { "\(root)?before=\($0.seq)" } : nil
    }
}

extension EscalationsPage.Row {
    init(_ info: EscalationInfo, tenant: String, _ zone: ConsoleZone) {
        seq = String(info.seq)
        href = ConsoleLink.escalation(info.seq, tenant: tenant)
        at = ConsoleInstant(info.at, zone)
        route = info.route ?? "direct"
        team = info.team ?? ConsoleText.none
        model = info.model.description
        kind = info.kind
        reward = ConsoleText.number(info.rewardCalibrated)
        lambda = ConsoleText.number(info.shadowPrice)
        cost = ConsoleAmount(info.amount)
        entry = info.entryKind
        isUnusual = info.entryKind != "charge"
        reason = info.reason
    }
}

/// One decision, explained: what was weighed, what was chosen, by what, and what it cost.
struct EscalationPage: Sendable {
    struct Action: Sendable {
        let name: String
        let gain: String
        let cost: ConsoleAmount
        let seconds: String
        let utility: String
        let left: ConsoleAmount
        let isChosen: Bool
    }

    struct Excluded: Sendable {
        let action: String
        let why: String
    }

    /// The numbers of the records before and after it; nil: there is none.
    struct Beside: Sendable {
        var older: Int64?
        var newer: Int64?
    }

    struct Fact: Sendable {
        let name: String
        let value: String
        /// The whole of it, where the value is short; nil: it is.
        let title: String?
    }

    let seq: String
    let hold: String
    let at: ConsoleInstant
    let kind: String
    let reason: String
    /// The decision in a sentence; nil: it has nothing that could be said.
    let summary: String?
    let actions: [Action]
    let excluded: [Excluded]
    let rewardRaw: String
    let rewardCalibrated: String
    let lambda: String
    let remaining: ConsoleAmount
    let held: ConsoleAmount
    let cost: ConsoleAmount
    let entry: String
    let entryWords: String
    let outcome: String
    let facts: [Fact]
    let hashes: [Fact]
    let price: PriceRow?
    let newer: String?
    let older: String?
    let list: String
    /// Whose the record is, for the command that proves it.
    let tenant: String

    /// - Parameters:
    ///   - price: the version that it was charged by.
    init(_ info: EscalationInfo, tenant: TenantInfo, price: PriceInfo?, beside: Beside) {
        let zone = ConsoleZone(tenant.timeZone)
        seq = String(info.seq)
        hold = info.hold
        at = ConsoleInstant(info.at, zone)
        kind = info.kind
        reason = info.reason
        summary = Self.summary(info)
        actions = info.actions.map { Action($0, isChosen: Self.isChosen($0.action, info.kind)) }
        excluded = (info.excluded ?? [:]).sorted { $0.key < $1.key }.map { Excluded(action: $0.key, why: $0.value) }
        rewardRaw = ConsoleText.number(info.rewardRaw)
        rewardCalibrated = ConsoleText.number(info.rewardCalibrated)
        lambda = ConsoleText.number(info.shadowPrice)
        remaining = ConsoleAmount(info.remaining)
        held = ConsoleAmount(info.held)
        cost = ConsoleAmount(info.amount)
        entry = info.entryKind
        entryWords = Self.words(ofEntry: info.entryKind)
        outcome = info.outcome?.rawValue ?? ConsoleText.none
        let route = info.route ?? (Self.isMirror(info) ? "none: a mirror" : "none: asked for directly")
        facts = [
            ("Route", route), ("Team", info.team ?? ConsoleText.none),
            ("Key", "key:\(info.keyID)"), ("Paid model", info.model.description),
            ("Price version", "\(info.priceID)"), ("Hold", info.hold),
        ].map { Fact(name: $0.0, value: $0.1, title: nil) }
        hashes = [
            ("SLM", info.slmSHA256), ("Adapter", info.adapterSHA256), ("Reward model", info.prmSHA256),
            ("Reward head", info.headSHA256), ("Prompt (keyed)", info.promptHash), ("Answer (keyed)", info.answerHash),
        ].compactMap { name, hash in hash.map { Fact(name: name, value: ConsoleText.short($0), title: $0) } }
        self.price = price.map { PriceRow($0, zone) }
        newer = beside.newer.map { ConsoleLink.escalation($0, tenant: tenant.reference) }
        older = beside.older.map { ConsoleLink.escalation($0, tenant: tenant.reference) }
        list = ConsoleLink.tenant(tenant.reference, "/escalations")
        self.tenant = tenant.reference
    }

    /// What was paid for is what was chosen.
    static func isChosen(_ action: StepAction, _ kind: String) -> Bool {
        action == .llmStep && kind == "step" || action == .llmRest && kind == "rest"
    }

    /// Whether the call went beside another one, for comparison, as its reason says.
    private static func isMirror(_ info: EscalationInfo) -> Bool {
        info.route == nil && info.reason.hasPrefix("mirror of ")
    }

    /// Why only the paid model was asked.
    private static func direct(_ info: EscalationInfo) -> String {
        if isMirror(info) { return "The call was sent for comparison, as a \(info.reason)" }
        guard let route = info.route else { return "The request named the paid model itself" }
        let usual = info.reason == "route is direct"
        return "The route \(route) \(usual ? "asks the paid model alone" : "asked the paid model, as \(info.reason)")"
    }

    private static func summary(_ info: EscalationInfo) -> String? {
        guard let chosen = info.actions.first(where: { isChosen($0.action, info.kind) }) else {
            return info.kind == "direct" ? "\(direct(info)): nothing was to be decided." : nil
        }
        let what = info.kind == "step" ? "one step" : "the rest of the answer"
        let reward = info.rewardCalibrated.map { " The draft was rated \(ConsoleText.number($0))." } ?? ""
        let isBest = info.actions.allSatisfy { $0.utility <= chosen.utility }
        let rank = isBest ? "the most" : "not the most"
        return """
            The paid model was to write \(what).\(reward) That was expected to raise the chance of a right answer by \
            \(ConsoleText.number(chosen.gain)) and to be worth \(ConsoleText.number(chosen.utility)), \(rank) of \
            \(info.actions.count) actions weighed.
            """
    }

    private static func words(ofEntry kind: String) -> String {
        switch kind {
        case "charge": "charged as the provider reported"
        case "release": "released: the provider charged nothing"
        case "estimate": "posted in full: the provider reported no usage"
        case "unreconciled": "posted in full by recovery: the charge is not known"
        case "adjustment": "adjusted later"
        default: kind
        }
    }
}

extension EscalationPage.Action {
    init(_ estimate: ActionEstimate, isChosen: Bool) {
        name =
            switch estimate.action {
            case .accept: "accept the draft"
            case .resample: "draft it again"
            case .llmStep: "paid model writes the step"
            case .llmRest: "paid model writes the rest"
            }
        gain = ConsoleText.number(estimate.gain)
        cost = ConsoleAmount(approximateUSD: estimate.costUSD)
        seconds = ConsoleText.number(estimate.latencySeconds)
        utility = ConsoleText.number(estimate.utility)
        left = ConsoleAmount(approximateUSD: estimate.remainingUSD)
        self.isChosen = isChosen
    }
}
