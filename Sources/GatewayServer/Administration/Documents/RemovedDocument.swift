/// What is said of something that was taken away.
package struct RemovedDocument: Encodable {
    var removed: String

    /// - Parameter name: what it was called.
    package init(_ name: String) { removed = name }
}
