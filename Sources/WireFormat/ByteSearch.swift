extension Array where Element == UInt8 {
    /// Whether `pattern` stands anywhere in it.
    func contains(_ pattern: [UInt8]) -> Bool { !pattern.isEmpty && position(of: pattern, from: 0) != nil }

    /// Where `pattern` stands first, at `start` or after it. An empty one stands nowhere.
    ///
    /// Two bytes are compared before the rest is: of JSON's marks the first is a quote, which is everywhere.
    package func position(of pattern: [UInt8], from start: Int) -> Int? {
        let (bytes, mark) = (span, pattern.span)
        guard mark.count > 1 else { return mark.count == 1 ? self[start...].firstIndex(of: mark[0]) : nil }
        let (first, second) = (mark[0], mark[1])
        var index = start
        while index + mark.count <= bytes.count {
            guard bytes[index + 1] == second else {
                // No match begins here; nor behind, if this byte is not the first of one.
                index += bytes[index + 1] == first ? 1 : 2
                continue
            }
            if bytes[index] == first {
                var length = 2
                while length < mark.count, bytes[index + length] == mark[length] { length += 1 }
                if length == mark.count { return index }
            }
            index += 1
        }
        return nil
    }
}
