package import FoundationEssentials
package import GatewayCore

/// Something that a gateway noticed and that is to be told of.
package struct Notice: Hashable, Sendable {
    /// How often it is told.
    package enum Repetition: Hashable, Sendable {
        /// Once under this name.
        case once(String)
        /// Once under this name and the limit of a budget's period, which is looked up when it is told. Whoever notices
        /// it knows the cap in force: where more is used than the limit, that moves with every call that ends.
        case onceALimit(String, period: Int64?, cap: Int64)
        /// When it begins, under this name.
        case begins(String)
        /// When it is over, if it was told that it began.
        case ends(String)

        /// What is told once is known by this to whoever notices it; nil: it is not told once.
        package var onceName: String? {
            switch self {
            case .once(let name): name
            case .onceALimit(let name, _, let cap): "\(name):\(cap)"
            case .begins, .ends: nil
            }
        }
    }
    package var kind: EventKind
    package var tenantID: Int64?
    package var repetition: Repetition
    /// A JSON object.
    package var data: String

    init(_ kind: EventKind, tenantID: Int64? = nil, _ repetition: Repetition, _ data: [(String, JSONText)]) {
        self.kind = kind
        self.tenantID = tenantID
        self.repetition = repetition
        self.data = JSONText.object(data).text
    }

    /// A budget has no room for a paid call: told once a budget, period and limit, however many calls it refuses.
    package static func refused(by state: BudgetState, model: ModelReference, tenantID: Int64) -> Notice {
        Notice(
            .escalationRefused, tenantID: tenantID,
            .onceALimit(
                "refused:\(tenantID):\(state.scope):\(state.period)", period: state.periodID,
                cap: state.limit.rawValue),
            [
                ("reason", .string("budget")), ("scope", .string(state.scope)), ("period", .string(state.period)),
                ("limit", .integer(state.limit.rawValue)), ("settled", .integer(state.settled.rawValue)),
                ("held", .integer(state.held.rawValue)),
                ("resets_at", .optional(state.resetsAt.map(EventTime.text))), ("model", .string(model.description)),
            ])
    }

    /// A rate limit has no room for a paid call: told once a limit and day (UTC).
    package static func refused(
        by state: LimitState, model: ModelReference, tenantID: Int64, at moment: Date
    ) -> Notice {
        let unit = state.unit.rawValue
        return Notice(
            .escalationRefused, tenantID: tenantID,
            .once("limited:\(tenantID):\(state.scope):\(unit):\(day(moment))"),
            [
                ("reason", .string("rate_limit")), ("scope", .string(state.scope)), ("unit", .string(unit)),
                ("limit", .integer(state.limit)), ("used", .integer(state.used)),
                ("resets_at", .optional(state.resetsAt.map(EventTime.text))), ("model", .string(model.description)),
            ])
    }

    /// What a call cannot be paid without.
    package enum Requirement: String, Hashable, Sendable {
        /// A price in force, or the provider's configuration.
        case price = "price_unknown"
        /// A budget of the tenant's that covers the call.
        case budget = "no_budget"
    }

    /// A paid call that no price or no budget is there for: told once a tenant and day (UTC), whatever models clients
    /// may name.
    package static func refused(
        without missing: Requirement, model: ModelReference, tenantID: Int64, at moment: Date
    ) -> Notice {
        Notice(
            .escalationRefused, tenantID: tenantID, .once("\(missing.rawValue):\(tenantID):\(day(moment))"),
            [("reason", .string(missing.rawValue)), ("model", .string(model.description))])
    }

    private static func day(_ moment: Date) -> String { String(EventTime.text(moment).prefix("2026-11-29".count)) }

    /// A provider fails so often that it is left alone, or answers again.
    package static func provider(_ name: String, isDown: Bool, gateway: String) -> Notice {
        Notice(
            isDown ? .providerDown : .providerUp, isDown ? .begins("provider:\(name)") : .ends("provider:\(name)"),
            [("provider", .string(name)), ("gateway", .string(gateway))])
    }
}

/// Takes notices off the hands of whoever noticed; never waits.
package protocol NoticeSink: Sendable {
    /// Tells, soon.
    func tell(_ notice: Notice)
}

/// Tells nobody.
package struct NoNotices: NoticeSink {
    package init() {}
    package func tell(_ notice: Notice) {}
}

/// Brings a delivery to its destination.
package protocol DestinationSender: Sendable {
    /// One try; returns within a bounded time.
    func send(_ attempt: DeliveryAttempt, to destination: Destination) async -> DeliveryOutcome
}
