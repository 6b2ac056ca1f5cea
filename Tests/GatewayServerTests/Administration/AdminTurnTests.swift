import HTTPTypes
import Ledger
import Synchronization
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: work that takes long")
struct AdminTurnTests {
    /// Whose turn it was.
    private final class Order: Sendable {
        let numbers = Mutex<[Int]>([])
    }

    @Test("so many are at work at once, the next has the turn of who ends, and a long line is not made longer")
    func turns() async throws {
        let turns = AdminTurns(2)
        var (first, second): (AdminTurns.Turn?, AdminTurns.Turn?) = (try await turns.next(), try await turns.next())
        let order = Order()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<AdminTurns.maxWaiting {
                group.addTask {
                    let turn = try await turns.next()
                    order.numbers.withLock { $0.append(number) }
                    withExtendedLifetime(turn) {}
                }
                // One after the other: the line is in the order of their coming.
                while turns.waiting == number { await Task.yield() }
            }
            await #expect(throws: GatewayRefusal.self) { _ = try await turns.next() }
            withExtendedLifetime(second) {}
            second = nil
            try await group.waitForAll()
        }
        let served = order.numbers.withLock { $0 }
        #expect(served.sorted() == Array(0..<AdminTurns.maxWaiting) && turns.waiting == 0)
        withExtendedLifetime(first) {}
        first = nil
        let all = (try await turns.next(), try await turns.next())
        withExtendedLifetime(all) {}
    }

    @Test("reports wait for their turn, and keep nobody from revoking a key")
    func reports() async throws {
        try await AdminFixture.with { fixture in
            let key = try await fixture.store.createKey(KeyDraft(tenant: "acme")).info.id
            let turns = fixture.services.records.turns
            var held: [AdminTurns.Turn] = [try await turns.next(), try await turns.next()]
            let paths = ["/spend?tenant=acme", "/statements/2025-03?tenant=acme", "/audit/export"]
            try await withThrowingTaskGroup(of: Int.self) { group in
                for path in paths { group.addTask { try await fixture.send(.get, path).status } }
                while turns.waiting < paths.count { await Task.yield() }
                #expect(try await fixture.send(.delete, "/keys/\(key)").status == 200)
                #expect(turns.waiting == paths.count && held.count == 2)
                held = []
                for try await status in group { #expect(status == 200) }
            }
        }
    }
}
