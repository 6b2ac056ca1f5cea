/// A response whose head is there and whose body is arriving. One reader.
///
/// Letting go of it frees the transfer, as `cancel()` does.
package final class CurlResponse: Sendable {
    /// HTTP status. A redirection is a status like any other: it is not followed.
    package let status: Int
    /// In the order of arrival.
    package let headers: [(name: String, value: String)]
    private let call: CurlCall
    private let thread: CurlThread

    init(_ head: CurlHead, call: CurlCall, thread: CurlThread) {
        status = head.status
        headers = head.headers
        self.call = call
        self.thread = thread
    }

    deinit { cancel() }

    /// The value of the first header of this name, in whatever case.
    package func header(_ name: String) -> String? {
        headers.first { header in
            header.name.utf8.count == name.utf8.count
                && zip(header.name.utf8, name.utf8).allSatisfy { $0 == $1 || Self.lower($0) == Self.lower($1) }
        }?.value
    }

    private static func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

    /// Everything that arrived since the last call; nil at the end of a complete body. After a failure it throws the
    /// same again. Cancelling the task ends the wait, not the call: it can be read on in another task.
    package func next() async throws(CurlError) -> [UInt8]? {
        let (bytes, mustUnpause) = try await call.take()
        if mustUnpause { thread.submit(.unpause(call)) }
        return bytes
    }

    /// Closes the connection if the body is not complete, and drops what was not read. Needs no waiting.
    package func cancel() {
        if call.cancel() { thread.submit(.cancel(call)) }
    }

    /// Bytes that arrived and were not read: at most the request's high-water mark, or one read of libcurl (16 KiB).
    package var bufferedBytes: Int { call.bufferedBytes }
    /// Whether the socket is not being read, because the reader is behind.
    package var isPaused: Bool { call.isPaused }
}
