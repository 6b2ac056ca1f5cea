internal import FoundationEssentials
package import Logging
internal import NIOCore
package import NIOSSL
internal import Synchronization

/// A certificate and its key, as PEM files that may be replaced while the gateway runs.
///
/// Whoever renews certificates writes new files and tells nobody: they are looked at again, at a handshake and seldom,
/// and taken where they are whole and belong together. Half of a renewal is passed over until the other half is there.
package final class TLSFiles: Sendable {
    /// One of the two files is not what it should be.
    package enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        case certificate(String)
        case key(String)

        /// For the log.
        package var description: String {
            switch self {
            case .certificate(let reason): "the certificate \(reason)"
            case .key(let reason): "the key \(reason)"
            }
        }
    }
    /// What tells one version of a file from another.
    private struct Stamp: Hashable {
        var modified: Date?
        var inode: UInt64?
        var size: UInt64?
    }
    private struct Pair: Sendable {
        var chain: [NIOSSLCertificateSource]
        var key: NIOSSLPrivateKey
    }
    private struct State: Sendable {
        var loaded: Pair
        var stamps: [Stamp]
        var checked = ContinuousClock.now
    }
    /// How seldom the files are looked at.
    private static let checkInterval: Duration = .seconds(1)

    private let certificate: String
    private let key: String
    private let logger: Logger
    private let state: Mutex<State>

    /// Reads both; throws `Problem`.
    package init(certificate: String, key: String, logger: Logger) throws(Problem) {
        (self.certificate, self.key, self.logger) = (certificate, key, logger)
        // Before they are read: what is written in between is then read again.
        let stamps = [Self.stamp(certificate), Self.stamp(key)]
        state = Mutex(State(loaded: try Self.load(certificate, key), stamps: stamps))
    }

    /// For a server that speaks HTTP/2 and HTTP/1.1, from TLS 1.2 on.
    package var configuration: TLSConfiguration {
        let loaded = state.withLock(\.loaded)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: loaded.chain, privateKey: .privateKey(loaded.key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.sslContextCallback = { [self] _, promise in
            let loaded = current()
            var override = NIOSSLContextConfigurationOverride()
            override.certificateChain = loaded.chain
            override.privateKey = .privateKey(loaded.key)
            promise.succeed(override)
        }
        return configuration
    }

    /// What a handshake is to use now. A reload is for later ones: it is no work for an event loop, and what fails in
    /// it would be taken for an error of the handshake that it happens in.
    private func current() -> Pair {
        let (loaded, isDue) = state.withLock { state in
            let now = ContinuousClock.now
            guard now - state.checked >= Self.checkInterval else { return (state.loaded, false) }
            state.checked = now
            return (state.loaded, true)
        }
        if isDue { Task { reload() } }
        return loaded
    }

    private func reload() {
        let stamps = [Self.stamp(certificate), Self.stamp(key)]
        guard stamps != state.withLock(\.stamps) else { return }
        do {
            let loaded = try Self.load(certificate, key)
            state.withLock { ($0.loaded, $0.stamps) = (loaded, stamps) }
            logger.notice("the certificate was read again", metadata: ["file": "\(certificate)"])
        } catch {
            logger.warning("the certificate that was read last stays in use", metadata: ["reason": "\(error)"])
        }
    }

    private static func load(_ certificate: String, _ key: String) throws(Problem) -> Pair {
        let chain: [NIOSSLCertificateSource]
        do { chain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) } } catch {
            throw .certificate("is not a PEM file that can be read")
        }
        guard !chain.isEmpty else { throw .certificate("holds no certificate") }
        do {
            let key = try NIOSSLPrivateKey(file: key, format: .pem)
            _ = try NIOSSLContext(
                configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
            return Pair(chain: chain, key: key)
        } catch {
            throw .key("is not a PEM file that can be read, or not the key of the certificate")
        }
    }

    private static func stamp(_ path: String) -> Stamp {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return Stamp(
            modified: attributes?[.modificationDate] as? Date,
            inode: (attributes?[.systemFileNumber] as? any BinaryInteger).map { UInt64(clamping: $0) },
            size: (attributes?[.size] as? any BinaryInteger).map { UInt64(clamping: $0) })
    }
}
