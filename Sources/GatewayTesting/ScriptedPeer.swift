internal import Foundation
internal import Glibc
internal import Synchronization

/// An HTTP peer on loopback that does exactly what a script says, byte by byte: what no real server can be made to do.
///
/// The first connection gets the first script, the second the second; further ones get the last again. Every connection
/// has a thread of its own with blocking sockets, so that nothing of it runs on Swift's cooperative pool.
package final class ScriptedPeer: Sendable {
    /// What the peer does next on a connection.
    package enum Step: Hashable, Sendable {
        /// Reads a request, with as much body as its `content-length` says.
        case read
        /// Reads a request's head and leaves its body alone.
        case readHead
        case send(String)
        /// Writes this many bytes as fast as they are taken.
        case flood(Int)
        case pause(milliseconds: Int)
        /// Waits until the test has called `open()` once for this and every earlier gate.
        case gate
        /// Neither reads nor writes until the other side is gone or the peer is stopped.
        case hang
        /// Ends the connection with a reset instead of an orderly close.
        case reset
        /// Goes back to the script's first step, for a kept connection.
        case again
    }

    /// A request as it arrived.
    package struct Request: Hashable, Sendable {
        /// Number of the connection that it came on, from 0.
        package var connection: Int
        /// Request line and header lines, without the blank line.
        package var head: String
        /// Empty where only the head was read.
        package var body: [UInt8]
        /// The value of a header line, in whatever case.
        package func header(_ name: String) -> String? {
            for line in head.split(separator: "\r\n") {
                let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, parts[0].lowercased() == name.lowercased() else { continue }
                return parts[1].trimmingCharacters(in: .whitespaces)
            }
            return nil
        }
    }

    private struct State {
        var scripts: [[Step]]
        var requests: [Request] = []
        var connections = 0
        var open: Set<CInt> = []
        var bytesWritten = 0
        var gatesMet = 0
        var gatesOpened = 0
        var isStopped = false
    }

    private static let maxRequestBytes = 64 * 1024 * 1024
    /// Of 127.0.0.1.
    package let port: UInt16
    private let listener: CInt
    private let state: Mutex<State>

    /// Listens on a port that the system chooses.
    package convenience init(_ scripts: [Step]...) throws { try self.init(all: scripts) }

    /// The same, with the scripts in an array, which must not be empty.
    package init(all scripts: [[Step]]) throws {
        precondition(!scripts.isEmpty, "a peer without a script")
        state = Mutex(State(scripts: scripts))
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(listener, generic, length) == 0 && listen(listener, 1024) == 0
                    && getsockname(listener, generic, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard isBound else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// "http://127.0.0.1:PORT"
    package var url: String { "http://127.0.0.1:\(port)" }
    /// Requests read so far, in the order of arrival.
    package var requests: [Request] { state.withLock { $0.requests } }
    /// Connections accepted so far.
    package var connections: Int { state.withLock { $0.connections } }
    /// Connections that neither side has closed.
    package var openConnections: Int { state.withLock { $0.open.count } }
    /// Response bytes that the kernel has taken.
    package var bytesWritten: Int { state.withLock { $0.bytesWritten } }

    /// Lets the peer pass one gate.
    package func open() { state.withLock { $0.gatesOpened += 1 } }

    /// Closes every connection and the port.
    package func stop() {
        state.withLock { s in
            // Once: after it the listener's number may be another socket's.
            guard !s.isStopped else { return }
            s.isStopped = true
            shutdown(listener, CInt(SHUT_RDWR))
            for descriptor in s.open { shutdown(descriptor, CInt(SHUT_RDWR)) }
        }
    }

    /// Waits until `isThere` holds; false after a minute.
    package func wait(until isThere: @Sendable (ScriptedPeer) -> Bool) async -> Bool {
        for _ in 0..<30_000 {
            if isThere(self) { return true }
            try? await Task.sleep(for: .milliseconds(2))
        }
        return false
    }

    // MARK: Threads

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else {
                // Out of descriptors for the moment, or stopped.
                if state.withLock({ $0.isStopped }) { break }
                usleep(1000)
                continue
            }
            var one: CInt = 1
            unsafe setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
            let (number, script, isStopped) = state.withLock { s in
                defer { s.connections += 1 }
                s.open.insert(descriptor)
                return (s.connections, s.scripts[min(s.connections, s.scripts.count - 1)], s.isStopped)
            }
            if isStopped { shutdown(descriptor, CInt(SHUT_RDWR)) }
            Thread.detachNewThread { [self] in
                play(script, on: descriptor, number)
                // Under the lock, so that `stop` never meets a number that is in use again.
                state.withLock { s in
                    s.open.remove(descriptor)
                    close(descriptor)
                }
            }
        }
        close(listener)
    }

    private func play(_ script: [Step], on descriptor: CInt, _ number: Int) {
        var rest: [UInt8] = []
        var index = 0
        while index < script.count, !state.withLock({ $0.isStopped }) {
            let step = script[index]
            index += 1
            switch step {
            case .read, .readHead:
                guard let request = readRequest(descriptor, &rest, number, withBody: step == .read) else { return }
                state.withLock { $0.requests.append(request) }
            case .send(let text): guard write(Array(text.utf8), descriptor) else { return }
            case .flood(let count): guard flood(count, descriptor) else { return }
            case .pause(let milliseconds): usleep(UInt32(milliseconds) * 1000)
            case .gate: waitAtGate()
            case .hang: hang(descriptor)
            case .reset:
                var linger = linger(l_onoff: 1, l_linger: 0)
                unsafe setsockopt(
                    descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
                return
            case .again: index = 0
            }
        }
    }

    private func readRequest(_ descriptor: CInt, _ rest: inout [UInt8], _ number: Int, withBody: Bool) -> Request? {
        let blank = Array("\r\n\r\n".utf8)
        var end = rest.firstRange(of: blank)
        while end == nil {
            guard readMore(descriptor, &rest) else { return nil }
            end = rest.firstRange(of: blank)
        }
        guard let end else { return nil }
        var request = Request(
            connection: number, head: String(decoding: rest[..<end.lowerBound], as: UTF8.self), body: [])
        rest.removeSubrange(..<end.upperBound)
        let length = withBody ? request.header("content-length").flatMap { Int($0) } ?? 0 : 0
        while rest.count < length { guard readMore(descriptor, &rest) else { return nil } }
        request.body = Array(rest.prefix(length))
        rest.removeSubrange(..<length)
        return request
    }

    private func readMore(_ descriptor: CInt, _ bytes: inout [UInt8]) -> Bool {
        guard bytes.count < Self.maxRequestBytes else { return false }
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        var count: Int
        repeat {
            count = unsafe piece.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        } while count < 0 && errno == EINTR
        guard count > 0 else { return false }
        bytes.append(contentsOf: piece[..<count])
        return true
    }

    private func write(_ bytes: [UInt8], _ descriptor: CInt) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
            state.withLock { $0.bytesWritten += count }
        }
        return true
    }

    private func flood(_ count: Int, _ descriptor: CInt) -> Bool {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 64 * 1024)
        var left = count
        while left > 0 {
            guard write(Array(piece.prefix(left)), descriptor) else { return false }
            left -= min(left, piece.count)
        }
        return true
    }

    private func waitAtGate() {
        let number = state.withLock { s in
            s.gatesMet += 1
            return s.gatesMet
        }
        while state.withLock({ $0.gatesOpened < number && !$0.isStopped }) { usleep(500) }
    }

    private func hang(_ descriptor: CInt) {
        // Asking only for hang-ups: bytes that arrive stay in the kernel.
        var watched = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: 0x2000), revents: 0)
        while true {
            let count = unsafe poll(&watched, 1, -1)
            if count > 0 || count < 0 && errno != EINTR { return }
        }
    }
}

extension [UInt8] {
    fileprivate func firstRange(of pattern: [UInt8]) -> Range<Int>? {
        guard !pattern.isEmpty, count >= pattern.count else { return nil }
        for start in 0...(count - pattern.count)
        where self[start] == pattern[0] && self[start..<start + pattern.count].elementsEqual(pattern) {
            return start..<start + pattern.count
        }
        return nil
    }
}
