internal import Synchronization

/// The first part of a response.
struct CurlHead: Sendable {
    var status = 0
    var headers: [(name: String, value: String)] = []
}

/// What the reader's task and the curl thread share of one call.
///
/// One reader. Waiting is one continuation, resumed by the curl thread without a hop through an actor; what woke it is
/// read from the state again, so a spurious wake-up does no harm.
final class CurlCall: Sendable {
    /// What the reader sees next.
    enum News {
        case nothing
        case bytes([UInt8])
        case end
        case failure(CurlError)
    }

    /// What the curl thread is to do with bytes that arrived.
    enum Admission { case taken, paused, cancelled }

    private struct State {
        var head: CurlHead?
        var buffer: [UInt8] = []
        var isPaused = false
        /// Set before the first byte of the request is handed to the socket.
        var wasSent = false
        var ended: Result<Void, CurlError>?
        var waiter: CheckedContinuation<Void, Never>?
    }

    let request: CurlRequest
    /// Set where it is no HTTP call.
    let mail: CurlMail?
    private let state = Mutex(State())

    init(_ request: CurlRequest, mail: CurlMail? = nil) {
        self.request = request
        self.mail = mail
    }

    var isEnded: Bool { state.withLock { $0.ended != nil } }
    /// Bytes that arrived and were not read.
    var bufferedBytes: Int { state.withLock { $0.buffer.count } }
    var isPaused: Bool { state.withLock { $0.isPaused } }
    var wasSent: Bool { state.withLock { $0.wasSent } }

    // MARK: Reader

    /// The response head; throws if the call failed before it.
    func head() async throws(CurlError) -> CurlHead {
        while true {
            let (head, ended) = state.withLock { s in (s.head, s.ended) }
            // A head that came before the failure is the reader's; the failure follows the body's bytes.
            if let head, !Task.isCancelled { return head }
            if case .failure(let error) = ended { throw error }
            if Task.isCancelled { throw cancelled() }
            // Whatever libcurl takes for an end: to wait for more would be to spin.
            guard ended == nil else {
                throw CurlError(.interrupted, message: "the call ended without a head", requestWasSent: wasSent)
            }
            await news { $0.head != nil }
        }
    }

    /// Everything that arrived since the last call; nil at the end. The flag says that the socket was not being read
    /// and now has to be again.
    func take() async throws(CurlError) -> (bytes: [UInt8]?, mustUnpause: Bool) {
        while true {
            if Task.isCancelled { throw cancelled() }
            let (news, mustUnpause) = state.withLock { s -> (News, Bool) in
                if !s.buffer.isEmpty {
                    var bytes: [UInt8] = []
                    swap(&bytes, &s.buffer)
                    defer { s.isPaused = false }
                    return (.bytes(bytes), s.isPaused)
                }
                switch s.ended {
                case nil: return (.nothing, false)
                case .success: return (.end, false)
                case .failure(let error): return (.failure(error), false)
                }
            }
            switch news {
            case .bytes(let bytes): return (bytes, mustUnpause)
            case .end: return (nil, false)
            case .failure(let error): throw error
            case .nothing: await self.news { !$0.buffer.isEmpty }
            }
        }
    }

    /// Ends the call for the reader. True: the curl thread must be told.
    func cancel() -> Bool {
        fail(CurlError(.cancelled, message: "the call was cancelled", requestWasSent: wasSent))
    }

    private func cancelled() -> CurlError {
        CurlError(.cancelled, message: "the reader's task was cancelled", requestWasSent: wasSent)
    }

    /// Waits until there is something to see, or until the task is cancelled.
    private func news(_ isThere: @Sendable (borrowing State) -> Bool) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // A cancellation before this lock is seen here; one after it finds the waiter.
                let mustWait = state.withLock { s in
                    precondition(s.waiter == nil, "a call has one reader")
                    guard !isThere(s), s.ended == nil, !Task.isCancelled else { return false }
                    s.waiter = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
    }

    private func wake() {
        state.withLock { s in s.waiter.take() }?.resume()
    }

    // MARK: Curl thread

    /// Asked right before the request is sent. False: it must not be, because the call was cancelled in time, or
    /// because it was sent before.
    func admitSending() -> Bool {
        state.withLock { s in
            guard s.ended == nil, !s.wasSent else { return false }
            s.wasSent = true
            return true
        }
    }

    func deliver(_ head: CurlHead) {
        state.withLock { s in
            s.head = head
            return s.waiter.take()
        }?.resume()
    }

    func receive(_ bytes: UnsafeRawBufferPointer) -> Admission {
        let (admission, waiter) = state.withLock { s -> (Admission, CheckedContinuation<Void, Never>?) in
            guard s.ended == nil else { return (.cancelled, nil) }
            guard s.buffer.isEmpty || s.buffer.count + bytes.count <= request.maxBufferedBytes else {
                s.isPaused = true
                return (.paused, nil)
            }
            s.buffer.append(contentsOf: bytes)
            return (.taken, s.waiter.take())
        }
        waiter?.resume()
        return admission
    }

    func finish() {
        state.withLock { s in
            if s.ended == nil { s.ended = .success(()) }
            return s.waiter.take()
        }?.resume()
    }

    /// The first failure stays. True: this was it.
    @discardableResult
    func fail(_ error: CurlError) -> Bool {
        let (isFirst, waiter) = state.withLock { s -> (Bool, CheckedContinuation<Void, Never>?) in
            guard s.ended == nil else { return (false, nil) }
            var error = error
            error.requestWasSent = s.wasSent
            s.ended = .failure(error)
            if error.code == .cancelled { s.buffer = [] }
            return (true, s.waiter.take())
        }
        waiter?.resume()
        return isFirst
    }
}
