import EmbeddedPostgres
import Foundation
import GatewayTesting
import Synchronization
import Testing

@testable import Postgres

@Suite("A password that is changed while a pool runs")
struct PasswordTests {
    /// What the URL is said to be.
    private final class Said: Sendable {
        private let kept: Mutex<String>
        init(_ url: String) { kept = Mutex(url) }
        var url: String {
            get { kept.withLock { $0 } }
            set { kept.withLock { $0 = newValue } }
        }
    }

    @Test("of what the URL is said to be by now, user and password count, and where it cannot be read nothing does")
    func renewed() throws {
        var configuration = try PostgresConfiguration(url: "postgresql://a:one@db/ledger?sslmode=require")
        let cases: [(said: String?, user: String, password: String?)] = [
            ("postgresql://b:two@other/else", "b", "two"), ("postgresql://c@db/ledger", "c", nil),
            ("nonsense p4ss", "a", "one"), (nil, "a", "one"),
        ]
        for (said, user, password) in cases {
            configuration.renewedURL = { said }
            let all = configuration.renewed().keywords(addresses: [])
            let keywords = Dictionary(all, uniquingKeysWith: { first, _ in first })
            #expect(keywords["user"] == user && keywords["password"] == password, "\(said ?? "nothing")")
            #expect(keywords["host"] == "db" && keywords["dbname"] == "ledger" && keywords["sslmode"] == "require")
        }
    }

    @Test("a pool and a listener whose sessions were ended log in again with the new password, without a restart")
    func changed() async throws {
        let cluster = EmbeddedCluster(directory: TestFiles.path("password") + "/postgres", options: .forTests)
        let url = try await cluster.start()
        func login(_ password: String) -> String { url.replacing("://gboost@", with: "://gateway:\(password)@") }
        #expect(login("one") != url)
        let owner = try makePool(url: url, size: 1)
        _ = try await owner.query("CREATE ROLE gateway LOGIN PASSWORD 'one'")
        // The cluster's own rules ask for no password.
        let rules = URL(filePath: cluster.directory + "/data/pg_hba.conf")
        try Data("local all gateway scram-sha-256\nlocal all all trust\n".utf8).write(to: rules)
        _ = try await owner.query("SELECT pg_reload_conf()")
        try await eventually("passwords are asked for") {
            let wrong = try makePool(url: login("wrong"), size: 1)
            let isRefused = (try? await wrong.query("SELECT 1")) == nil
            await wrong.close()
            return isRefused
        }

        let said = Said(login("one"))
        let pool = try makePool(url: said.url, size: 2, PoolSetting { $0.renewedURL = { said.url } })
        let stream = try await pool.listen(channel: "c")
        var notifications = stream.makeAsyncIterator()
        #expect(await notifications.next() == .resync)
        #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        _ = try await owner.query("ALTER ROLE gateway PASSWORD 'two'")
        let end: PostgresStatement =
            "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE usename = 'gateway'"
        _ = try await owner.query(end)
        try await eventually("the old password is refused") { (try? await pool.query("SELECT 1")) == nil }
        said.url = login("two")
        try await eventually("the pool is back") { (try? await pool.query("SELECT 1")) != nil }
        try #require(await pool.statistics.isReachable)
        #expect(await notifications.next() == .resync)
        await pool.close()
        await owner.close()
        try await cluster.destroy()
    }
}
