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

    @Test("limits that make no sense are refused when the pool connects")
    func limits() async throws {
        let pool = try makePool(url: "postgresql:///x?host=/nowhere", .set(\.statementTimeout, .zero))
        #expect(try await failure { _ = try await pool.query("SELECT 1") }.code == .invalidConfiguration)
        await pool.close()
    }
}
