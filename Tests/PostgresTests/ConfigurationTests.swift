import Testing

@testable import Postgres

@Suite("Configuration, and what is never shown")
struct ConfigurationTests {
    private static let secret = "p4ss w0rd"

    private func shown(_ value: Any) -> [String] {
        var dumped = ""
        dump(value, to: &dumped)
        return ["\(value)", String(reflecting: value), String(describing: [value]), dumped]
    }

    @Test(
        "the password is in no description, mirror or dump",
        arguments: [
            "postgresql://bob:p4ss%20w0rd@db.example:6432/ledger?sslmode=require",
            "host=db.example port=6432 user=bob password='p4ss w0rd' dbname=ledger",
        ])
    func passwordHidden(url: String) throws {
        let configuration = try PostgresConfiguration(url: url)
        for text in shown(configuration) {
            #expect(!text.contains(Self.secret) && !text.contains("p4ss"))
            #expect(text.contains("db.example") && text.contains("bob"))
        }
        let keywords = configuration.keywords(addresses: [("db.example", "192.0.2.1", "6432"), ("x", "::1", "")])
        let all = Dictionary(keywords, uniquingKeysWith: { a, _ in a })
        #expect(all["password"] == Self.secret)
        #expect(all["host"] == "db.example,x" && all["hostaddr"] == "192.0.2.1,::1" && all["port"] == "6432,")
        #expect(configuration.scrub("no: p4ss w0rd, p4ss w0rd") == "no: …, …")
    }

    @Test(
        "a URL that cannot be read is refused without quoting it",
        arguments: [
            "postgresql://bob:p4ss%zz@host/db", "nonsense p4ss", "postgresql://bob:p4ss@[::1/db", "a\0p4ss",
            "postgresql://h/db?p4ss=1",
        ])
    func invalid(url: String) {
        let error = #expect(throws: PostgresError.self) { try PostgresConfiguration(url: url) }
        #expect(error?.code == .invalidConfiguration && error?.message.contains("p4ss") == false)
    }

    @Test("errors show code, SQLSTATE and constraint, and not the message, which may quote a value")
    func errors() {
        let error = PostgresError(.server, "value \"p4ss\"", sqlState: "23505", constraint: "k", outcomeUnknown: true)
        for text in shown(error) {
            #expect(!text.contains("p4ss"))
            #expect(text.contains("23505") && text.contains("constraint k"))
        }
    }

    @Test("a statement shows its text and not its parameters")
    func statements() {
        let statement: PostgresStatement = "SELECT \("p4ss"), \(["p4ss"])"
        #expect(statement.sql == "SELECT $1, $2")
        for text in shown(statement) { #expect(!text.contains("p4ss") && text.contains("$2")) }
    }

    @Test("names are resolved, addresses and sockets are not")
    func endpoints() throws {
        let url = "host=db,192.0.2.1,::1,/run/pg,@abstract port=1,2,3,4,5"
        let endpoints = try PostgresConfiguration(url: url).endpoints
        #expect(endpoints.map(\.needsResolution) == [true, false, false, false, false])
        #expect(endpoints.map(\.port) == ["1", "2", "3", "4", "5"])
        #expect(try PostgresConfiguration(url: "host=db hostaddr=192.0.2.1").endpoints.isEmpty)
    }

    @Test(
        "several hosts are tried one at a time, each with its own address and port",
        arguments: [
            ("host=db,192.0.2.1,/run/pg port=1,2,3", ["db  1", "192.0.2.1 192.0.2.1 2", "/run/pg  3"]),
            ("postgresql://u@a,b:6432/d", ["a  ", "b  6432"]),
            ("host=a,b port=5", ["a  5", "b  5"]),
            ("host=a,b hostaddr=192.0.2.1,::1 port=5,6", ["a 192.0.2.1 5", "b ::1 6"]),
            ("hostaddr=192.0.2.1,::1 port=5", [" 192.0.2.1 5", " ::1 5"]),
        ])
    func alternatives(url: String, expected: [String]) throws {
        let servers = try PostgresConfiguration(url: url).alternatives
        #expect(servers.map { "\($0.host) \($0.address) \($0.port)" } == expected)
        #expect(servers.allSatisfy { !$0.needsResolution || $0.address.isEmpty })
    }

    @Test(
        "a single host, a choice among all hosts, and what does not add up are left to libpq",
        arguments: [
            "host=db", "host=/run/pg port=5", "host=db hostaddr=192.0.2.1", "dbname=d",
            "host=a,b target_session_attrs=prefer-standby", "host=a,b,c port=1,2", "host=a,b hostaddr=192.0.2.1",
            "host=a,b hostaddr=192.0.2.1,",
        ])
    func noAlternatives(url: String) throws {
        #expect(try PostgresConfiguration(url: url).alternatives.isEmpty)
    }

    @Test("what is asked of a session is asked of each of several servers")
    func sessionAttributes() throws {
        let configuration = try PostgresConfiguration(url: "host=/a,/b port=1,2 target_session_attrs=read-write")
        let servers = configuration.alternatives
        #expect(servers.count == 2)
        for (server, port) in zip(servers, ["1", "2"]) {
            let keywords = configuration.keywords(addresses: [(server.host, server.address, server.port)])
            let all = Dictionary(keywords, uniquingKeysWith: { a, _ in a })
            #expect(all["host"] == server.host && all["port"] == port && all["hostaddr"]?.isEmpty == true)
            #expect(all["target_session_attrs"] == "read-write")
        }
    }

    @Test("servers share the connect timeout; none gets less than a second, or than all of a shorter timeout")
    func shares() throws {
        var configuration = try PostgresConfiguration(url: "host=a,b connect_timeout=5")
        #expect(configuration.share(of: .seconds(5), among: 2) == .milliseconds(2500))
        #expect(configuration.share(of: .milliseconds(4900), among: 1) == .milliseconds(4900))
        #expect(configuration.share(of: .seconds(5), among: 10) == .seconds(1))
        #expect(configuration.share(of: .seconds(-1), among: 1) == .seconds(1))
        configuration.connectTimeout = .milliseconds(300)
        #expect(configuration.share(of: .milliseconds(300), among: 2) == .milliseconds(300))
    }

    @Test(
        "a role that is not there is told from one that may not be taken; in another language both remedies are named",
        arguments: [
            ("FATAL:  role \"app\" does not exist", "42704", true, true),
            ("FATAL:  permission denied to set role \"app\"", "42501", false, true),
            ("FATAL:  Rolle \"app\" gibt es nicht", "42501", true, true),
            ("FATAL:  role \"u\" does not exist", nil, false, false),
        ] as [(String, String?, Bool, Bool)])
    func roleRefusals(message: String, state: String?, wantsMigration: Bool, wantsGrant: Bool) throws {
        var configuration = try PostgresConfiguration(url: "postgresql://u@h/d")
        configuration.role = "app"
        let refusal = configuration.roleRefusal(message)
        #expect(refusal?.sqlState == state && refusal?.code == (state == nil ? nil : .connection))
        #expect((refusal?.message.contains("gboost migrate") ?? false) == wantsMigration)
        #expect((refusal?.message.contains("grant app to") ?? false) == wantsGrant)
    }

    @Test("limits that make no sense are refused when the pool connects")
    func limits() async throws {
        let pool = try makePool(url: "postgresql:///x?host=/nowhere", .set(\.statementTimeout, .zero))
        #expect(try await failure { _ = try await pool.query("SELECT 1") }.code == .invalidConfiguration)
        await pool.close()
    }
}
