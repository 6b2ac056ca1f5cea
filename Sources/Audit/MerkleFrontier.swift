/// A Merkle tree that only grows, kept as the roots of its full subtrees, largest first: what is needed to add leaves
/// and to name the root, in as many hashes as its size has one bits (RFC 6962, 2.1).
package struct MerkleFrontier: Hashable, Sendable {
    /// How many leaves it has.
    package private(set) var size: Int64 = 0
    /// One for each one bit of `size`, from the highest.
    package private(set) var subtrees: [AuditHash] = []

    /// A tree without leaves.
    package init() {}

    /// A tree as it was stored; nil when there are not as many subtrees as `size` demands.
    package init?(size: Int64, subtrees: [AuditHash]) {
        guard size >= 0, subtrees.count == size.nonzeroBitCount else { return nil }
        self.size = size
        self.subtrees = subtrees
    }

    /// Adds a leaf.
    package mutating func append(_ leaf: AuditHash) {
        var hash = leaf
        // Each trailing one bit of the size is a full subtree as large as what has come together so far.
        for _ in 0..<(~size).trailingZeroBitCount {
            guard let left = subtrees.popLast() else { break }
            hash = .node(left, hash)
        }
        subtrees.append(hash)
        size += 1
    }

    /// The root of all leaves so far.
    package var root: AuditHash {
        guard var hash = subtrees.last else { return .empty }
        for left in subtrees.dropLast().reversed() { hash = .node(left, hash) }
        return hash
    }
}
