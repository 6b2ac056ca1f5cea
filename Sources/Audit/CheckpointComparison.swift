/// One log's checkpoints beside its tree as it grows: which agree with it, which do not, and what both together say of
/// where the log parts from what was signed.
///
/// A checkpoint has no time. What stands for it is the order in which they were given, which of a file that a gateway
/// adds to is that in which they were signed.
struct CheckpointComparison: Sendable {
    /// Each once: first those that were published, then those that lie with the log itself.
    private let given: [Checkpoint]
    /// How many of `given` were published. The order of these says nothing of when the others were signed.
    private let published: Int
    /// Places in `given`, the smallest checkpoint first.
    private let bySize: [Int]
    /// How many of `bySize` the tree has come to.
    private var compared = 0
    /// By place in `given`; nil: the tree is not as large.
    private var agrees: [Bool?]

    /// - Parameters:
    ///   - published: in the order in which they were signed.
    ///   - own: those that lie with the log.
    init(published: [Checkpoint], own: [Checkpoint]) {
        var known: Set<Checkpoint> = []
        var given = published.filter { known.insert($0).inserted }
        self.published = given.count
        given += own.filter { known.insert($0).inserted }
        self.given = given
        bySize = given.indices.sorted { (given[$0].size, $0) < (given[$1].size, $1) }
        agrees = Array(repeating: nil, count: given.count)
    }

    /// How large the tree is to be for the next checkpoint; nil: there is none.
    var nextSize: Int64? { compared < bySize.count ? given[bySize[compared]].size : nil }

    /// How many agree.
    var agreed: Int { agrees.count(where: { $0 == true }) }

    /// Compares the checkpoints of the tree's size.
    mutating func compare(_ tree: MerkleFrontier) {
        while let next = nextSize, next <= tree.size {
            let place = bySize[compared]
            agrees[place] = given[place].root == tree.root
            compared += 1
        }
    }

    /// Where the log parts from what was signed; nil: no checkpoint says that it does.
    ///
    /// `after` is a record up to which it is as signed, by the order given.
    var parting: (after: Int64, message: String)? {
        guard let first = agrees.firstIndex(of: false),
            let most = bySize.first(where: { agrees[$0] == false }).map({ given[$0].size })
        else { return nil }
        let after = signed(before: first, below: most)
        let range = Self.range(after: after, most: most)
        if isOfTwo(first, most) {
            return (after, "\(Self.two): \(Self.order) the first record that differs is \(range)")
        }
        let largest = given.indices.filter { agrees[$0] == true }.map { given[$0].size }.max() ?? 0
        let narrower = largest > after ? " (after \(largest), if all are of one history)" : ""
        return (
            after,
            "a signed checkpoint knows other records: \(Self.order) the first that differs is \(range)\(narrower)"
        )
    }

    /// What is missing after the tree's last record; nil: no checkpoint knows more.
    /// - Parameters:
    ///   - size: the tree's.
    ///   - unnumbered: records that are there and not in the tree.
    func missing(after size: Int64, unnumbered: Int64) -> (first: Int64, message: String)? {
        guard let next = nextSize, let largest = bySize.last, let first = agrees.firstIndex(where: { $0 == nil }) else {
            return nil
        }
        let (known, there) = (given[largest].size, size + unnumbered)
        if isOfTwo(first, next) {
            // New records have the numbers of those that were lost.
            let after = signed(before: first, below: next)
            let range = Self.range(after: after, most: there + 1)
            return (
                after + 1,
                "\(Self.two): \(Self.order) the first record that is lost is \(range), and one of them knows \(known) "
                    + "records, but there are \(there)"
            )
        }
        // With those that have no number there may be as many as were signed: whether they are the same is open.
        return (
            there < known ? there + 1 : size + 1,
            "a signed checkpoint knows \(known) records, \(there < known ? "but" : "and") there are \(there)"
        )
    }

    private static let two = "signed checkpoints tell of two histories, as a restore leaves them"
    private static let order = "if they are given in the order of signing,"

    /// The largest checkpoint that agrees, and was signed before another one in the same history: where sizes fall, the
    /// log had been taken back to nobody knows where.
    private func signed(before first: Int, below most: Int64) -> Int64 {
        var run = first
        while run > 0, given[run - 1].size <= given[run].size { run -= 1 }
        let after = (run..<first).last { agrees[$0] == true }.map { given[$0].size } ?? 0
        // Else the smallest that does not agree is of another history than the first.
        return after < most ? after : 0
    }

    /// In one history none agrees that is larger or was signed later than one that does not.
    private func isOfTwo(_ first: Int, _ most: Int64) -> Bool {
        given.indices.contains { place in
            agrees[place] == true && (given[place].size >= most || place > first && place < published)
        }
    }

    private static func range(after: Int64, most: Int64) -> String {
        after > 0 ? "after \(after) and at most \(most)" : "at most \(most)"
    }
}
