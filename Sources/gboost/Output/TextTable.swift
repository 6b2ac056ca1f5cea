/// Rows under headings, in columns as wide as their widest cell.
struct TextTable: Sendable {
    enum Alignment: Hashable, Sendable { case left, right }
    struct Column: Hashable, Sendable {
        var title: String
        var alignment: Alignment = .left
        init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }
    var columns: [Column]
    var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Ends with a newline; without rows it is only the heading. Control characters are shown as '?': a name from
    /// the database must not steer the terminal.
    func render() -> String {
        let cells = ([columns.map(\.title)] + rows).map { row in row.map(Self.printable) }
        let widths = columns.indices.map { index in cells.map { $0[index].count }.max() ?? 0 }
        var text = ""
        for row in cells {
            var line = ""
            for (index, column) in columns.enumerated() {
                let padding = String(repeating: " ", count: widths[index] - row[index].count)
                line += column.alignment == .left ? row[index] + padding : padding + row[index]
                line += "  "
            }
            while line.hasSuffix(" ") { line.removeLast() }
            text += line + "\n"
        }
        return text
    }

    private static func printable(_ cell: String) -> String {
        String(cell.map { $0.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control } ? $0 : "?" })
    }
}
