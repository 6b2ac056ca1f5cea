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

/// Comma-separated values (RFC 4180), lines ended by CR LF.
enum CSVText {
    static func render(_ rows: [[String]]) -> String {
        rows.map { $0.map(field).joined(separator: ",") + "\r\n" }.joined()
    }

    /// Quoted where it must be. A text that a spreadsheet would run as a formula gets an apostrophe first; numbers,
    /// which may well begin with a minus, are left alone. By scalars, as readers of CSV go: a combining mark beside a
    /// comma makes another `Character` of it.
    private static func field(_ text: String) -> String {
        var text = text
        if let first = text.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first), Double(text) == nil {
            text = "'" + text
        }
        guard text.unicodeScalars.contains(where: { $0 == "," || $0 == "\"" || Character($0).isNewline }) else {
            return text
        }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" { quoted += "\"" }
            quoted.unicodeScalars.append(scalar)
        }
        return quoted + "\""
    }
}
