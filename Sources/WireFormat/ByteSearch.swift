extension Array where Element == UInt8 {
    /// Whether `pattern` stands anywhere in it.
    func contains(_ pattern: [UInt8]) -> Bool {
        guard let first = pattern.first, count >= pattern.count else { return false }
        var index = 0
        while index + pattern.count <= count {
            if self[index] == first, self[index..<(index + pattern.count)].elementsEqual(pattern) { return true }
            index += 1
        }
        return false
    }
}
