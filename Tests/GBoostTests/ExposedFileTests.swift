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

    @Test("the doctor names each, and the pepper once: by its own finding, or where that says something else, by this")
    func doctor() throws {
        let directory = try place([("pepper", 0o644), ("group", 0o440), ("key", 0o644)])
        for name in ["pepper", "group"] {
            let path = "\(directory)/\(name)"
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try Data(String(repeating: "p", count: 40).utf8).write(to: URL(filePath: path))
            let mode = name == "pepper" ? 0o644 : 0o440
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            try FileManager.default.createSymbolicLink(atPath: "\(path)-link", withDestinationPath: path)
        }
        func findings(pepper: String) throws -> [Finding] {
            let configuration = try ConfigurationTests.load(
                """
                database: { embedded: d }
                secrets: { key_pepper: "file:\(directory)/\(pepper)" }
                admin: { key: "file:\(directory)/key" }
                """)
            let checks = MachineChecks(configuration: configuration, environment: [:])
            return (checks.secrets() + checks.exposedFiles()).filter { $0.state != .ok }
        }
        for pepper in ["pepper", "pepper-link"] {
            let found = try findings(pepper: pepper)
            #expect(found.map(\.check) == ["key pepper", "admin.key"], "\(found)")
            #expect(found.allSatisfy { $0.state == .warning })
            #expect(found.first?.remedy == "chmod 600 \(directory)/\(pepper)")
            #expect(found.last?.remedy == "chmod o-rwx \(directory)/key")
        }
        // As Kubernetes mounts a secret for the group of a pod.
        for pepper in ["group", "group-link"] {
            #expect(try findings(pepper: pepper).map(\.check) == ["admin.key"], "\(pepper)")
        }
        // Too short for a pepper, and open at that.
        let short = try findings(pepper: "key")
        #expect(short.map(\.check) == ["key pepper", "secrets.key_pepper"], "\(short)")
        #expect(short.map(\.state) == [.problem, .warning])
    }
}
