internal import Foundation

/// Where a secret stands: `env:NAME` or `file:/path`. Configuration holds references, never secrets.
package struct SecretReference: Hashable, Sendable, CustomStringConvertible {
    private enum Place: Hashable, Sendable {
        case environment(String)
        case file(String)
    }

    /// Why a reference gives no secret. Names the place, never what stands there.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// For the operator.
        package let description: String
    }

    private static let maxBytes = 8 * 1024
    private let place: Place

    /// Parses "env:NAME" or "file:/path". Throws on anything else, above all on a secret written where a reference
    /// belongs; the error does not repeat it.
    package init(_ text: String) throws(Failure) {
        if text.hasPrefix("env:"), text.count > 4 {
            place = .environment(String(text.dropFirst(4)))
        } else if text.hasPrefix("file:/") {
            place = .file(String(text.dropFirst(5)))
        } else {
            throw Failure(description: "A secret is given as env:NAME or file:/path, never itself.")
        }
    }

    /// The reference, which is no secret.
    package var description: String {
        switch place {
        case .environment(let name): "env:\(name)"
        case .file(let path): "file:\(path)"
        }
    }

    /// Reads the secret; a file's surrounding white space is dropped.
    package func resolve(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(Failure) -> Secret {
        let text: String?
        switch place {
        case .environment(let name): text = environment[name]
        case .file(let path):
            text = FileManager.default.contents(atPath: path).flatMap { String(bytes: $0, encoding: .utf8) }
        }
        guard let text else { throw Failure(description: "\(self) is not there, or is not text.") }
        let value = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !value.isEmpty else { throw Failure(description: "\(self) is empty.") }
        guard value.utf8.count <= Self.maxBytes, value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Failure(description: "\(self) is too long, or has characters that no key has.")
        }
        return Secret(value)
    }
}

/// A secret in memory. Printing, logging and reflecting it shows nothing of it.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let value: String
    package init(_ value: String) { self.value = value }
    /// The secret itself: for the wire only.
    package var revealed: String { value }
    /// Shows nothing.
    package var description: String { "[secret]" }
    /// Shows nothing.
    package var debugDescription: String { "[secret]" }
    /// Shows nothing, to `dump` either.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
