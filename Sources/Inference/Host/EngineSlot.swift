internal import Foundation

/// One sequence of the context: whose it is and what it has evaluated. Idle ones are what tenants may come back to.
final class EngineSlot {
    /// What is known behind a position that has been evaluated: going on from there needs no second evaluation.
    struct Tail {
        var position: Int
        var logits: [Float]
        var hidden: [Float]
    }

    let sequence: Int
    /// nil: empty.
    var tenant: Int64?
    /// Of the request that used it last.
    var session: UUID?
    /// The adapter that its tokens were evaluated with.
    var group: Int64 = 0
    /// Evaluated, each in its cell.
    var tokens: [Int32] = [] {
        didSet { longest = tokens.isEmpty ? 0 : max(longest, tokens.count) }
    }
    /// The most tokens that it has had since it was empty.
    private(set) var longest = 0
    /// The last two places where a draft began or ended.
    private(set) var tails: [Tail] = []
    /// A lane works on it.
    var isBusy = false
    var lastUsed: UInt64 = 0

    init(sequence: Int) { self.sequence = sequence }

    func tail(at position: Int) -> Tail? { tails.first { $0.position == position } }

    func keep(_ tail: Tail) {
        tails.removeAll { $0.position == tail.position }
        tails = tails.suffix(1) + [tail]
    }

    func dropTails() { tails = [] }

    /// Takes over what a sequence knows of its first `length` tokens.
    func copy(_ source: EngineSlot, length: Int) {
        tenant = source.tenant
        group = source.group
        tokens = Array(source.tokens.prefix(length))
        tails = source.tails.filter { $0.position < length }
    }

    /// Whether what a model with a window looks back on from a position is still there.
    ///
    /// llama.cpp lets new tokens take the cells of those that have left the window behind a sequence's last token.
    /// One that steps back needs some of them again, and would be evaluated without them.
    func hasWindow(_ window: Int, before position: Int) -> Bool {
        window == 0 || position == longest || longest < window
    }

    /// Forgets what is known beyond `length` tokens.
    func truncate(to length: Int) {
        tokens = Array(tokens.prefix(length))
        tails.removeAll { $0.position >= length }
    }

    func sharedPrefix(with wanted: [Int32]) -> Int {
        var count = 0
        let most = min(tokens.count, wanted.count)
        while count < most, tokens[count] == wanted[count] { count += 1 }
        return count
    }
}
