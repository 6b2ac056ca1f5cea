import HTTPTypes
import Ledger
import Postgres
import Testing

@testable import GatewayServer

@Suite("Administration while the database is away")
struct DatabaseAwayTests {
    @Test("reads and changes are told that it cannot be reached and to try again, and nothing of paid calls")
    func words() async throws {
        try await AdminFixture.with { fixture in
            await fixture.pool.close()
            let asked: [(HTTPRequest.Method, String, String?)] = [
                (.get, "/tenants", nil), (.get, "/holds", nil), (.get, "/events", nil),
                (.post, "/tenants", #"{"name": "new"}"#),
            ]
            for (method, path, body) in asked {
                let away = try await fixture.send(method, path, body)
                #expect(away.status == 503 && away.headers[.retryAfter] == "5", "\(path): \(away.text)")
                #expect(away.json("error", "code") == "ledger_unavailable", "\(path): \(away.text)")
                let message = away.json("error", "message") ?? ""
                #expect(message.hasPrefix("The database cannot be reached"), "\(path): \(message)")
                #expect(message.contains("try again") && !message.contains("paid"), "\(path): \(message)")
            }
        }
    }

    @Test("paid calls are told that none is made")
    func paid() {
        let refusal = GatewayRefusal.ledgerUnavailable("away in this test")
        #expect(refusal.message.contains("no paid call is made") && refusal.logText == "away in this test")
        #expect(GatewayRefusal(LedgerError(.unavailable, "away")).code == refusal.code)
    }
}
