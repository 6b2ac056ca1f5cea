import Crypto
import EmbeddedPostgres
import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Ledger
import Logging
import NIOCore
import Postgres
import Testing

@testable import GatewayServer

/// A gateway's administration over a migrated database of its own, with the tenants acme and other in it.
struct AdminFixture: Sendable {
    static let key = "an administrator's key for tests"
    private static let migrations = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "migrations").path
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    let url: String
    let pool: PostgresPool
    let store: AdminStore
    var services: GatewayServices { didSet { client = RouterClient(services) } }
    /// Made once: tests that ask hundreds of times would mostly put routes together.
    private var client: RouterClient

    /// Who asks. Tokens of tests say who they are of.
    struct Asking: Sendable, CustomTestStringConvertible {
        var credential: String?
        var testDescription: String { credential ?? "nobody" }
        static let nobody = Asking(credential: nil)
        static let keyHolder = Asking(credential: AdminFixture.key)
        static func role(_ role: AdminRole, tenant: String? = nil) -> Asking {
            Asking(credential: "test.\(role.rawValue).\(tenant ?? "")")
        }
    }

    struct Answer: Sendable {
        var status: Int
        var headers: HTTPFields
        var text: String

        /// A value of the JSON document, by names and places on the way to it.
        func json(_ path: String...) -> String? {
            var value: Any? = try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
            for name in path {
                if let list = value as? [Any] {
                    value = Int(name).flatMap { list.indices.contains($0) ? list[$0] : nil }
                } else {
                    value = (value as? [String: Any])?[name]
                }
            }
            guard let value, !(value is NSNull) else { return nil }
            return value is [Any] || value is [String: Any]
                ? (try? JSONSerialization.data(withJSONObject: value, options: .sortedKeys))
                    .map { String(decoding: $0, as: UTF8.self) }
                : "\(value)"
        }
    }

    private struct TestTokens: AdminTokenVerifying {
        func identity(of token: String) async throws -> AdminIdentity {
            let parts = token.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3, parts[0] == "test", let role = AdminRole(rawValue: parts[1]) else {
                throw GatewayRefusal.notAdministrator
            }
            return AdminIdentity(actor: "jwt:\(role.rawValue)", role: role, tenant: parts[2].isEmpty ? nil : parts[2])
        }
    }

    /// What every fixture is a copy of. It goes with its server.
    private static let migrated = Task { () throws -> ScratchDatabase in
        let database = try await ScratchDatabase.make(function: "administration")
        let pool = try Self.pool(database.url, size: 1)
        try await Migrator(pool: pool, migrations: try Migration.load(directory: migrations)).migrate()
        await pool.close()
        return database
    }

    private static func pool(_ url: String, size: Int) throws -> PostgresPool {
        var configuration = try PostgresConfiguration(url: url)
        configuration.statementTimeout = .seconds(60)
        return PostgresPool(configuration: configuration, size: size, maxWaiting: 100, logger: quiet)
    }

    /// Runs `body` against a fresh database, which is gone afterwards.
    static func with(function: String = #function, _ body: (AdminFixture) async throws -> Void) async throws {
        let database = try await ScratchDatabase.make(function: function, template: try await migrated.value)
        do {
            let fixture = try await AdminFixture(url: database.url)
            do { try await body(fixture) } catch {
                await fixture.pool.close(within: .seconds(1))
                throw error
            }
            await fixture.pool.close(within: .seconds(1))
        } catch {
            try await database.drop()
            throw error
        }
        try await database.drop()
    }

    private init(url: String) async throws {
        self.url = url
        pool = try Self.pool(url, size: 4)
        let hasher = try KeyHasher(pepper: Array("a pepper for the tests of it".utf8))
        store = AdminStore(pool: pool, hasher: hasher, actor: "test")
        _ = try await store.createTenant(name: "acme")
        _ = try await store.createTenant(name: "other")
        var services = Fixture().services
        services.administration = Administration(store: store, key: Self.key, tokens: TestTokens(), tenant: "acme")
        self.services = services
        client = RouterClient(services)
    }

    /// Asks under `/admin/v1`.
    /// - Parameter body: JSON, or nothing.
    func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, by asking: Asking = .keyHolder
    ) async throws -> Answer {
        try await sendAnywhere(method, "/admin/v1" + path, body, by: asking)
    }

    func sendAnywhere(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, by asking: Asking = .keyHolder
    ) async throws -> Answer {
        var headers: HTTPFields = [:]
        if let credential = asking.credential { headers[.authorization] = "Bearer \(credential)" }
        let answer = try await client.send(method, path, headers: headers, body: body)
        return Answer(
            status: answer.status.code, headers: answer.headers, text: String(buffer: answer.body))
    }

    /// Names of the latest events, newest first, with who did it.
    func events(_ limit: Int = 100) async throws -> [EventInfo] { try await store.events(limit: limit) }

    /// One number out of the database.
    func number(_ sql: String) async throws -> Int64? {
        try await pool.query(PostgresStatement(trusted: "select (\(sql))::bigint as n")).rows.first?.getOptional("n")
    }
}
