import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import Testing
import WireFormat

@testable import GatewayServer

@Suite("Limits of what local models answer")
struct LocalLimitTests {
    private func limited(_ fixture: inout Fixture, _ unit: LimitUnit, _ limit: Int64, now: Date? = nil) {
        if var catalog = fixture.services.catalog as? FakeCatalog {
            catalog.limits = [LocalLimit(scope: .tenant(1), name: "tenant:acme", unit: unit, limit: limit)]
            fixture.services.catalog = catalog
        }
        if let now { fixture.services.localLimits = LocalLimits(now: { now }) }
    }

    private func post(_ fixture: Fixture, _ body: String = BoostedAnswerTests.question) async throws -> TestResponse {
        try await DirectAnswerTests.post(fixture, body)
    }

    @Test("a request beyond the limit is refused before the SLM starts, also with the ledger away")
    func refused() async throws {
        var fixture = Fixture(scores: [0.99])
        limited(&fixture, .requests, 1, now: Date(timeIntervalSinceNow: 0))
        fixture.ledger.state.withLock { $0.isAway = true }
        #expect(try await post(fixture).status == .ok)
        let drafts = fixture.slm.requests.count
        let response = try await post(fixture)
        #expect(response.status == .tooManyRequests)
        let seconds = try #require(response.headers[.retryAfter].flatMap { Int($0) })
        #expect((1...60).contains(seconds))
        let body = String(buffer: response.body)
        #expect(body.contains(#""type":"rate_limit_error""#) && body.contains(#""scope":"tenant:acme""#))
        #expect(fixture.slm.requests.count == drafts)
        await fixture.services.activity.waitUntilIdle()
        #expect(fixture.ledger.snapshot.requests.map(\.status) == [200, 429])
    }

    @Test("a place is given back when the answer is there, when the SLM fails, and when the client leaves")
    func givenBack() async throws {
        var fixture = Fixture(limit: .zero, scores: [0.99])
        limited(&fixture, .parallel, 1)
        for _ in 0..<3 { #expect(try await post(fixture).status == .ok) }
        fixture.slm.fail(.unavailable("no file"))
        for _ in 0..<3 { #expect(try await post(fixture).status == .serviceUnavailable) }
        fixture.slm.fail(nil)
        // A client that is gone: its stream is abandoned before the first step is sent.
        for _ in 0..<3 {
            let chat = try ChatCompletionRequest(Array(BoostedAnswerTests.streamed.utf8))
            let job = AnswerJob(
                shared: SharedServices(fixture.services),
                caller: Caller(tenant: FakeCatalog.tenant, teamID: nil, keyID: 7),
                request: .chat(chat), options: try RequestOptions(HTTPFields()),
                requestID: UUID(), startedAt: .now, startedOn: Date(), stream: AnswerStream())
            job.stream.abandon()
            let route = try #require(await fixture.services.catalog.route("math", tenantID: 1))
            await BoostedAnswer(job: job, chat: chat, route: route, strategy: route.settings.strategy).run()
        }
        await fixture.services.activity.waitUntilIdle()
        #expect(fixture.ledger.snapshot.requests.suffix(3).allSatisfy { $0.status == 499 })
        #expect(try await post(fixture).status == .ok)
    }

    @Test("tokens that an answer did not use are given back at its end")
    func tokens() async throws {
        var fixture = Fixture(scores: [0.99])
        let most = 1024 + Int64(RouteSettings().maxAnswerTokens)
        limited(&fixture, .tokens, most, now: Date())
        // Each holds more than half, and uses a few dozen.
        for _ in 0..<5 { #expect(try await post(fixture).status == .ok) }
        limited(&fixture, .tokens, 500)
        #expect(try await post(fixture).status == .tooManyRequests)
    }

    @Test("what goes to a paid model is not counted")
    func direct() async throws {
        var fixture = Fixture(scripts: [completion("Hi")])
        limited(&fixture, .requests, 0)
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
        #expect(try await post(fixture, body).status == .ok)
        #expect(try await post(fixture).status == .tooManyRequests)
    }
}
