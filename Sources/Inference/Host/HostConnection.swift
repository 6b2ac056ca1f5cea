internal import Foundation
internal import GatewayCore
internal import Glibc

/// One gateway's connection to an engine host: a thread that reads requests and one that writes answers, so that
/// neither a slow reader nor a heartbeat ever waits for the engine, or the engine for them.
final class HostConnection: @unchecked Sendable {
    /// Answers that may wait to be written, in bytes; a gateway that reads none of it is cut off.
    static let maxOutboxBytes = 64 << 20

    private let descriptor: CInt
    private let number: UInt64
    private let inbox: EngineInbox
    private let condition = NSCondition()
    // Guarded by `condition`.
    private var outbox: [Data] = []
    private var outboxBytes = 0
    private var isClosed = false

    init(descriptor: CInt, number: UInt64, inbox: EngineInbox) {
        self.descriptor = descriptor
        self.number = number
        self.inbox = inbox
    }

    func start() {
        let reader = Thread { self.read() }
        reader.name = "host-read"
        let writer = Thread { self.write() }
        writer.name = "host-write"
        reader.start()
        writer.start()
    }

    // MARK: - Reading

    private func read() {
        var decoder = HostFrameDecoder()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        reading: while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            decoder.append(Data(buffer[..<count]))
            do {
                while let frame = try decoder.next() { try handle(frame) }
            } catch {
                break reading
            }
        }
        close()
    }

    private func handle(_ frame: HostFrame) throws {
        let request = try JSONDecoder().decode(HostRequest.self, from: frame.header)
        switch request.operation {
        case .ping: send(request.id, .pong(inbox.status))
        case .info: send(request.id, inbox.info.map { .info($0) } ?? .failed(.overloaded(seconds: 1)))
        case .cancel(let id): inbox.cancel(JobKey(connection: number, request: id))
        case .end(let session): inbox.end(session: session)
        case .draft, .score, .hiddenStates, .read:
            let job = EngineJob(
                key: JobKey(connection: number, request: request.id), operation: request.operation,
                scope: request.scope,
                reply: { [weak self] body, hidden in self?.send(request.id, body, hidden) })
            if !inbox.submit(job) { send(request.id, .failed(.overloaded(seconds: 1))) }
        }
    }

    // MARK: - Writing

    private func send(_ id: UInt64, _ body: HostReply.Body, _ hidden: [Float] = []) {
        guard let header = try? JSONEncoder().encode(HostReply(id: id, body: body)),
            let bytes = HostFrame(header: header, binary: Data(floats: hidden)).encoded
        else { return close() }
        condition.lock()
        outbox.append(bytes)
        outboxBytes += bytes.count
        let isTooMuch = outboxBytes > Self.maxOutboxBytes
        condition.signal()
        condition.unlock()
        if isTooMuch { close() }
    }

    private func write() {
        while let bytes = nextOutgoing() {
            let isWritten = bytes.withUnsafeBytes { raw in
                var offset = 0
                while offset < raw.count {
                    let count = Glibc.write(descriptor, raw.baseAddress?.advanced(by: offset), raw.count - offset)
                    if count < 0, errno == EINTR { continue }
                    if count <= 0 { return false }
                    offset += count
                }
                return true
            }
            if !isWritten { break }
        }
        close()
        Glibc.close(descriptor)
    }

    private func nextOutgoing() -> Data? {
        condition.lock()
        defer { condition.unlock() }
        while outbox.isEmpty, !isClosed { condition.wait() }
        guard !isClosed else { return nil }
        let bytes = outbox.removeFirst()
        outboxBytes -= bytes.count
        return bytes
    }

    /// Ends both threads; all requests of the connection are cancelled.
    private func close() {
        condition.lock()
        let isFirst = !isClosed
        isClosed = true
        condition.signal()
        condition.unlock()
        guard isFirst else { return }
        shutdown(descriptor, CInt(SHUT_RDWR))
        inbox.close(connection: number)
    }
}
