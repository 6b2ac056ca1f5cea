/// Proofs about a Merkle tree: that a leaf is in it, and that a smaller tree is its beginning (RFC 6962, 2.1.1, 2.1.2;
/// verification after RFC 9162, 2.1.3.2 and 2.1.4.2).
package enum MerkleProof {
    /// The root of some leaves.
    package static func root(_ leaves: ArraySlice<AuditHash>) -> AuditHash {
        var frontier = MerkleFrontier()
        for leaf in leaves { frontier.append(leaf) }
        return frontier.root
    }

    /// The hashes beside the way from a leaf to the root. Nil when there is no such leaf.
    package static func inclusion(of index: Int, in leaves: [AuditHash]) -> [AuditHash]? {
        inclusionParts(of: index, count: leaves.count)?.map { root(leaves[$0]) }
    }

    /// The parts of a tree whose roots are those hashes.
    package static func inclusionParts(of index: Int, count: Int) -> [Range<Int>]? {
        guard index >= 0, index < count else { return nil }
        var parts: [Range<Int>] = []
        var range = 0..<count
        while range.count > 1 {
            let middle = range.lowerBound + split(range.count)
            if index < middle {
                parts.append(middle..<range.upperBound)
                range = range.lowerBound..<middle
            } else {
                parts.append(range.lowerBound..<middle)
                range = middle..<range.upperBound
            }
        }
        return parts.reversed()
    }

    /// What shows that the first `size` leaves are the beginning of all. Nil when there are fewer.
    package static func consistency(from size: Int, in leaves: [AuditHash]) -> [AuditHash]? {
        consistencyParts(from: size, count: leaves.count)?.map { root(leaves[$0]) }
    }

    /// The parts of a tree of `count` leaves whose roots show that.
    package static func consistencyParts(from size: Int, count: Int) -> [Range<Int>]? {
        guard size > 0, size <= count else { return nil }
        var parts: [Range<Int>] = []
        var range = 0..<count
        var isWhole = true
        while size != range.upperBound {
            let middle = range.lowerBound + split(range.count)
            if size <= middle {
                parts.append(middle..<range.upperBound)
                range = range.lowerBound..<middle
            } else {
                parts.append(range.lowerBound..<middle)
                range = middle..<range.upperBound
                isWhole = false
            }
        }
        if !isWhole { parts.append(range) }
        return parts.reversed()
    }

    /// Whether `proof` leads from `leaf` at `index` to the root of a tree of `size`.
    package static func isIncluded(
        _ leaf: AuditHash, at index: Int64, size: Int64, root: AuditHash, proof: [AuditHash]
    ) -> Bool {
        guard index >= 0, index < size else { return false }
        var (node, last, hash) = (index, size - 1, leaf)
        for sibling in proof {
            if last == 0 { return false }
            if node & 1 == 1 || node == last {
                hash = .node(sibling, hash)
                while node & 1 == 0, node != 0 { (node, last) = (node >> 1, last >> 1) }
            } else {
                hash = .node(hash, sibling)
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && hash == root
    }

    /// Whether `proof` shows that the tree of `old` leaves is the beginning of the one of `new`.
    package static func isConsistent(
        old: (size: Int64, root: AuditHash), new: (size: Int64, root: AuditHash), proof: [AuditHash]
    ) -> Bool {
        guard old.size > 0, old.size <= new.size else { return false }
        if old.size == new.size { return proof.isEmpty && old.root == new.root }
        var path = proof[...]
        // A size that is a power of two: the old root itself is where the way begins.
        if old.size.nonzeroBitCount == 1 { path.insert(old.root, at: path.startIndex) }
        guard let first = path.popFirst() else { return false }
        var (node, last) = (old.size - 1, new.size - 1)
        while node & 1 == 1 { (node, last) = (node >> 1, last >> 1) }
        var (small, large) = (first, first)
        for sibling in path {
            if last == 0 { return false }
            if node & 1 == 1 || node == last {
                small = .node(sibling, small)
                large = .node(sibling, large)
                while node & 1 == 0, node != 0 { (node, last) = (node >> 1, last >> 1) }
            } else {
                large = .node(large, sibling)
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && small == old.root && large == new.root
    }

    /// The largest power of two below `count`.
    private static func split(_ count: Int) -> Int {
        1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
    }
}
