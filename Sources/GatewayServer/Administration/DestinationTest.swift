internal import Foundation
package import Ledger
package import Outbox

/// What came of one event of the kind test: either the event is there, or why it is not.
package struct DestinationTest: Encodable, Sendable {
    /// The event's id; nil: the receiver did not take it.
    package let delivered: String?
    /// Why not, as dead letters have it; nil: it did.
    package let cause: String?

    /// Sends one at once, past the queue, whatever the destination wants to hear of and whether or not it is paused.
    /// That it was sent is an event of administration before it is.
    /// - Parameters:
    ///   - tenant: whose destination it is; nil: the operator's.
    ///   - sender: takes a bounded time.
    package static func run(
        _ name: String, tenant: String?, _ store: AdminStore, by sender: any DestinationSender
    ) async throws(LedgerError) -> DestinationTest {
        let id = "test-\(UUID().uuidString.lowercased())"
        let info = try await store.noteTest(id, ofDestination: name, tenant: tenant)
        let event = OutboxEvent(id: id, kind: .test, at: Date(), tenant: info.tenant, data: "{}")
        let attempt = DeliveryAttempt(.event(event), number: 1, at: event.at)
        switch await sender.send(attempt, to: info.destination) {
        case .delivered: return DestinationTest(delivered: id, cause: nil)
        case .refused(let cause), .failed(let cause, _), .gone(let cause):
            return DestinationTest(delivered: nil, cause: cause)
        }
    }
}
