package import Foundation

/// Something that happened, as it is told.
package struct OutboxEvent: Hashable, Sendable {
    /// The same at every try and for every destination: receivers know by it what they have already.
    package var id: String
    package var kind: EventKind
    package var at: Date
    /// Whom it is about; nil: the operator.
    package var tenant: String?
    /// A JSON object of what belongs to the kind.
    package var data: String

    package init(id: String, kind: EventKind, at: Date, tenant: String?, data: String) {
        self.id = id
        self.kind = kind
        self.at = at
        self.tenant = tenant
        self.data = data
    }
}

/// One ledger entry as a usage event. Sums over all of them are the ledger's, since corrections are events too.
package struct UsageEvent: Hashable, Sendable {
    /// The record's number in its tenant: without gaps, so that a receiver can see that it has all.
    package var number: Int64
    /// Tells it from every other record that ever has its number: numbers go back with a database that is restored.
    /// Nil: its id is as it was before there were marks.
    package var mark: String?
    package var at: Date
    package var tenantID: Int64
    package var tenant: String
    package var team: String?
    package var keyID: Int64
    package var route: String?
    /// "provider/model".
    package var model: String
    package var request: String
    /// charge · estimate · unreconciled · adjustment
    package var entryKind: String
    package var inputTokens: Int64
    package var cachedInputTokens: Int64
    package var outputTokens: Int64
    /// Negative in adjustments only.
    package var nanoUSD: Int64

    package init(number: Int64, at: Date, tenantID: Int64, tenant: String, keyID: Int64, model: String, nanoUSD: Int64)
    {
        self.number = number
        self.at = at
        self.tenantID = tenantID
        self.tenant = tenant
        self.keyID = keyID
        self.model = model
        self.nanoUSD = nanoUSD
        request = ""
        entryKind = "charge"
        inputTokens = 0
        cachedInputTokens = 0
        outputTokens = 0
    }

    /// The same at every try, and never another record's: tenant, record number and mark.
    package var id: String { "usage-\(tenantID)-\(number)" + (mark.map { "-\($0)" } ?? "") }
}

/// Ledger entries of one tenant that are delivered together.
package struct UsageBatch: Hashable, Sendable {
    /// The same at every try, and never another batch's.
    package let id: String
    /// In the order of their numbers.
    package let events: [UsageEvent]

    /// - Parameter id: as it was queued; nil: before ids had marks. Then the batch and its events keep the ids that
    ///   they had, as receivers may know them.
    package init(id: String?, _ events: [UsageEvent]) {
        if let id {
            (self.id, self.events) = (id, events)
            return
        }
        self.id = "usage-\(events.first?.tenantID ?? 0)-\(events.first?.number ?? 0)-\(events.last?.number ?? 0)"
        self.events = events.map { event in
            var event = event
            event.mark = nil
            return event
        }
    }
}

/// What one delivery carries.
package enum DeliveryContent: Hashable, Sendable {
    case event(OutboxEvent)
    case usage(UsageBatch)
}
