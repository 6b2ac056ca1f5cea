internal import Foundation

/// Where a secret stands: `env:NAME` or `file:/path`. Configuration holds references, never secrets.
package struct SecretReference: Hashable, Sendable, CustomStringConvertible {
    private enum Place: Hashable, Sendable {
        case environment(String)
        case file(String)
    }

    /// Why a reference gives no secret. Names the place, never what stands there.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// Each is mended in another way.
        package enum Flaw: Hashable, Sendable {
            case missing, forbidden, notText
            /// There is text, which is no secret; or the reference is none.
            case unusable
        }
        package let flaw: Flaw
        /// For the operator.
        package let description: String
        fileprivate init(_ flaw: Flaw, _ description: String) {
            self.flaw = flaw
            self.description = description
        }
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
            throw Failure(.unusable, "A secret is given as env:NAME or file:/path, never itself.")
        }
    }

    /// The reference, which is no secret.
    package var description: String {
        switch place {
        case .environment(let name): "env:\(name)"
        case .file(let path): "file:\(path)"
        }
    }

    /// The file that the secret stands in; nil: it is a variable of the environment.
    package var file: String? {
        switch place {
        case .environment: nil
        case .file(let path): path
        }
    }

    /// Reads the secret; a file's surrounding white space is dropped.
    package func resolve(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(Failure) -> Secret {
        let text: String
        switch place {
        case .environment(let name):
            guard let found = environment[name] else { throw Failure(.missing, "\(self) is not there.") }
            text = found
        case .file(let path): text = try read(path)
        }
        let value = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !value.isEmpty else { throw Failure(.unusable, "\(self) is empty.") }
        guard value.utf8.count <= Self.maxBytes, value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Failure(.unusable, "\(self) is too long, or has characters that no key has.")
        }
        return Secret(value)
    }

    private func read(_ path: String) throws(Failure) -> String {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            guard FileManager.default.fileExists(atPath: path) else { throw Failure(.missing, "\(self) is not there.") }
            throw Failure(.forbidden, "\(self) may not be read by this user.")
        }
        guard let text = String(bytes: bytes, encoding: .utf8) else {
            throw Failure(.notText, "\(self) is not text.")
        }
        return text
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
