import Curl
import Foundation
import GatewayServer
import GatewayTesting
import Logging
import Testing

@testable import gboost

@Suite("Single sign-on in the configuration")
struct AdminTokenConfigurationTests {
    private static let database = "database: { embedded: d }\n"
    /// With a public key of RFC 8037.
    private static let document =
        #"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#

    private static func jwt(_ more: String, keys: String = "https://login.example.com/keys?app=1") -> String {
        let given = "issuer: \"https://login.example.com\", audience: gboost, keys: \"\(keys)\""
        return "\(database)admin: { jwt: { \(given)\(more) } }"
    }

    @Test("all of it is read, from every layer, shown and read back; without any of it there is none")
    func whole() throws {
        #expect(try ConfigurationTests.load(Self.database).administration.singleSignOn == nil)
        let yaml = Self.jwt(
            ", role_claim: groups, tenant_claim: \"https://x/org\", roles: \"platform team=operator, cn=x = billing\"")
        let configuration = try ConfigurationTests.load(
            yaml, sets: ["admin.jwt.audience=other"], environment: ["GBOOST_ADMIN_JWT_TENANT_CLAIM": "org"])
        let found = try #require(configuration.administration.singleSignOn)
        let rules = AdminTokenRules(
            issuer: "https://login.example.com", audience: "other", roleClaim: "groups", tenantClaim: "org",
            roles: ["platform team": .operator, "cn=x": .billing])
        #expect(found.rules == rules)
        #expect(found.keys == .address("https://login.example.com/keys?app=1"))
        let text = configuration.describe()
        #expect(text.contains("\n  jwt:\n    issuer: ") && text.contains("# --set admin.jwt.audience"), "\(text)")
        #expect(try ConfigurationTests.load(text).administration.singleSignOn == found)
        let usual = try #require(try ConfigurationTests.load(Self.jwt("")).administration.singleSignOn)
        #expect(usual.rules.roleClaim == "gboost_role" && usual.rules.tenantClaim == "gboost_tenant")
        #expect(usual.rules.roles.isEmpty)
        for keys in ["http://127.0.0.1:9/k", "http://localhost/k", "http://[::1]:9/k", "file:/etc/gboost/jwks.json"] {
            #expect(try ConfigurationTests.load(Self.jwt("", keys: keys)).administration.singleSignOn != nil, "\(keys)")
        }
    }

    @Test("what is missing or wrong is refused by its name")
    func refused() throws {
        let given = ["issuer: i", "audience: a", "keys: \"https://h/k\""]
        var cases: [(yaml: String, error: String)] = given.indices.map { index in
            let others = given.indices.filter { $0 != index }.map { given[$0] }.joined(separator: ", ")
            return ("admin: { jwt: { \(others) } }", "admin.jwt.\(given[index].prefix { $0 != ":" }): is missing")
        }
        cases.append(("admin: { jwt: { roles: \"a=billing\" } }", "admin.jwt.issuer: is missing"))
        cases.append(("admin: { jwt: yes }", "admin.jwt: no such key; 'admin' has: "))
        cases.append(("admin: { key: { file: x } }", "g.yaml:2: admin.key: a single value is expected"))
        let whole = given.joined(separator: ", ")
        for (field, error) in [
            ("isuer: x", "admin.jwt.isuer: no such key"), ("role_claim: \"a b\"", "admin.jwt.role_claim: is longer"),
            ("role_claim: c, tenant_claim: c", "admin.jwt.tenant_claim: is the same as"),
            ("roles: billing", "admin.jwt.roles: 'billing' is not of the form NAME=ROLE"),
            ("roles: \"a=root\"", "admin.jwt.roles: 'root' is not one of: operator, tenant-admin, billing, auditor"),
            ("roles: \"=billing\"", "admin.jwt.roles: '=billing' has no name"),
            ("roles: \"a=billing,a=auditor\"", "admin.jwt.roles: 'a' stands twice"),
            ("roles: \"a=billing,\"", "admin.jwt.roles: '' is not of the form"),
        ] { cases.append(("admin: { jwt: { \(whole), \(field) } }", error)) }
        for keys in [
            "http://login.example.com/k", "http://127.0.0.1.example.com/k", "ftp://h/k", "file:k", "file:///etc/k",
            "https:///k", "https://u:p@h/k", "https://h/k#x", "https://h/a b", "/etc/k",
        ] { cases.append(("admin: { jwt: { issuer: i, audience: a, keys: \"\(keys)\" } }", "admin.jwt.keys: is ")) }
        for (yaml, error) in cases {
            let found = #expect(throws: ConfigurationError.self) { try ConfigurationTests.load(Self.database + yaml) }
            #expect(found?.description.contains(error) == true, "\(yaml): \(found?.description ?? "taken")")
        }
    }

    @Test("a file of keys that cannot be used is told before a start, beside a key that is not there")
    func unusableFile() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-jwks-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appending(path: "jwks.json").path()
        var configuration = try ConfigurationTests.load(Self.jwt("", keys: "file:\(path)"))
        configuration.administration.key = try ConfigurationTests.load("\(Self.database)admin: { key: \"env:NONE\" }")
            .administration.key
        func problems() -> [String] {
            configuration.unusableSecrets(environment: [:]).filter { $0.field.hasPrefix("admin.") }.map(\.description)
        }
        #expect(problems().map { String($0.prefix { $0 != ":" }) } == ["admin.key", "admin.jwt.keys"], "\(problems())")
        #expect(problems().last?.contains("\(path) is not a file, or is not there") == true)
        let findings = MachineChecks(configuration: configuration, environment: [:]).references()
        #expect(findings.filter { $0.state == .problem }.map(\.check).contains("admin.jwt.keys"))
        let client = try CurlClient()
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        #expect(throws: ConfigurationError.self) { try configuration.adminTokens(client, quiet) }
        for (text, reason) in [("{}", "no JWKS"), (#"{"keys":[]}"#, "no public key that signs")] {
            try Data(text.utf8).write(to: URL(filePath: path))
            #expect(problems().last?.contains(reason) == true, "\(problems())")
        }
        try Data(Self.document.utf8).write(to: URL(filePath: path))
        #expect(problems().count == 1)
        _ = try #require(try configuration.adminTokens(client, quiet))
        await client.shutdown()
    }

    @Test("keys are fetched by one request, from where it is configured and nowhere else, and never too many bytes")
    func fetched() async throws {
        func answer(_ status: String, _ body: String, _ extra: String = "") -> [ScriptedPeer.Step] {
            [.read, .send("HTTP/1.1 \(status)\r\n\(extra)content-length: \(body.utf8.count)\r\n\r\n\(body)"), .hang]
        }
        let peer = try ScriptedPeer(
            answer("200 OK", Self.document, "connection: close\r\n"),
            answer("302 Found", "", "location: /elsewhere\r\nconnection: close\r\n"),
            answer("404 Not Found", Self.document, "connection: close\r\n"),
            [.read, .send("HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n"), .flood(9_000_000), .hang])
        defer { peer.stop() }
        let client = try CurlClient()
        guard case .address(let fetch) = TokenKeySource.url(peer.url + "/keys", client: client) else {
            Issue.record("it is an address")
            return
        }
        #expect(try await fetch() == Array(Self.document.utf8))
        for reason in ["the answer is 302", "the answer is 404", "tooLarge"] {
            let error = await #expect(throws: (any Error).self) { try await fetch() }
            #expect(error.map { "\($0)".contains(reason) } == true, "\(String(describing: error))")
        }
        let lines = peer.requests.map { String($0.head.prefix { !$0.isNewline }) }
        #expect(lines.count == 4 && Set(lines) == Set(["GET /keys HTTP/1.1"]), "\(lines)")
        #expect(peer.requests.first?.header("accept") == "application/json")
        await client.shutdown()
    }
}
