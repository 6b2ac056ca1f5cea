import GatewayCore
import HTTPTypes
import NIOCore
import Testing

@testable import GatewayServer

@Suite("Keys that cannot be looked up")
struct KeyLookupTests {
    private static func away(_ services: GatewayServices) throws -> GatewayServices {
        var catalog = try #require(services.catalog as? FakeCatalog)
        catalog.isAway = true
        var services = services
        services.catalog = catalog
        return services
    }

    @Test("no fault of a key is told from another; that the database was away is, and is no fault")
    func refusals() {
        for fault in [AuthenticationFailure.unknownKey, .expired, .revoked, .tenantSuspended, .suspended] {
            let refusal = GatewayRefusal(fault)
            #expect(refusal.status == 401 && refusal.code == "invalid_api_key" && refusal.retryAfterSeconds == nil)
            #expect(refusal.message == GatewayRefusal.invalidKey.message)
        }
        let away = GatewayRefusal(AuthenticationFailure.unavailable)
        #expect(away.status == 503 && away.code == "ledger_unavailable" && away.message.contains("key"))
        // For none of the many keys that somebody may try.
        #expect(away.logText == nil)
    }

    private static let asked: [(HTTPRequest.Method, String)] = [
        (.get, "/v1/models"), (.get, "/models"), (.get, "/v1/models/sim/large"), (.get, "/model/info"),
        (.post, "/v1/chat/completions"), (.post, "/v1/completions"), (.post, "/v1/responses"),
        (.post, "/v1/embeddings"), (.post, "/chat/completions"), (.post, "/v1/messages"),
        (.post, "/v1/messages/count_tokens"), (.post, "/openai/deployments/math/chat/completions"),
    ]

    @Test("an unknown key while the database is away is a 503 to try again in every format, a known one is let in")
    func paths() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let client = RouterClient(try Self.away(fixture.services))
        for (method, path) in Self.asked {
            let body = method == .post ? "{}" : nil
            let refused = try await client.send(method, path, headers: [.authorization: "Bearer gb-new"], body: body)
            #expect(refused.status == .serviceUnavailable && refused.headers[.retryAfter] == "5", "\(path)")
            #expect(String(buffer: refused.body).contains("ledger_unavailable"), "\(path)")
            let none = try await client.send(method, path, body: body)
            #expect(none.status == .unauthorized, "\(path)")
            let known = try await client.send(method, path, headers: DirectAnswerTests.headers, body: body)
            #expect(known.status != .unauthorized && known.status != .serviceUnavailable, "\(path)")
        }
        #expect(fixture.provider.calls.isEmpty)
    }

    @Test("at LiteLLM's paths too; the administrator, and who presents nothing, are told as ever")
    func management() async throws {
        try await AdminFixture.with { fixture in
            var fixture = fixture
            fixture.services = try Self.away(fixture.services)
            let auditor = AdminFixture.Asking.role(.auditor)
            for path in ["/model/info", "/v1/model/info", "/key/info"] {
                // The second looks like a token, as a key may that another gateway made.
                for credential in ["gb-new", "sk-acme.team.2"] {
                    let refused = try await fixture.sendAnywhere(.get, path, by: .init(credential: credential))
                    #expect(refused.status == 503 && refused.headers[.retryAfter] == "5", "\(path) \(credential)")
                    #expect(refused.json("error", "code") == "ledger_unavailable", "\(path) \(credential)")
                }
                #expect(try await fixture.sendAnywhere(.get, path, by: .nobody).status == 401, "\(path)")
                #expect(try await fixture.sendAnywhere(.get, path, by: auditor).status == 403, "\(path)")
            }
            #expect(try await fixture.sendAnywhere(.get, "/model/info").status == 200)
            #expect(try await fixture.sendAnywhere(.get, "/key/info?key=key:999").status == 404)
        }
    }
}
