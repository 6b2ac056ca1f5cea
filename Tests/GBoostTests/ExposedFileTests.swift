import Foundation
import GatewayTesting
import Logging
import Testing

@testable import gboost

@Suite("Files of secrets that everybody may read")
struct ExposedFileTests {
    /// A directory with files of these rights, and the path of any name in it.
    private func place(_ rights: [(name: String, mode: Int)]) throws -> String {
        let directory = TestFiles.path("exposed")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for (name, mode) in rights {
            let path = "\(directory)/\(name)"
            try Data("secret".utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }
        return directory
    }

    @Test("each is named once, with its key of the configuration: provider keys, signing keys, TLS keys, the pepper")
    func named() throws {
        let directory = try place([
            ("openai", 0o644), ("signing", 0o604), ("next", 0o640), ("tls", 0o444), ("certificate", 0o644),
            ("pepper", 0o606),
        ])
        let configuration = try ConfigurationTests.load(
            """
            server: { tls_certificate: "\(directory)/certificate", tls_key: "\(directory)/tls" }
            database: { embedded: d }
            audit: { signing_key: "file:\(directory)/signing", next_signing_key: "file:\(directory)/next" }
            secrets: { key_pepper: "file:\(directory)/pepper" }
            admin: { key: "file:\(directory)/none" }
            providers:
              - { name: openai, kind: openai, api_key: "file:\(directory)/openai" }
              - { name: other, kind: openai, api_key: "file:\(directory)/openai" }
              - { name: third, kind: openai, api_key: "env:KEY" }
            """)
        let found = configuration.exposedFiles()
        #expect(
            found.map(\.field) == [
                "secrets.key_pepper", "audit.signing_key", "providers.openai.api_key", "server.tls_key",
            ], "\(found)")
        #expect(found.map(\.path) == ["pepper", "signing", "openai", "tls"].map { "\(directory)/\($0)" })
        let log = KeptLog()
        configuration.warnOfExposedFiles(log.logger)
        #expect(log.lines(.warning).compactMap { $0.metadata["key"] } == found.map(\.field))
        #expect(log.lines.count == found.count)
    }

    @Test("a link tells nothing of the file's rights")
    func link() throws {
        let directory = try place([("own", 0o600), ("open", 0o644)])
        for name in ["own", "open"] {
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory)/to-\(name)", withDestinationPath: "\(directory)/\(name)")
        }
        let configuration = try ConfigurationTests.load(
            """
            database: { embedded: d }
            secrets: { key_pepper: "file:\(directory)/to-own" }
            admin: { key: "file:\(directory)/to-open" }
            """)
        #expect(configuration.exposedFiles().map(\.field) == ["admin.key"])
    }
}
