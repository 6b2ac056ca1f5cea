package import GatewayCore

/// Something that a gateway noticed and that is to be told of.
package struct Notice: Hashable, Sendable {
    /// How often it is told.
    package enum Repetition: Hashable, Sendable {
        /// Once under this name.
        case once(String)
        /// When it begins, under this name.
        case begins(String)
        /// When it is over, if it was told that it began.
        case ends(String)
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

    /// A budget has no room for a paid call: told once a budget and period, however many calls it refuses.
    package static func refused(by state: BudgetState, model: ModelReference, tenantID: Int64) -> Notice {
        Notice(
            .escalationRefused, tenantID: tenantID, .once("refused:\(tenantID):\(state.scope):\(state.period)"),
            [
                ("scope", .string(state.scope)), ("period", .string(state.period)),
                ("limit", .integer(state.limit.rawValue)), ("settled", .integer(state.settled.rawValue)),
                ("held", .integer(state.held.rawValue)),
                ("resets_at", .optional(state.resetsAt.map(EventTime.text))), ("model", .string(model.description)),
            ])
    }

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
