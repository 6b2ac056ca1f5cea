internal import Foundation
internal import Glibc
internal import Synchronization

/// A wire between a client and a PostgreSQL server that breaks at exactly the message that a test names: what no real
/// network does twice in the same place.
///
/// It listens on loopback, passes whole protocol messages on to the server's Unix socket and back, and counts them.
/// Every connection has two threads of its own with blocking sockets, so that nothing of it runs on Swift's
/// cooperative pool. Clients must not ask for TLS (`sslmode=disable`).
package final class FaultyWire: Sendable {
    /// Which way a message goes.
    package enum Direction: String, Hashable, Sendable, CaseIterable {
        /// Lost before the server has it.
        case toServer
        /// Lost when the server has done all that it was asked: its answers leave it after the commit.
        case toClient
    }

    private struct State {
        var counts: [Direction: Int] = [:]
        var cut: (direction: Direction, number: Int, staysDown: Bool)?
        var hasCut = false
        var isDown = false
        var isStopped = false
        var open: [Int: (client: CInt, server: CInt, users: Int)] = [:]
        var next = 0
    }

    private static let maxMessageBytes = 64 * 1024 * 1024
    /// Of 127.0.0.1.
    package let port: UInt16
    private let path: String
    private let listener: CInt
    private let state = Mutex(State())

    /// Listens on a port that the system chooses.
    /// - Parameter path: the server's socket: DIRECTORY/.s.PGSQL.PORT
    package init(server path: String) throws {
        self.path = path
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(listener, generic, length) == 0 && listen(listener, 128) == 0
                    && getsockname(listener, generic, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard isBound else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// Counts from 0 again, and breaks the connection instead of passing on message `number` (from 0, all connections
    /// counted together).
    /// - Parameter staysDown: refuses further connections until `restore()`.
    package func arm(_ direction: Direction, at number: Int, staysDown: Bool = false) {
        state.withLock { state in
            state.counts = [:]
            state.cut = (direction, number, staysDown)
            state.hasCut = false
        }
    }

    /// Breaks nothing any more, and takes connections again.
    package func restore() {
        state.withLock { state in
            state.cut = nil
            state.isDown = false
        }
    }

    /// Breaks all connections and takes none until `restore()`.
    package func breakAll() {
        state.withLock { state in
            state.isDown = true
            for wire in state.open.values { Self.shut(wire.client, wire.server) }
        }
    }

    /// Whether the wire has broken since it was armed.
    package var hasCut: Bool { state.withLock { $0.hasCut } }

    /// Closes every connection and the port.
    package func stop() {
        state.withLock { state in
            guard !state.isStopped else { return }
            state.isStopped = true
            shutdown(listener, CInt(SHUT_RDWR))
            for wire in state.open.values { Self.shut(wire.client, wire.server) }
        }
    }

    private static func shut(_ client: CInt, _ server: CInt) {
        for descriptor in [client, server] { shutdown(descriptor, CInt(SHUT_RDWR)) }
    }

    // MARK: Threads

    private func acceptAll() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else {
                if state.withLock({ $0.isStopped }) { break }
                usleep(1000)
                continue
            }
            guard !state.withLock({ $0.isDown || $0.isStopped }), let server = connect() else {
                close(client)
                continue
            }
            var one: CInt = 1
            unsafe setsockopt(client, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
            let number = state.withLock { state in
                state.next += 1
                state.open[state.next] = (client, server, 2)
                return state.next
            }
            for direction in Direction.allCases {
                Thread.detachNewThread { [self] in
                    pump(direction, client, server)
                    Self.shut(client, server)
                    leave(number)
                }
            }
        }
        close(listener)
    }

    /// The second of a connection's threads closes it.
    private func leave(_ number: Int) {
        state.withLock { state in
            guard let wire = state.open[number] else { return }
            guard wire.users == 1 else {
                state.open[number]?.users -= 1
                return
            }
            state.open[number] = nil
            close(wire.client)
            close(wire.server)
        }
    }

    private func connect() -> CInt? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8) + [0]
        let isPlaced = unsafe withUnsafeMutableBytes(of: &address.sun_path) { space in
            guard bytes.count <= space.count else { return false }
            unsafe space.copyBytes(from: bytes)
            return true
        }
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        let isConnected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe Glibc.connect(descriptor, generic, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isPlaced, isConnected else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private func pump(_ direction: Direction, _ client: CInt, _ server: CInt) {
        let (from, to) = direction == .toServer ? (client, server) : (server, client)
        // A client's first message has no letter in front of its length.
        var hasLetter = direction == .toClient
        var bytes: [UInt8] = []
        while Self.read(from, &bytes) {
            while let length = Self.message(bytes, hasLetter: hasLetter), bytes.count >= length {
                guard passes(direction, client, server), Self.write(bytes[..<length], to) else { return }
                hasLetter = true
                bytes.removeSubrange(..<length)
            }
            guard bytes.count < Self.maxMessageBytes else { return }
        }
    }

    /// Counts a message. False: the wire breaks here.
    private func passes(_ direction: Direction, _ client: CInt, _ server: CInt) -> Bool {
        state.withLock { state in
            let number = state.counts[direction, default: 0]
            state.counts[direction] = number + 1
            guard let cut = state.cut, cut.direction == direction, cut.number == number else { return true }
            state.cut = nil
            state.hasCut = true
            if cut.staysDown { state.isDown = true }
            Self.shut(client, server)
            return false
        }
    }

    /// The length of the message that the bytes begin with; nil: not known yet.
    private static func message(_ bytes: [UInt8], hasLetter: Bool) -> Int? {
        let start = hasLetter ? 1 : 0
        guard bytes.count >= start + 4 else { return nil }
        return start + bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    }

    private static func read(_ descriptor: CInt, _ bytes: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        var count: Int
        repeat {
            count = unsafe piece.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        } while count < 0 && errno == EINTR
        guard count > 0 else { return false }
        bytes.append(contentsOf: piece[..<count])
        return true
    }

    private static func write(_ bytes: ArraySlice<UInt8>, _ descriptor: CInt) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
