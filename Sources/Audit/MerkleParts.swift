/// The roots of some parts of a tree whose leaves come one after the other: a frontier of each is in memory, and none
/// of the leaves.
package struct MerkleParts: Sendable {
    private var parts: [(range: Range<Int>, tree: MerkleFrontier)]
    /// Leaves so far.
    package private(set) var count = 0

    /// - Parameter ranges: the parts, by the places of their leaves.
    package init(_ ranges: [Range<Int>]) { parts = ranges.map { ($0, MerkleFrontier()) } }

    /// Takes the next leaf.
    package mutating func append(_ leaf: AuditHash) {
        for index in parts.indices where parts[index].range.contains(count) { parts[index].tree.append(leaf) }
        count += 1
    }

    /// In the order of the parts.
    package var roots: [AuditHash] { parts.map { $0.tree.root } }
}
