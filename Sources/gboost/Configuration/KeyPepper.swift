internal import Foundation
internal import GatewayCore
internal import Providers

/// The key under which API keys are hashed. Without it the hashes in the database are of no use to a thief, and
/// with another one no key is known any more: every gateway of one database needs the same.
package struct KeyPepper: Sendable {
    /// A secret; printed nowhere.
    package let bytes: [UInt8]

    /// Shorter ones can be guessed.
    static let minBytes = 32

    /// Reads the pepper. The default file is made on first use; a named one never is, since a mistyped path would
    /// quietly make every key unknown.
    package init(
        _ secrets: GatewayConfiguration.Secrets, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) {
        let text: String
        do {
            if secrets.keyPepper == nil { try Self.makeIfMissing(secrets.pepperPath) }
            let reference = try secrets.keyPepper ?? SecretReference("file:\(secrets.pepperPath)")
            text = try reference.resolve(environment: environment).revealed
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError(field: "secrets.key_pepper", message: "\(error)")
        }
        guard text.utf8.count >= Self.minBytes else {
            throw ConfigurationError(
                field: "secrets.key_pepper", message: "has fewer than \(Self.minBytes) characters")
        }
        bytes = Array(text.utf8)
    }

    /// Written in a private directory and then linked: whoever comes second finds the first one's whole file, and
    /// nobody else can read it at any moment.
    private static func makeIfMissing(_ path: String) throws(ConfigurationError) {
        let files = FileManager.default
        guard !files.fileExists(atPath: path) else { return }
        let parent = URL(filePath: path).deletingLastPathComponent()
        let scratch = parent.appending(path: ".pepper-\(UUID().uuidString)")
        var random = SystemRandomNumberGenerator()
        let digits = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }.hexadecimal
        do {
            try files.createDirectory(at: parent, withIntermediateDirectories: true)
            try files.createDirectory(
                at: scratch, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            defer { try? files.removeItem(at: scratch) }
            let file = scratch.appending(path: "pepper")
            try Data((digits + "\n").utf8).write(to: file)
            try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path())
            do {
                try files.linkItem(at: file, to: URL(filePath: path))
            } catch  where files.fileExists(atPath: path) {
                return
            }
        } catch {
            throw ConfigurationError(field: "secrets.key_pepper", message: "the file \(path) cannot be made")
        }
    }
}
