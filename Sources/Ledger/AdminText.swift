/// Texts that people give: names, aliases, labels, reasons.
///
/// They stand in lists, events and statements, a line each, and PostgreSQL takes no zero byte: what could be none of
/// them is refused by its field before any statement, and where something is looked up by it, it is not found.
enum AdminText {
    /// The most bytes of a name, an alias or a label.
    static let maxBytes = 255

    /// Refuses what cannot be stored. Nil: nothing was given.
    static func check(_ text: String?, field: String, atMost most: Int = maxBytes) throws(LedgerError) {
        guard let text else { return }
        guard text.utf8.count <= most else {
            throw LedgerError(.invalid, field: field, "has more than \(most) bytes")
        }
        guard !hasControls(text) else { throw LedgerError(.invalid, field: field, "has control characters") }
    }

    /// Whether anything can be called that.
    static func isPossible(_ name: String) -> Bool { name.utf8.count <= maxBytes && !hasControls(name) }

    /// For what is looked up by a name: the error says no more of an impossible one than that there is none.
    static func requirePossible(_ name: String, field: String) throws(LedgerError) {
        guard isPossible(name) else {
            throw LedgerError(.notFound, field: field, "there is none: no name is that long, or has control characters")
        }
    }

    private static func hasControls(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }
}
