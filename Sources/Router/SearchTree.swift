internal import Foundation
internal import GatewayCore

/// The nodes of a search over steps: each a drafted step after the one that it goes on from.
struct SearchTree: Sendable {
    /// A drafted step.
    struct Node: Hashable, Sendable {
        /// nil: the step is the first after what is settled.
        var parent: Int?
        var draft: StepDraft
        var reward: ProcessReward
        /// Why the answer would end with it; nil: it goes on.
        var ending: Finish.Reason?
        var children: [Int] = []
        var isExpanded = false
        var visits = 1.0
        /// Sum of p over all visits: its own and those of what came after it.
        var total: Double
    }

    /// Weight of trying what was seldom tried, against p.
    static let exploration = 0.3

    private(set) var nodes: [Node] = []
    private(set) var roots: [Int] = []
    /// Visits of the place where it starts.
    private var visits = 1.0

    var isEmpty: Bool { nodes.isEmpty }

    /// Adds candidates after a node; one that says the same as another adds nothing.
    mutating func add(_ candidates: [Node], after parent: Int?) {
        if let parent { nodes[parent].isExpanded = true }
        for candidate in candidates {
            let siblings = parent.map { nodes[$0].children } ?? roots
            guard !siblings.contains(where: { nodes[$0].draft.text == candidate.draft.text }) else { continue }
            let index = nodes.count
            nodes.append(candidate)
            if let parent { nodes[parent].children.append(index) } else { roots.append(index) }
            backUp(candidate.reward.calibrated, from: parent)
        }
    }

    /// The reward stands in for a rollout: it is passed on to every step that led here.
    private mutating func backUp(_ p: Double, from parent: Int?) {
        visits += 1
        var place = parent
        while let index = place {
            nodes[index].visits += 1
            nodes[index].total += p
            place = nodes[index].parent
        }
    }

    /// The unfinished leaf that upper confidence bounds lead to; nil: there is none.
    func leaf() -> Int? {
        var here: Int?
        var choices = roots
        var count = visits
        while true {
            let open = choices.filter { isOpen($0) }
            guard let next = open.max(by: { score($0, count) < score($1, count) }) else { return here }
            here = next
            guard nodes[next].isExpanded else { return next }
            choices = nodes[next].children
            count = nodes[next].visits
        }
    }

    private func score(_ index: Int, _ count: Double) -> Double {
        let node = nodes[index]
        return node.total / node.visits + Self.exploration * (log(count + 1) / node.visits).squareRoot()
    }

    /// Whether anything below a node, or itself, can still be gone on from.
    private func isOpen(_ index: Int) -> Bool {
        let node = nodes[index]
        guard node.isExpanded else { return node.ending == nil }
        return node.children.contains { isOpen($0) }
    }

    /// The best step that nothing goes on from yet, finished ones only or any; the earlier of equals.
    func best(finished: Bool) -> Int? {
        let leaves = nodes.indices.filter { nodes[$0].children.isEmpty && (!finished || nodes[$0].ending != nil) }
        return leaves.max { a, b in
            let (p, q) = (nodes[a].reward.calibrated, nodes[b].reward.calibrated)
            return p < q || p == q && a > b
        }
    }

    /// What goes on from a node, which is settled from now on; nil: everything.
    func below(_ index: Int?) -> SearchTree {
        guard let index else { return self }
        var tree = SearchTree()
        tree.visits = nodes[index].visits
        for child in nodes[index].children { tree.roots.append(copy(child, under: nil, to: &tree)) }
        return tree
    }

    private func copy(_ index: Int, under parent: Int?, to tree: inout SearchTree) -> Int {
        let place = tree.nodes.count
        var node = nodes[index]
        node.parent = parent
        node.children = []
        tree.nodes.append(node)
        for child in nodes[index].children {
            let copied = copy(child, under: place, to: &tree)
            tree.nodes[place].children.append(copied)
        }
        return place
    }

    /// The steps that lead to a node, itself the last.
    func path(to index: Int?) -> [Node] {
        var path: [Node] = []
        var place = index
        while let index = place {
            path.append(nodes[index])
            place = nodes[index].parent
        }
        return path.reversed()
    }
}
