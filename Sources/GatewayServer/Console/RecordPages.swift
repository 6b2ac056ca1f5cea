internal import Foundation
internal import GatewayCore
internal import Ledger

/// What a tenant's requests wanted and was not paid for, latest first.
struct RefusalsPage: Sendable {
    static let pageSize = 50

    struct Row: Sendable {
        let seq: String
        let at: ConsoleInstant
        let call: String
        let route: String
        let team: String
        let model: String
        let kind: String
        let wanted: ConsoleAmount
        let left: ConsoleAmount
        let refusedBy: String
        let reward: String
        let lambda: String
        let reason: String
        /// How many more of the same request are not listed; nil: none.
        let more: String?
    }

    let rows: [Row]
    let zone: String
    let older: String?
    /// Nil: these are the latest.
    let latest: String?

    /// - Parameter all: latest first, one more than are shown where there are more.
    init(_ all: [RefusalInfo], tenant: TenantInfo, isFirst: Bool) {
        let zone = ConsoleZone(tenant.timeZone)
        let shown = all.prefix(Self.pageSize)
        rows = shown.map { Row($0, zone) }
        self.zone = tenant.timeZone
        let root = ConsoleLink.tenant(tenant.reference, "/refusals")
        // Before the numbered ones stand those without a number: from them there is no place to go on from.
        let last = shown.last.flatMap { $0.seq }
        older = all.count > Self.pageSize ? last.map { "\(root)?before=\($0)" } : nil
        latest = isFirst ? nil : root
    }
}

extension RefusalsPage.Row {
    init(_ info: RefusalInfo, _ zone: ConsoleZone) {
        seq = info.seq.map { String($0) } ?? "soon"
        at = ConsoleInstant(info.refusedAt, zone)
        call = info.call
        route = info.route ?? "direct"
        team = info.team ?? ConsoleText.none
        model = info.model
        kind = info.kind.rawValue
        wanted = ConsoleAmount(info.wanted)
        left = ConsoleAmount(info.escalation.remaining)
        refusedBy = [Self.words(info.refusal), info.refusedBy].compactMap(\.self).joined(separator: ": ")
        reward = ConsoleText.number(info.escalation.rewardCalibrated)
        lambda = ConsoleText.number(info.escalation.shadowPrice)
        reason = info.escalation.reason
        more = info.more.map { ConsoleText.grouped($0) }
    }

    private static func words(_ reason: RefusalReason?) -> String {
        switch reason {
        case .budget: "a budget"
        case .noBudget: "no budget counts it"
        case .ceiling: "the request's own bound"
        case .rateLimit: "a rate limit"
        case .caller: "key or tenant"
        case .priceUnknown: "no price in force"
        case .ledgerUnavailable: "the ledger was away"
        case .providerUnavailable: "the provider was away"
        case .notTranslatable: "not to be translated"
        case nil: ConsoleText.none
        }
    }
}

/// Administrative events, latest first.
struct EventsPage: Sendable {
    static let usual = 100
    static let most = 1000

    struct Row: Sendable {
        let id: String
        let at: ConsoleInstant
        let actor: String
        /// From where, without the request's number.
        let origin: String
        let wholeOrigin: String
        let action: String
        let subject: String
        let hasDetails: Bool
        let before: String?
        let after: String?
    }

    let rows: [Row]
    let tenant: String?
    let zone: String
    let count: String
    /// A page with more of them; nil: these are all, or the most.
    let more: String?

    /// - Parameters:
    ///   - limit: how many were asked for.
    ///   - tenant: nil: everybody's.
    init(_ events: [EventInfo], limit: Int, tenant: TenantInfo?) {
        let zone = tenant.map { ConsoleZone($0.timeZone) } ?? .utc
        rows = events.map { Row($0, zone) }
        self.tenant = tenant?.name
        self.zone = zone.name
        count = ConsoleText.grouped(Int64(events.count))
        let filter = tenant.map { "&tenant=\(ConsoleLink.segment($0.reference))" } ?? ""
        more =
            events.count == limit && limit < Self.most
            ? "\(ConsoleLink.root)/events?limit=\(Self.most)\(filter)" : nil
    }
}

extension EventsPage.Row {
    init(_ event: EventInfo, _ zone: ConsoleZone) {
        id = String(event.id)
        at = ConsoleInstant(event.at, zone)
        actor = event.actor
        let from = event.origin ?? ConsoleText.none
        wholeOrigin = from
        let isRequest = from.hasPrefix("request ")
        origin = isRequest ? from.split(separator: " via ").dropFirst().last.map(String.init) ?? "a request" : from
        action = event.action
        subject = event.subject
        hasDetails = event.before != nil || event.after != nil
        before = event.before.map { JSONIndent.text($0) }
        after = event.after.map { JSONIndent.text($0) }
    }
}

/// Prices of paid models that are in force.
struct PricesPage: Sendable {
    /// More are not listed on one page.
    static let maxRows = 500

    struct Provider: Sendable {
        let name: String
        let href: String
        let count: String
        let isCurrent: Bool
    }

    let rows: [PriceRow]
    let providers: [Provider]
    let isCut: Bool
    let count: String

    /// - Parameter provider: the only one to show; nil: all.
    init(_ all: [PriceInfo], provider: String?) {
        let inForce = all.filter(\.isInForce)
        let shown = provider.map { name in inForce.filter { $0.price.model.provider == name } } ?? inForce
        rows = shown.prefix(Self.maxRows).map { PriceRow($0, .utc) }
        isCut = shown.count > Self.maxRows
        count = ConsoleText.grouped(Int64(shown.count))
        let root = "\(ConsoleLink.root)/prices"
        let counts = Dictionary(inForce.map { ($0.price.model.provider, Int64(1)) }, uniquingKeysWith: +)
        providers =
            [
                Provider(
                    name: "all", href: root, count: ConsoleText.grouped(Int64(inForce.count)),
                    isCurrent: provider == nil)
            ]
            + counts.sorted { $0.key < $1.key }.map { name, count in
                Provider(
                    name: name, href: "\(root)?provider=\(ConsoleLink.segment(name))",
                    count: ConsoleText.grouped(count), isCurrent: provider == name)
            }
    }
}

/// One version of a price, in dollars for a million tokens; what is not said costs as much as what it is a kind of.
struct PriceRow: Sendable {
    let id: String
    let model: String
    let input: String
    let cachedInput: String
    let cacheWrite5m: String
    let cacheWrite1h: String
    let output: String
    let reasoning: String
    let perCall: String
    let perImage: String
    let batch: String
    let tiers: [String]
    /// The day; the moment in UTC is beside it.
    let since: String
    let sinceUTC: String
    let source: String

    init(_ info: PriceInfo, _ zone: ConsoleZone) {
        let (price, rates) = (info.price, info.price.rates)
        func optional(_ rate: Int64?) -> String { rate.map { Self.usd($0) } ?? ConsoleText.none }
        func fee(_ amount: NanoUSD) -> String { amount == .zero ? ConsoleText.none : DayPlot.dollars(amount.rawValue) }
        id = String(price.id)
        model = price.model.description
        input = Self.usd(rates.input)
        cachedInput = optional(rates.cachedInput)
        cacheWrite5m = optional(rates.cacheWrite5m)
        cacheWrite1h = optional(rates.cacheWrite1h)
        output = Self.usd(rates.output)
        reasoning = optional(rates.reasoning)
        perCall = fee(price.perCall)
        perImage = fee(price.perImage)
        batch = price.batchPercent == 100 ? ConsoleText.none : ConsoleText.percent("\(price.batchPercent)")
        tiers = price.tiers.sorted { $0.aboveInputTokens < $1.aboveInputTokens }.map { tier in
            "above \(ConsoleText.grouped(tier.aboveInputTokens)) tokens: "
                + "\(Self.usd(tier.rates.input)) in, \(Self.usd(tier.rates.output)) out"
        }
        let moment = ConsoleInstant(info.effectiveAt, zone)
        since = String(moment.text.prefix { $0 != " " })
        sinceUTC = moment.utc
        // Short, and kept together: the last column is what is cut off first.
        source = info.source ?? "by\u{A0}hand"
    }

    private static func usd(_ picoPerToken: Int64) -> String { TokenRate.usdPerMillion(picoPerToken: picoPerToken) }
}
