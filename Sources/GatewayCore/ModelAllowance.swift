/// Which names a caller may put into `model`: those that every list has a pattern for.
package struct ModelAllowance: Hashable, Sendable {
    /// The key's and its team's, as far as they have one.
    private var lists: [[String]]

    /// Without lists: every name.
    package init(_ lists: [[String]] = []) { self.lists = lists }

    /// Whether a route's name or a "provider/model" may be asked for.
    package func allows(_ name: String) -> Bool {
        lists.allSatisfy { list in list.contains { ModelPattern.matches($0, name: name) } }
    }
}
