/// Finds where a byte sequence stops being whole characters.
package enum UTF8Tail {
    /// Bytes at the end that begin a character without finishing it: 0…3.
    ///
    /// Bytes that can never become a character count as finished, or a broken model would be waited for forever.
    package static func unfinishedCount(_ bytes: some BidirectionalCollection<UInt8>) -> Int {
        var back = 0
        for byte in bytes.reversed().prefix(4) {
            back += 1
            if byte & 0xC0 == 0x80 { continue }
            let length =
                switch byte {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 1
                }
            return length > back ? back : 0
        }
        return 0
    }
}
