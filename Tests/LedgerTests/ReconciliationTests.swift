import Foundation
import GatewayCore
import Testing

@testable import Ledger

@Suite("Reconciliation: the ledger beside the provider's bill")
struct ReconciliationTests {
    private static func billed(_ number: Int, _ request: UUID, _ amount: Int64) -> BilledCall {
        BilledCall(
            providerRequest: "sim-\(number)", request: request.uuidString.lowercased(), model: "general",
            nanoUSD: amount, tokens: (3, 2))
    }

    private static func call(
        _ request: UUID, _ amount: Int64, named name: String?, step: Int16 = 0, isUnreconciled: Bool = false
    ) -> LedgerCall {
        LedgerCall(
            request: request, step: step, attempt: 0, tenantID: 1, tenant: "acme", model: "general",
            providerRequest: name, nanoUSD: amount, isUnreconciled: isUnreconciled)
    }

    @Test("each call is in one group: the same, differing, missing here or there, to be resolved; sums are of all")
    func groups() {
        let ids = (0..<8).map { _ in UUID() }
        let bill = [
            Self.billed(1, ids[0], 10), Self.billed(2, ids[1], 20), Self.billed(3, ids[2], 30),
            Self.billed(4, ids[3], 40), Self.billed(5, ids[5], 50), Self.billed(6, ids[5], 51),
            Self.billed(1, ids[0], 10),
        ]
        let ledger = [
            Self.call(ids[0], 10, named: "sim-1"), Self.call(ids[1], 21, named: "sim-2"),
            Self.call(ids[3], 400, named: nil, isUnreconciled: true), Self.call(ids[4], 5, named: "sim-99"),
            Self.call(ids[6], 0, named: nil),
            // Two calls of one request and two lines: which is which, nobody knows.
            Self.call(ids[5], 500, named: nil, step: 0, isUnreconciled: true),
            Self.call(ids[5], 500, named: nil, step: 1, isUnreconciled: true),
        ]
        let result = Reconciliation.of(bill: bill, ledger: ledger)
        #expect(result.matched.count == 1 && result.matched.billNanoUSD == 10)
        #expect(result.differing.lines.map(\.billNanoUSD) == [20] && result.differing.ledgerNanoUSD == 21)
        #expect(result.missingHere.lines.map(\.call) == ["sim-1", "sim-3", "sim-5", "sim-6"])
        #expect(result.missingThere.count == 3 && result.missingThere.ledgerNanoUSD == 1005)
        #expect(result.found.map(\.billed.providerRequest) == ["sim-4"] && result.resolvable.ledgerNanoUSD == 400)
        let groups = [
            result.matched, result.differing, result.missingHere, result.missingThere, result.resolvable,
        ]
        #expect(result.billNanoUSD == 211 && groups.reduce(0) { $0 + $1.billNanoUSD } == 211)
        #expect(result.ledgerNanoUSD == 1436 && groups.reduce(0) { $0 + $1.ledgerNanoUSD } == 1436)
        #expect(!result.isEven)
        let free = Reconciliation.of(
            bill: [bill[0]], ledger: [Self.call(ids[7], 0, named: "sim-1"), ledger[0]])
        #expect(free.isEven && free.matched.count == 1)
        let even = Reconciliation.of(bill: [bill[0]], ledger: [ledger[0], ledger[4]])
        #expect(even.isEven && even.matched.count == 1)
    }

    /// A UUIDv7 of a moment.
    private static func request(at moment: Date) -> UUID {
        let time = String(Int64(moment.timeIntervalSince1970 * 1000), radix: 16)
        let digits = String(repeating: "0", count: 12 - time.count) + time
        return UUID(uuidString: "\(digits.prefix(8))-\(digits.suffix(4))-7\(UUID().uuidString.suffix(21))") ?? UUID()
    }

    @Test("of a span only what is of it is told, and no line whose call lies outside is missing here")
    func span() throws {
        let span = moment("2026-11-10T00:00:00Z")..<moment("2026-11-20T00:00:00Z")
        let days = ["2026-11-09", "2026-11-10", "2026-11-19", "2026-11-20"].map { moment("\($0)T12:00:00Z") }
        let ids = days.map { Self.request(at: $0) }
        #expect(Self.billed(1, ids[1], 1).requestedAt == days[1])
        #expect(Self.billed(1, UUID(), 1).requestedAt == nil)
        let bill = ids.enumerated().map { Self.billed($0.offset, $0.element, 10) }
        let ledger = ids.enumerated().map { index, id in
            var call = Self.call(id, index == 2 ? 11 : 10, named: "sim-\(index)")
            call.takenAt = days[index]
            return call
        }
        let told = Reconciliation.of(bill: bill, ledger: ledger, in: span)
        #expect(told.matched.count == 1 && told.differing.lines.map(\.billNanoUSD) == [10])
        #expect(told.missingHere.count == 0 && told.missingThere.count == 0)
        #expect(told.ledgerNanoUSD == 21 && told.billNanoUSD == 20)
        // Without calls or lines: those of the span alone, and what does not say when it was.
        let unknown = Self.billed(9, UUID(), 5)
        let here = Reconciliation.of(bill: bill + [unknown], ledger: [], in: span)
        #expect(here.missingHere.lines.map(\.call) == ["sim-1", "sim-2", "sim-9"] && here.billNanoUSD == 25)
        #expect(Reconciliation.of(bill: [], ledger: ledger, in: span).missingThere.count == 2)
        // The ledger is read for all the lines, or from its beginning where one does not say when it was.
        let time = Reconciliation.time(of: bill, and: span)
        #expect(time.contains(days[0]) && time.contains(days[3]) && time.lowerBound > moment("2026-11-01T00:00:00Z"))
        #expect(Reconciliation.time(of: bill + [unknown], and: span).lowerBound == Date(timeIntervalSince1970: 0))
    }

    @Test(
        "an unreconciled hold is settled by an entry of the difference, once; so is one of a tenant that is deleted",
        arguments: [false, true])
    func resolution(isDeleted: Bool) async throws {
        try await LedgerFixture.with(limit: 10000) { f in
            let ledger = try await f.ledger()
            let calls = (0..<3).map { _ in f.reservation(1000) }
            for call in calls { #expect(try await ledger.reserve(call).isGranted) }
            await ledger.settle(.of(calls[0].id, 10))
            // Two calls never share the provider's name of one.
            var failed = Settlement.of(calls[1].id, .failed, 0)
            failed.providerRequestID = nil
            await ledger.settle(failed)
            // The gateway is gone after the third was sent.
            let second = try await f.ledger()
            try await f.run(
                "update gateways set heartbeat_at = now() - interval '2 min' "
                    + "where incarnation = '\(ledger.incarnation)'")
            #expect(await second.recover()?.unreconciled.count == 1)
            let span = Date(timeIntervalSince1970: 0)..<Date(timeIntervalSinceNow: 3600)
            let bill = [
                BilledCall(
                    providerRequest: "req-1", request: "", model: "general", nanoUSD: 10, tokens: (3, 2)),
                Self.billed(7, calls[2].id.request, 400),
            ]
            func reconciled() async throws -> Reconciliation {
                Reconciliation.of(bill: bill, ledger: try await f.admin.calls(ofProvider: "sim", in: span))
            }
            let before = try await reconciled()
            #expect(before.found.count == 1 && before.matched.count == 1 && before.ledgerNanoUSD == 1010)
            let found = try #require(before.found.first)
            if isDeleted {
                try await f.admin.deleteTenant("acme")
                _ = try await f.admin.createTenant(name: "acme")
            }
            #expect(try await f.admin.resolve(found, source: "bill.jsonl"))
            #expect(try await !f.admin.resolve(found, source: "bill.jsonl"))
            let after = try await reconciled()
            #expect(after.isEven && after.matched.count == 2 && after.ledgerNanoUSD == after.billNanoUSD)
            #expect(try await f.number("select settled from budget_periods") == 410)
            #expect(try await f.number("select amount from ledger_entries where kind = 'adjustment'") == -600)
            let owner = "select tenant_id from events where action = 'hold.reconcile'"
            #expect(try await f.number(owner) == f.tenant.id)
            #expect(try await f.violations() == 0)
            // The second failed: it reached no model.
            let usage = try await f.admin.usage(ofProvider: "sim", in: span)
            #expect(usage.map(\.nanoUSD) == [410] && usage.map(\.calls) == [2])
        }
    }

    @Test("a call that a gateway goes on with after recovery, and only estimates, is settled by the bill")
    func lateEstimate() async throws {
        try await LedgerFixture.with(limit: 10000) { f in
            let stopped = try await f.ledger()
            let call = f.reservation(1000)
            #expect(try await stopped.reserve(call).isGranted)
            let second = try await f.ledger()
            try await f.run(
                "update gateways set heartbeat_at = now() - interval '2 min' "
                    + "where incarnation = '\(stopped.incarnation)'")
            #expect(await second.recover()?.unreconciled.count == 1)
            await stopped.settle(.of(call.id, .estimated, 1000))
            #expect(stopped.journalDepth.records == 0)
            let span = Date(timeIntervalSince1970: 0)..<Date(timeIntervalSinceNow: 3600)
            let bill = [Self.billed(7, call.id.request, 400)]
            func reconciled() async throws -> Reconciliation {
                Reconciliation.of(bill: bill, ledger: try await f.admin.calls(ofProvider: "sim", in: span))
            }
            let found = try #require(try await reconciled().found.first)
            #expect(try await f.admin.resolve(found, source: "bill.jsonl"))
            #expect(try await f.number("select settled from budget_periods") == 400)
            #expect(try await f.number("select amount from ledger_entries where kind = 'adjustment'") == -600)
            #expect(try await f.admin.holds(.unreconciled).isEmpty)
            #expect(try await reconciled().isEven)
            #expect(try await f.violations() == 0)
        }
    }
}
