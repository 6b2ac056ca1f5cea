import Foundation
import Testing

/// Rows 2 and 12 of the list of failures. One test after the other, each with an installation of its own.
@Suite("kill -9 at every step of a paid call, by the gateway itself", .serialized)
struct FailpointTests {
    /// What is known of the call afterwards.
    enum Ending: Sendable {
        /// No hold was taken.
        case nothing
        /// Posted in full, marked and named.
        case unreconciled
        /// The ledger has the provider's charge.
        case exact
    }

    @Test(
        "row 2: the bill is the ledger or the hold is named, nothing stays held, and the next call is not refused",
        arguments: [
            ("before-reserve", Ending.nothing, false), ("after-reserve-commit", .unreconciled, false),
            ("before-send", .unreconciled, false), ("after-answer", .unreconciled, true),
            ("before-settle", .unreconciled, true), ("after-settle-commit", .exact, true),
        ])
    func step(failpoint: String, ending: Ending, isCharged: Bool) async throws {
        try await RealProcessTests.with { world in
            let key = try await world.tenant("acme", limitUSD: "0.02")
            let gateway = try await world.gateway(failpoint: failpoint)
            let answer = try? await gateway.ask(
                RealProcessTests.question, model: "sim/sim-large", key: key, maxTokens: 50)
            #expect(answer == nil, "\(failpoint) was not hit")
            #expect(await gateway.program.died())
            try await Self.check(world, key: key, ending: ending, isCharged: isCharged)
        }
    }

    @Test("killed in the middle of a journal's line: the torn line is dropped, its hold posted in full and named")
    func journal() async throws {
        try await RealProcessTests.with { world in
            let key = try await world.tenant("acme", limitUSD: "0.02")
            let gateway = try await world.gateway(failpoint: "mid-journal-append")
            try await world.faults("trickle:100@SLOWLY")
            let asked = Task {
                try await gateway.ask(
                    "SLOWLY " + RealProcessTests.question, model: "sim/sim-large", key: key, maxTokens: 50)
            }
            try await RealProcessTests.eventually("the call is out") {
                try await Books.read(world, tenant: "acme").held > 0
            }
            let lock = try await HoldLock.take(world)
            #expect(await gateway.program.died())
            let torn = try String(contentsOfFile: world.directory + "/journal/journal.jsonl", encoding: .utf8)
            #expect(!torn.isEmpty && !torn.hasSuffix("\n"), "\(torn)")
            try await lock.terminateGatewayBackends()
            await lock.release()
            _ = try? await asked.value
            try await world.faults()
            try await Self.check(world, key: key, ending: .unreconciled, isCharged: true)
        }
    }

    private static func check(_ world: World, key: String, ending: Ending, isCharged: Bool) async throws {
        let successor = try await world.gateway()
        try await RealProcessTests.eventually("nothing is held") {
            try await Books.read(world, tenant: "acme").held == 0
        }
        let books = try await Books.read(world, tenant: "acme")
        books.check()
        #expect(isCharged == (books.bill > 0))
        switch ending {
        case .nothing: #expect(books.settled == 0 && books.unreconciled.isEmpty)
        case .unreconciled: #expect(books.unreconciled.count == 1 && books.settled >= books.bill)
        case .exact: #expect(books.settled == books.bill && books.unreconciled.isEmpty)
        }
        // The budget fits two such calls: one that was lost track of must not stand in the way of the next.
        let next = try await successor.ask(
            RealProcessTests.question, model: "sim/sim-large", key: key, maxTokens: 50)
        #expect(next.status == 200, "\(next.body)")
        let after = try await Books.read(world, tenant: "acme")
        after.check()
        #expect(after.held == 0 && after.settled > books.settled)
        await successor.stop()
    }
}
