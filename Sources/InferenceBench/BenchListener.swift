internal import Foundation
internal import Glibc

/// What a benchmark's server needs of HTTP, and no more: one request a connection, on a thread of its own, so that the
/// measured time is the engine's.
final class BenchListener: Sendable {
    /// No client of the benchmark opens more at a time.
    private static let backlog: Int32 = 256

    let port: Int
    private let descriptor: Int32

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && listen(descriptor, Self.backlog) == 0
                    && getsockname(descriptor, address, &length) == 0
            }
        }
        guard isListening else { throw CocoaError(.fileReadUnknown) }
        self.descriptor = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
        signal(SIGPIPE, SIG_IGN)
    }

    func start(_ body: @escaping @Sendable (BenchConnection) -> Void) {
        let descriptor = descriptor
        Thread.detachNewThread {
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0 else { continue }
                Thread.detachNewThread { body(BenchConnection(descriptor: client)) }
            }
        }
    }

    func waitForEndOfInput() async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            Thread.detachNewThread {
                var byte: UInt8 = 0
                while read(STDIN_FILENO, &byte, 1) > 0 {}
                done.resume()
            }
        }
    }
}

/// One client's connection.
final class BenchConnection: Sendable {
    private static let maxRequestBytes = 1 << 20

    private let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The request's body; nil where there is none that can be read.
    func request() -> BenchRequest? {
        var bytes = Data()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < Self.maxRequestBytes {
            if let end = bytes.firstRange(of: Data("\r\n\r\n".utf8)) {
                let header = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).lowercased()
                let length = header.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                    .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) }
                let body = bytes[end.upperBound...]
                if let length, body.count >= length { return try? JSONDecoder().decode(BenchRequest.self, from: body) }
            }
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return nil }
            bytes.append(contentsOf: buffer[..<count])
        }
        return nil
    }

    func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    func close() { _ = Glibc.close(descriptor) }
}
