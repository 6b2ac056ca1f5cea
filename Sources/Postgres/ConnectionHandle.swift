internal import CLibPQ

/// One `PGconn`, finished exactly once.
struct ConnectionHandle: ~Copyable {
    private(set) var raw: OpaquePointer?

    /// Begins to connect. `hostaddr` must be among `keywords` for a host that is a name, or this blocks on DNS.
    mutating func start(_ keywords: [(String, String)]) -> Bool {
        finish()
        raw = withCStrings(keywords.map(\.0)) { names in
            withCStrings(keywords.map(\.1)) { values in PQconnectStartParams(names, values, 0) }
        }
        guard let raw else { return false }
        // The default prints to standard error, and a notice may quote data.
        PQsetNoticeProcessor(raw, { _, _ in }, nil)
        return PQstatus(raw) != CONNECTION_BAD
    }

    mutating func finish() {
        if let raw { PQfinish(raw) }
        raw = nil
    }

    deinit {
        if let raw { PQfinish(raw) }
    }

    /// libpq's last words.
    var message: String {
        guard let raw, let text = PQerrorMessage(raw) else { return "no connection" }
        let message = String(cString: text)
        return String(message.reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// Calls `body` with a null-ended array of C strings.
private func withCStrings(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> OpaquePointer?
) -> OpaquePointer? {
    var bytes: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8CString)
    }
    return bytes.withUnsafeBufferPointer { buffer in
        var pointers = offsets.map { offset in buffer.baseAddress.map { UnsafePointer($0 + offset) } }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { $0.baseAddress.flatMap(body) }
    }
}
