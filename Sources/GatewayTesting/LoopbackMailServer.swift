internal import Foundation
internal import Glibc
internal import Synchronization

/// A mail server on loopback: as much of SMTP as a client needs to hand a mail over, replies that a test chooses, and a
/// memory. One thread a connection, blocking, apart from Swift's cooperative pool.
package final class LoopbackMailServer: Sendable {
    /// A mail as it arrived.
    package struct Mail: Hashable, Sendable {
        package var from: String
        package var to: [String]
        /// With the dots that SMTP doubles single again; lines end with CR LF.
        package var text: String
    }

    private struct State {
        var mails: [Mail] = []
        var commands: [String] = []
        var replies: [String: [String]] = [:]
        var extensions: [String] = []
        var open: Set<CInt> = []
        var isStopped = false
    }

    private static let maxLineBytes = 4096
    private static let maxMailBytes = 4 << 20
    /// Of 127.0.0.1.
    package let port: UInt16
    private let listener: CInt
    private let state = Mutex(State())

    /// - Parameter extensions: what the greeting offers, such as "AUTH PLAIN".
    package init(extensions: [String] = []) throws {
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(listener, generic, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, generic, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard isBound else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        state.withLock { $0.extensions = extensions }
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// "smtp://127.0.0.1:PORT"
    package var url: String { "smtp://127.0.0.1:\(port)" }
    /// Mails that were taken on, in the order of arrival.
    package var mails: [Mail] { state.withLock { $0.mails } }
    /// Command lines, in the order of arrival.
    package var commands: [String] { state.withLock { $0.commands } }

    /// Answers the next command of this verb ("MAIL", "RCPT", "DATA", "." for the end of a mail, "AUTH") otherwise.
    package func reply(_ text: String, to verb: String) {
        state.withLock { $0.replies[verb, default: []].append(text) }
    }

    /// Closes every connection and the port.
    package func stop() {
        state.withLock { s in
            guard !s.isStopped else { return }
            s.isStopped = true
            shutdown(listener, CInt(SHUT_RDWR))
            for descriptor in s.open { shutdown(descriptor, CInt(SHUT_RDWR)) }
        }
    }

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else {
                if state.withLock({ $0.isStopped }) { break }
                usleep(1000)
                continue
            }
            let isStopped = state.withLock { s in
                s.open.insert(descriptor)
                return s.isStopped
            }
            if isStopped { shutdown(descriptor, CInt(SHUT_RDWR)) }
            Thread.detachNewThread { [self] in
                converse(on: descriptor)
                state.withLock { s in
                    s.open.remove(descriptor)
                    close(descriptor)
                }
            }
        }
        close(listener)
    }

    private func converse(on descriptor: CInt) {
        var rest: [UInt8] = []
        var mail = Mail(from: "", to: [], text: "")
        guard say("220 loopback", descriptor) else { return }
        while let line = readLine(descriptor, &rest) {
            let verb = line.prefix { $0.isLetter }.uppercased()
            let (planned, extensions) = state.withLock { s -> (String?, [String]) in
                s.commands.append(line)
                return (Self.next(verb, &s.replies), s.extensions)
            }
            if let planned {
                guard say(planned, descriptor) else { return }
                continue
            }
            switch verb {
            case "EHLO":
                let lines = ["loopback"] + extensions
                let text = lines.enumerated().map { "250\($0.offset == lines.count - 1 ? " " : "-")\($0.element)" }
                guard say(text.joined(separator: "\r\n"), descriptor) else { return }
            case "AUTH": guard say("235 welcome", descriptor) else { return }
            case "MAIL":
                mail = Mail(from: Self.address(line), to: [], text: "")
                guard say("250 so far so good", descriptor) else { return }
            case "RCPT":
                mail.to.append(Self.address(line))
                guard say("250 known here", descriptor) else { return }
            case "DATA":
                guard say("354 go on", descriptor), let text = readText(descriptor, &rest) else { return }
                mail.text = text
                let refusal = state.withLock { s -> String? in
                    let planned = Self.next(".", &s.replies)
                    if planned == nil { s.mails.append(mail) }
                    return planned
                }
                guard say(refusal ?? "250 taken on", descriptor) else { return }
            case "QUIT":
                _ = say("221 bye", descriptor)
                return
            default: guard say("502 not here", descriptor) else { return }
            }
        }
    }

    private static func next(_ verb: String, _ replies: inout [String: [String]]) -> String? {
        guard let first = replies[verb]?.first else { return nil }
        replies[verb]?.removeFirst()
        return first
    }

    /// Between the angle brackets.
    private static func address(_ line: String) -> String {
        String(line.drop { $0 != "<" }.dropFirst().prefix { $0 != ">" })
    }

    private func readText(_ descriptor: CInt, _ rest: inout [UInt8]) -> String? {
        var text = ""
        while let line = readLine(descriptor, &rest) {
            if line == "." { return text }
            text += (line.hasPrefix(".") ? String(line.dropFirst()) : line) + "\r\n"
            guard text.utf8.count < Self.maxMailBytes else { return nil }
        }
        return nil
    }

    private func readLine(_ descriptor: CInt, _ rest: inout [UInt8]) -> String? {
        while true {
            if let end = rest.firstRange(of: [0x0D, 0x0A]) {
                let line = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
                rest.removeSubrange(..<end.upperBound)
                return line
            }
            guard rest.count < Self.maxLineBytes + Self.maxMailBytes else { return nil }
            var piece = [UInt8](repeating: 0, count: 16 * 1024)
            let count = unsafe piece.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { return nil }
            rest += piece[..<count]
        }
    }

    private func say(_ text: String, _ descriptor: CInt) -> Bool {
        let bytes = Array((text + "\r\n").utf8)
        return unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
        } == bytes.count
    }
}
