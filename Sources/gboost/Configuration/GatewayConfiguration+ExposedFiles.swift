internal import Foundation
internal import Logging
internal import Providers

extension GatewayConfiguration {
    /// A secret's file that everybody on the machine may read.
    struct ExposedFile: Hashable, Sendable {
        /// The key of the configuration that names it.
        var field: String
        var path: String
        var message: String { "\(path) can be read by everybody on this machine" }
        var remedy: String { "chmod o-rwx \(path)" }
    }

    /// Those among the files that a gateway reads: the pepper, the keys that the configuration names, and that of TLS.
    /// Each file once. That a group may read one is no flaw: services are given their secrets so.
    func exposedFiles() -> [ExposedFile] {
        var files = secretReferences.compactMap { secret in
            secret.reference.file.map { ExposedFile(field: secret.field, path: $0) }
        }
        if secrets.keyPepper == nil { files.append(ExposedFile(field: "secrets.key_pepper", path: secrets.pepperPath)) }
        if let tls = server.tls { files.append(ExposedFile(field: "server.tls_key", path: tls.key)) }
        var seen: Set<String> = []
        return files.filter { seen.insert($0.path).inserted && Self.isExposed($0.path) }
    }

    private static func isExposed(_ path: String) -> Bool { rights(of: path).map { $0 & 0o004 != 0 } ?? false }

    /// The rights of the file itself: a link to it has all of them. nil: it cannot be looked at.
    static func rights(of path: String) -> Int? {
        let file = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
        let attributes = try? FileManager.default.attributesOfItem(atPath: file)
        return attributes?[.posixPermissions] as? Int
    }

    /// One line of a gateway's log each, at its start.
    func warnOfExposedFiles(_ logger: Logger) {
        for file in exposedFiles() {
            logger.warning(
                "the file of a secret can be read by everybody on this machine",
                metadata: ["key": "\(file.field)", "file": "\(file.path)", "remedy": "\(file.remedy)"])
        }
    }
}
