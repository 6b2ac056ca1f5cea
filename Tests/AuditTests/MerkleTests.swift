import Testing

@testable import Audit

@Suite("Merkle trees as RFC 6962 has them")
struct MerkleTests {
    /// The leaves of the tree that implementations of certificate transparency test each other with.
    private static let inputs: [[UInt8]] = [
        [], [0x00], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43], Array(0x50...0x57),
        Array(0x60...0x6f),
    ]
    private static func leaf(_ bytes: [UInt8]) -> AuditHash { .leaf(prefixed: [0] + bytes) }
    private static func leaves(_ count: Int) -> [AuditHash] {
        (0..<count).map { leaf([UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]) }
    }

    @Test(
        "known roots of known leaves",
        arguments: [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ])
    func known(count: Int, root: String) {
        let leaves = Self.inputs.prefix(count).map(Self.leaf)
        #expect(MerkleProof.root(leaves[...]).hexadecimal == root)
    }

    /// The definition itself, as RFC 6962 writes it.
    private static func plain(_ leaves: ArraySlice<AuditHash>) -> AuditHash {
        if leaves.count <= 1 { return leaves.first ?? .empty }
        var split = 1
        while split * 2 < leaves.count { split *= 2 }
        return .node(
            plain(leaves[..<(leaves.startIndex + split)]), plain(leaves[(leaves.startIndex + split)...]))
    }

    @Test(
        "a tree that grows leaf by leaf has the root of the definition at every size, and goes on from what was stored")
    func frontier() throws {
        let leaves = Self.leaves(70)
        var tree = MerkleFrontier()
        for size in 1...70 {
            tree = try #require(MerkleFrontier(size: tree.size, subtrees: tree.subtrees))
            tree.append(leaves[size - 1])
            #expect(tree.root == Self.plain(leaves[..<size]))
        }
        #expect(MerkleFrontier(size: 3, subtrees: [leaves[0]]) == nil)
    }

    @Test("every inclusion proof of every tree up to 33 leaves holds, and for no other leaf, place, size or root")
    func inclusion() throws {
        let all = Self.leaves(33)
        for size in 1...33 {
            let leaves = Array(all[..<size])
            let root = Self.plain(leaves[...])
            for index in 0..<size {
                let proof = try #require(MerkleProof.inclusion(of: index, in: leaves))
                func holds(
                    _ leaf: AuditHash, _ index: Int, _ size: Int, _ root: AuditHash, _ proof: [AuditHash]
                ) -> Bool {
                    MerkleProof.isIncluded(leaf, at: Int64(index), size: Int64(size), root: root, proof: proof)
                }
                #expect(holds(leaves[index], index, size, root, proof))
                #expect(!holds(Self.leaf([9, 9, 9]), index, size, root, proof))
                #expect(!holds(leaves[index], index, size, Self.leaf([]), proof))
                #expect(!holds(leaves[index], index, size, root, proof + [root]))
                if size > 1 {
                    #expect(!holds(leaves[index], index == 0 ? 1 : index - 1, size, root, proof))
                    #expect(!holds(leaves[index], index, size, root, Array(proof.dropLast())))
                }
            }
            #expect(MerkleProof.inclusion(of: size, in: leaves) == nil)
            // The same without the leaves in memory.
            var parts = MerkleParts([0..<size] + (try #require(MerkleProof.inclusionParts(of: size / 2, count: size))))
            for leaf in leaves { parts.append(leaf) }
            let proof = try #require(MerkleProof.inclusion(of: size / 2, in: leaves))
            #expect(parts.count == size && parts.roots == [root] + proof)
        }
    }

    @Test("every consistency proof of every pair of trees up to 33 leaves holds, and for no other old tree")
    func consistency() throws {
        let leaves = Self.leaves(33)
        let roots = (0...33).map { Self.plain(leaves[..<$0]) }
        for new in 1...33 {
            for old in 1...new {
                let proof = try #require(MerkleProof.consistency(from: old, in: Array(leaves[..<new])))
                func holds(_ old: Int, _ oldRoot: AuditHash, _ proof: [AuditHash]) -> Bool {
                    MerkleProof.isConsistent(
                        old: (Int64(old), oldRoot), new: (Int64(new), roots[new]), proof: proof)
                }
                #expect(holds(old, roots[old], proof))
                #expect(!holds(old, Self.leaf([7]), proof))
                if !proof.isEmpty { #expect(!holds(old, roots[old], Array(proof.dropLast()))) }
            }
        }
        #expect(MerkleProof.consistency(from: 34, in: leaves) == nil)
    }
}
