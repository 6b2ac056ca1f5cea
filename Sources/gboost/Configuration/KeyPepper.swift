internal import FoundationEssentials

/// The key under which API keys are hashed. Without it the hashes in the database are of no use to a thief, and
/// with another one no key is known any more: every gateway of one database needs the same.
package struct KeyPepper: Sendable {
    /// A secret; printed nowhere.
    package let bytes: [UInt8]

    /// Shorter ones can be guessed.
    static let minBytes = 32

    /// Reads the pepper. The default file is made on first use; a named one never is, since a mistyped path would
    /// quietly make every key unknown.
    package init(_ secrets: GatewayConfiguration.Secrets, environment: [String: String]? = nil)
        throws(ConfigurationError)
    {
        if secrets.isPepperDefault, case .file(let path) = secrets.keyPepper {
            try Self.makeIfMissing(path)
        }
        let text = try Self.text(secrets.keyPepper, environment: environment ?? ProcessInfo.processInfo.environment)
        let trimmed = Array(text.utf8).split { $0 == 0x0a || $0 == 0x0d || $0 == 0x20 }.first ?? []
        guard trimmed.count >= Self.minBytes else {
            throw ConfigurationError(
                field: "secrets.key_pepper", message: "\(secrets.keyPepper) has fewer than \(Self.minBytes) characters")
        }
        bytes = Array(trimmed)
    }

    private static func text(
        _ reference: SecretReference, environment: [String: String]
    ) throws(ConfigurationError) -> String {
        switch reference {
        case .environment(let name):
            if let value = environment[name] { return value }
            throw ConfigurationError(field: "secrets.key_pepper", message: "the variable \(name) is not set")
        case .file(let path):
            if let data = try? Data(contentsOf: URL(filePath: path)), let text = String(data: data, encoding: .utf8) {
                return text
            }
            throw ConfigurationError(field: "secrets.key_pepper", message: "the file \(path) cannot be read")
        }
    }

    /// Written in a private directory and then linked: whoever comes second finds the first one's whole file, and
    /// nobody else can read it at any moment.
    private static func makeIfMissing(_ path: String) throws(ConfigurationError) {
        let files = FileManager.default
        guard !files.fileExists(atPath: path) else { return }
        let parent = URL(filePath: path).deletingLastPathComponent()
        let scratch = parent.appending(path: ".pepper-\(UUID().uuidString)")
        var random = SystemRandomNumberGenerator()
        let digits = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }.map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        do {
            try files.createDirectory(at: parent, withIntermediateDirectories: true)
            try files.createDirectory(
                at: scratch, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            defer { try? files.removeItem(at: scratch) }
            let file = scratch.appending(path: "pepper")
            try Data((digits.joined() + "\n").utf8).write(to: file)
            try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path())
            do {
                try files.linkItem(at: file, to: URL(filePath: path))
            } catch where files.fileExists(atPath: path) {
                return
            }
        } catch {
            throw ConfigurationError(field: "secrets.key_pepper", message: "the file \(path) cannot be made")
        }
    }
}
