internal import CLinux
internal import Foundation
internal import GatewayCore
internal import Glibc
internal import ThreadExecutor

/// One connection to an engine host: many requests at a time, told apart by their number.
///
/// Runs on the thread that waits for all hosts' sockets, so that nothing here blocks Swift's own threads.
actor EngineClient {
    /// What came back for one request.
    struct Answer: Sendable {
        var body: HostReply.Body
        var floats: [Float]
    }

    private struct Pending {
        var continuation: CheckedContinuation<Answer, any Error>
        var onText: (@Sendable (String) -> Void)?
    }

    /// Requests that may be under way on one connection.
    static let maxPending = 1024

    nonisolated let loop: EngineLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }

    /// Two descriptors of one socket, because each may have one waiter.
    private var reading: CInt = -1
    private var writing: CInt = -1
    private var pending: [UInt64: Pending] = [:]
    private var cancelledEarly: Set<UInt64> = []
    private var nextID: UInt64 = 0
    private var outbox = Data()
    private var isWriting = false
    private(set) var isClosed = false

    init(loop: EngineLoop) { self.loop = loop }

    /// Connects; false while nobody listens there yet.
    func connect(path: String) -> Bool {
        guard let descriptor = UnixSocket.connect(path: path) else { return false }
        reading = descriptor
        writing = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        Task { await self.readAll() }
        return true
    }

    /// Sends a request and waits for its answer. Cancelling the task cancels the request in the host as well.
    ///
    /// - Parameter onText: gets the text of a streamed draft, piece by piece; must not block.
    func call(
        _ operation: HostRequest.Operation, scope: EngineScope = EngineScope(),
        onText: (@Sendable (String) -> Void)? = nil
    ) async throws -> Answer {
        nextID += 1
        let request = HostRequest(id: nextID, operation: operation, scope: scope)
        let id = request.id
        let answer = try await withTaskCancellationHandler {
            try await self.exchange(request, onText)
        } onCancel: {
            Task { await self.cancel(id) }
        }
        if case .failed(let failure) = answer.body { throw failure.error }
        return answer
    }

    /// Sends a request that has no answer.
    func tell(_ operation: HostRequest.Operation) {
        guard !isClosed else { return }
        enqueue(HostRequest(id: 0, operation: operation))
    }

    /// Ends the connection; requests under way are interrupted.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        for descriptor in [reading, writing] where descriptor >= 0 {
            loop.wait.forget(descriptor)
            Glibc.close(descriptor)
        }
        let waiting = pending
        pending = [:]
        for entry in waiting.values { entry.continuation.resume(throwing: LocalModelError.interrupted) }
    }

    private func exchange(_ request: HostRequest, _ onText: (@Sendable (String) -> Void)?) async throws -> Answer {
        if cancelledEarly.remove(request.id) != nil { throw CancellationError() }
        guard !isClosed else { throw LocalModelError.interrupted }
        guard pending.count < Self.maxPending else { throw LocalModelError.overloaded(retryAfterSeconds: 1) }
        return try await withCheckedThrowingContinuation { continuation in
            pending[request.id] = Pending(continuation: continuation, onText: onText)
            enqueue(request)
        }
    }

    private func cancel(_ id: UInt64) {
        guard let entry = pending.removeValue(forKey: id) else {
            // Either answered already, or not sent yet.
            if id == nextID { cancelledEarly = [id] }
            return
        }
        entry.continuation.resume(throwing: CancellationError())
        tell(.cancel(id: id))
    }

    // MARK: - Socket

    private func enqueue(_ request: HostRequest) {
        let header = try? JSONEncoder().encode(request)
        guard let header, let bytes = HostFrame(header: header).encoded else {
            let problem = header == nil ? "has a number that is not finite" : "is too large for the engine"
            pending.removeValue(forKey: request.id)?.continuation
                .resume(throwing: LocalModelError.invalid("the request \(problem)"))
            return
        }
        outbox.append(bytes)
        guard !isWriting else { return }
        isWriting = true
        Task { await self.writeAll() }
    }

    private func writeAll() async {
        defer { isWriting = false }
        while !outbox.isEmpty, !isClosed {
            let count = outbox.withUnsafeBytes { send(writing, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            if count > 0 {
                outbox = Data(outbox.dropFirst(count))
            } else if errno == EAGAIN {
                do { try await ready(writing, .write) } catch { return close() }
            } else if errno != EINTR {
                return close()
            }
        }
    }

    private func readAll() async {
        var decoder = HostFrameDecoder()
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while !isClosed {
            let count = recv(reading, &buffer, buffer.count, 0)
            if count > 0 {
                decoder.append(Data(buffer[..<count]))
                do {
                    while let frame = try decoder.next() { try receive(frame) }
                } catch {
                    return close()
                }
            } else if count < 0, errno == EAGAIN {
                do { try await ready(reading, .read) } catch { return close() }
            } else if count == 0 || errno != EINTR {
                return close()
            }
        }
    }

    private func ready(_ descriptor: CInt, _ interest: EpollWait.Interest) async throws {
        _ = try await withCheckedThrowingContinuation { loop.wait.park(descriptor, for: interest, $0) }
    }

    private func receive(_ frame: HostFrame) throws {
        let reply = try JSONDecoder().decode(HostReply.self, from: frame.header)
        if case .text(let text) = reply.body {
            pending[reply.id]?.onText?(text)
            return
        }
        // A request that was cancelled meanwhile has nobody waiting.
        pending.removeValue(forKey: reply.id)?.continuation
            .resume(returning: Answer(body: reply.body, floats: frame.binary.floats))
    }
}

/// The one thread on which connections to hosts and the hosts' processes are waited for. It outlives all of them:
/// hosts die with the thread that started them, which is why no passing thread may start one.
package final class EngineLoop: Sendable {
    let wait: EpollWait
    let executor: ThreadExecutor

    package init() {
        wait = EpollWait()
        executor = ThreadExecutor(name: "engine-hosts", wait: wait)
    }

    deinit { executor.stop() }
}
