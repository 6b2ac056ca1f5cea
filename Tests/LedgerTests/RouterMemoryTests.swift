import Foundation
import GatewayCore
import Testing

@testable import Ledger

/// What routers learn, kept in the database: nothing lost, nothing twice.
@Suite struct RouterMemoryTests {
    private struct Count: Codable {
        var sum = 0
        var seen: [Int] = []
    }

    private static func record(_ fixture: LedgerFixture, outcome: Int, id: UUID = UUID()) -> RequestRecord {
        var record = RequestRecord(
            id: id, tenantID: fixture.tenant.id, teamID: nil, keyID: fixture.key.info.id, model: "tutor",
            route: "tutor", servedBy: .slm, status: 200, steps: 1, escalations: 0, degraded: nil, slmInputTokens: 1,
            slmOutputTokens: 1, costNanoUSD: 0, startedAt: Date(), milliseconds: 1)
        record.outcome = "{\"n\": \(outcome)}"
        return record
    }

    /// Adds the outcomes up.
    @Sendable private static func add(_ state: String?, _ outcomes: [String]) throws -> String? {
        struct Outcome: Decodable { var n: Int }
        let decoder = JSONDecoder()
        var count = try state.map { try decoder.decode(Count.self, from: Data($0.utf8)) } ?? Count()
        for text in outcomes {
            let outcome = try decoder.decode(Outcome.self, from: Data(text.utf8))
            count.sum += outcome.n
            count.seen.append(outcome.n)
        }
        return String(decoding: try JSONEncoder().encode(count), as: UTF8.self)
    }

    private static func count(_ text: String?) throws -> Count {
        try JSONDecoder().decode(Count.self, from: Data((text ?? "{}").utf8))
    }

    @Test("three gateways that record and fold at the same time lose no outcome and take none twice")
    func threeReplicas() async throws {
        try await LedgerFixture.with(poolSize: 2) { fixture in
            let each = 60
            let ledgers = try await [fixture.ledger(), fixture.ledger(), fixture.ledger()]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (replica, ledger) in ledgers.enumerated() {
                    group.addTask {
                        for index in 0..<each {
                            await ledger.record(Self.record(fixture, outcome: replica * each + index))
                            guard index % 3 == 0 else { continue }
                            _ = try await ledger.fold(tenantID: fixture.tenant.id, route: "tutor", Self.add)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let text = try await ledgers[0].fold(tenantID: fixture.tenant.id, route: "tutor", Self.add)
            let count = try Self.count(text)
            #expect(count.seen.sorted() == Array(0..<3 * each))
            #expect(count.sum == (0..<3 * each).reduce(0, +))
            #expect(try await fixture.number("select updates from router_states") == Int64(3 * each))
            #expect(try await fixture.number("select count(*) from router_outcomes") == 0)
            for ledger in ledgers { await ledger.drain() }
        }
    }

    @Test("a fold that fails changes nothing, and what it would have taken is there for the next one")
    func failure() async throws {
        try await LedgerFixture.with { fixture in
            let ledger = try await fixture.ledger()
            for outcome in 1...5 { await ledger.record(Self.record(fixture, outcome: outcome)) }
            struct Broken: Error {}
            await #expect(throws: LedgerUnavailable.self) {
                try await ledger.fold(tenantID: fixture.tenant.id, route: "tutor") { _, _ in throw Broken() }
            }
            #expect(try await fixture.number("select count(*) from router_outcomes") == 5)
            let text = try await ledger.fold(tenantID: fixture.tenant.id, route: "tutor", Self.add)
            #expect(try Self.count(text).seen == [1, 2, 3, 4, 5])
            await ledger.drain()
        }
    }

    @Test(
        "a request that is recorded twice leaves its outcome once, routes are kept apart, and a restart forgets nothing"
    )
    func onceAndKept() async throws {
        try await LedgerFixture.with { fixture in
            let ledger = try await fixture.ledger()
            let record = Self.record(fixture, outcome: 7)
            await ledger.record(record)
            await ledger.record(record)
            var other = Self.record(fixture, outcome: 100)
            other.route = "coder"
            await ledger.record(other)
            var without = Self.record(fixture, outcome: 0)
            without.outcome = nil
            await ledger.record(without)
            _ = try await ledger.fold(tenantID: fixture.tenant.id, route: "tutor", Self.add)
            await ledger.drain()
            let next = try await fixture.ledger()
            let text = try await next.fold(tenantID: fixture.tenant.id, route: "tutor", Self.add)
            #expect(try Self.count(text).seen == [7])
            let coder = try await next.fold(tenantID: fixture.tenant.id, route: "coder", Self.add)
            #expect(try Self.count(coder).seen == [100])
            await next.drain()
        }
    }
}
