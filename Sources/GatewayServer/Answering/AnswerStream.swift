internal import Synchronization

/// Bytes on their way from an answer's task to the client's connection: one producer, one consumer, bounded.
///
/// The answer runs in a task of its own, so that money is settled even when the client has left; this is the only
/// thing the two sides share. The head comes first and separately: until it is known an error still has a status.
/// (`AsyncStream` has no back-pressure; the bounded channel of swift-async-algorithms is non-copyable and cannot be
/// captured by the response's escaping closure.)
final class AnswerStream<Head: Sendable>: Sendable {
    /// Bytes that may wait for a slow client before the producer waits too.
    static var highWatermark: Int { 256 * 1024 }

    private struct State {
        var head: Result<Head, GatewayRefusal>?
        var buffer: [UInt8] = []
        var written = 0
        var isFinished = false
        var isAbandoned = false
        var headWaiter: CheckedContinuation<Result<Head, GatewayRefusal>, Never>?
        var reader: CheckedContinuation<[UInt8]?, Never>?
        var writer: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    // MARK: The answer's task

    /// Gives the head. Only the first call counts.
    func begin(_ head: Head) { resolve(.success(head)) }

    /// Ends before the head, with a refusal instead of an answer. After the head it just ends the bytes.
    func fail(_ refusal: GatewayRefusal) {
        resolve(.failure(refusal))
        finish()
    }

    /// Queues bytes, waiting while the client is behind. False: the client has left, nobody will read them.
    func write(_ bytes: [UInt8]) async -> Bool {
        let (isOpen, isFull, reader) = state.withLock { s in
            guard !s.isAbandoned, !s.isFinished else {
                return (false, false, nil as CheckedContinuation<[UInt8]?, Never>?)
            }
            s.written += bytes.count
            if let reader = s.reader {
                s.reader = nil
                return (true, false, reader)
            }
            s.buffer += bytes
            return (true, s.buffer.count >= Self.highWatermark, nil)
        }
        reader?.resume(returning: bytes)
        if isFull { await waitForRoom() }
        return isOpen
    }

    /// Bytes that were queued for the client so far.
    var written: Int { state.withLock { $0.written } }

    /// No more bytes will come.
    func finish() {
        let reader = state.withLock { s in
            s.isFinished = true
            defer { s.reader = nil }
            return s.reader
        }
        reader?.resume(returning: nil)
    }

    // MARK: The client's side

    /// The head, or the refusal that came instead of it.
    func head() async -> Result<Head, GatewayRefusal> {
        await withCheckedContinuation { waiter in
            let known = state.withLock { s in
                if s.head == nil { s.headWaiter = waiter }
                return s.head
            }
            if let known { waiter.resume(returning: known) }
        }
    }

    /// Everything that is there, or the next bytes; nil at the end.
    func next() async -> [UInt8]? {
        await withCheckedContinuation { reader in
            let (ready, writer): ([UInt8]??, CheckedContinuation<Void, Never>?) = state.withLock { s in
                if !s.buffer.isEmpty {
                    let bytes = s.buffer
                    s.buffer = []
                    defer { s.writer = nil }
                    return (.some(bytes), s.writer)
                }
                if s.isFinished || s.isAbandoned { return (.some(nil), nil) }
                s.reader = reader
                return (nil, nil)
            }
            writer?.resume()
            if let ready { reader.resume(returning: ready) }
        }
    }

    /// The client has left.
    func abandon() {
        let (reader, writer) = state.withLock { s in
            s.isAbandoned = true
            s.buffer = []
            defer { (s.reader, s.writer) = (nil, nil) }
            return (s.reader, s.writer)
        }
        reader?.resume(returning: nil)
        writer?.resume()
    }

    /// Whether the client has left: an SLM need not go on then.
    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    private func resolve(_ head: Result<Head, GatewayRefusal>) {
        let waiter = state.withLock { s in
            guard s.head == nil else { return nil as CheckedContinuation<Result<Head, GatewayRefusal>, Never>? }
            s.head = head
            defer { s.headWaiter = nil }
            return s.headWaiter
        }
        waiter?.resume(returning: head)
    }

    private func waitForRoom() async {
        await withCheckedContinuation { writer in
            let mustWait = state.withLock { s in
                guard !s.isAbandoned, s.buffer.count >= Self.highWatermark else { return false }
                s.writer = writer
                return true
            }
            if !mustWait { writer.resume() }
        }
    }
}

extension AnswerStream {
    /// The client's end, which the response's body owns. A body that is dropped, unwritten or half written, is a client
    /// that has left: a server whose connection has closed throws at the head, and never asks for the body. A stream
    /// that was read to its end is finished, and to abandon that changes nothing.
    final class ClientEnd: Sendable {
        private let stream: AnswerStream
        init(_ stream: AnswerStream) { self.stream = stream }
        deinit { stream.abandon() }

        /// Everything that is there, or the next bytes; nil at the end.
        func next() async -> [UInt8]? { await stream.next() }

        /// The client has left.
        func leave() { stream.abandon() }
    }
}
