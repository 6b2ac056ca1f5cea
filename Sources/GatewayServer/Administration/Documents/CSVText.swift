/// Comma-separated values (RFC 4180), lines ended by CR LF.
package enum CSVText {
    /// Each row on a line of its own.
    package static func render(_ rows: [[String]]) -> String {
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
