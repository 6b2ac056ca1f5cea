import Foundation
import Testing

@testable import Ledger

/// Which items go together, and in which order.
@Suite("The queue of a group commit")
struct BatchQueueTests {
    private typealias Queue = BatchQueue<Int>

    private static func item(_ number: Int, _ kind: Queue.Kind = .reservation, of request: UUID? = nil) -> Queue.Item {
        Queue.Item(kind: kind, exclusion: request ?? UUID(), payload: number)
    }

    @Test("an idle queue hands out at once; what comes while a batch is away gathers; an empty queue is idle again")
    func gathers() {
        var queue = Queue()
        #expect(queue.add(Self.item(1)) == .start)
        #expect(queue.next().map(\.payload) == [1])
        #expect(queue.add(Self.item(2)) == .queued)
        #expect(queue.add(Self.item(3, .settlement)) == .queued)
        #expect(queue.next().map(\.payload) == [2, 3])
        #expect(queue.isBusy)
        #expect(queue.next().isEmpty)
        #expect(!queue.isBusy)
        #expect(queue.add(Self.item(4)) == .start)
    }

    @Test("of a request no two are in one batch, and the second stays before its third")
    func exclusion() {
        var queue = Queue()
        let request = UUID()
        for number in 1...3 { _ = queue.add(Self.item(number, of: request)) }
        _ = queue.add(Self.item(4))
        #expect(queue.next().map(\.payload) == [1, 4])
        #expect(queue.next().map(\.payload) == [2])
        #expect(queue.next().map(\.payload) == [3])
    }

    @Test("both kinds have the batch's limit; a full queue takes nothing and loses nothing")
    func limits() {
        var queue = Queue(limits: .init(batch: 2, waiting: 5))
        for number in 1...3 { _ = queue.add(Self.item(number)) }
        for number in 4...5 { _ = queue.add(Self.item(number, .settlement)) }
        #expect(queue.add(Self.item(6)) == .full)
        #expect(queue.next().map(\.payload) == [1, 2, 4, 5])
        #expect(queue.next().map(\.payload) == [3])
    }

    @Test("items that made a batch fail come first, each alone")
    func putBack() {
        var queue = Queue()
        for number in 1...2 { _ = queue.add(Self.item(number)) }
        let failed = queue.next().map { item in
            var item = item
            item.isAlone = true
            return item
        }
        _ = queue.add(Self.item(3))
        queue.putBack(failed)
        #expect(queue.next().map(\.payload) == [1])
        #expect(queue.next().map(\.payload) == [2])
        #expect(queue.next().map(\.payload) == [3])
    }
}
