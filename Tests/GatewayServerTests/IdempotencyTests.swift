import Foundation
import GatewayCore
import HTTPTypes
import Testing

@testable import GatewayServer

@Suite("A request that comes twice with its idempotency key is paid once")
struct IdempotencyTests {
    private static let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#

    private static func headers(_ key: String) -> HTTPFields {
        var headers = DirectAnswerTests.headers
        headers[.idempotencyKey] = key
        return headers
    }

    @Test("The second answer is the first one, with its cost, and nothing is held for it")
    func replayed() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let first = try await DirectAnswerTests.post(fixture, Self.body, headers: Self.headers("k"))
        let second = try await DirectAnswerTests.post(fixture, Self.body, headers: Self.headers("k"))
        #expect(first.status == .ok && second.status == .ok)
        #expect(DirectAnswerTests.text(first) == DirectAnswerTests.text(second))
        #expect(second.headers[.costUSD] == first.headers[.costUSD] && second.headers[.idempotentReplayed] == "true")
        #expect(first.headers[.idempotentReplayed] == nil)
        #expect(fixture.provider.calls.count == 1 && fixture.ledger.snapshot.reservations.count == 1)
        _ = try await DirectAnswerTests.post(fixture, Self.body, headers: Self.headers("other"))
        #expect(fixture.provider.calls.count == 2)
    }

    @Test("Another request under the same key is a conflict, and so is a stream that was given already")
    func conflict() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        _ = try await DirectAnswerTests.post(fixture, Self.body, headers: Self.headers("k"))
        let changed = Self.body.replacing("50", with: "51")
        #expect(try await DirectAnswerTests.post(fixture, changed, headers: Self.headers("k")).status == .conflict)
        let streamed = Self.body.replacing("\"max_tokens\"", with: "\"stream\":true,\"max_tokens\"")
        #expect(try await DirectAnswerTests.post(fixture, streamed, headers: Self.headers("s")).status == .ok)
        let again = try await DirectAnswerTests.post(fixture, streamed, headers: Self.headers("s"))
        #expect(again.status == .conflict && again.headers[.shouldRetry] == "false")
        #expect(fixture.provider.calls.count == 2)
    }

    @Test("What cost nothing frees its key; what may have been charged does not", arguments: [false, true])
    func failed(mayHaveCharged: Bool) async throws {
        let error = ProviderError(
            code: mayHaveCharged ? .interrupted : .status, status: mayHaveCharged ? nil : 400, message: "no")
        let fixture = Fixture(scripts: [.init(openError: error), completion("Hi")])
        let first = try await DirectAnswerTests.post(fixture, Self.body, headers: Self.headers("k"))
        #expect(first.status != .ok)
        let second = try await DirectAnswerTests.post(fixture, Self.body, headers: Self.headers("k"))
        #expect(!mayHaveCharged || first.headers[.shouldRetry] == "false")
        #expect(second.status == (mayHaveCharged ? .conflict : .ok))
        #expect(fixture.provider.calls.count == (mayHaveCharged ? 1 : 2))
    }

    @Test("A boosted request that failed after it had paid keeps its key: sent again, it would pay again")
    func failedAfterPaying() async throws {
        let fixture = Fixture(scripts: [
            .init(openError: ProviderError(code: .interrupted, message: "cut")), completion("Hi"),
        ])
        fixture.slm.fail(.unavailable("x"))
        let body = Self.body.replacing("sim/large", with: "math")
        let first = try await DirectAnswerTests.post(fixture, body, headers: Self.headers("k"))
        #expect(first.status != .ok && first.headers[.shouldRetry] == "false")
        #expect(fixture.ledger.snapshot.settled > 0)
        #expect(first.headers[.costUSD] == NanoUSD(fixture.ledger.snapshot.settled).usdString)
        let second = try await DirectAnswerTests.post(fixture, body, headers: Self.headers("k"))
        #expect(second.status == .conflict && second.headers[.shouldRetry] == "false")
        #expect(DirectAnswerTests.text(second).contains("answered or charged for, and its answer is not kept"))
        #expect(fixture.provider.calls.count == 1)
    }

    @Test("A key that is empty or too long is refused")
    func refused() async throws {
        let fixture = Fixture(scripts: [completion("Hi")])
        let long = String(repeating: "k", count: 256)
        let answer = try await DirectAnswerTests.post(fixture, Self.body, headers: Self.headers(long))
        #expect(answer.status == .badRequest && DirectAnswerTests.text(answer).contains("idempotency-key"))
    }

    @Test("A provider's 403 is the client's to know, in both envelopes, and not to be sent again")
    func forbidden() async throws {
        let error = ProviderError(code: .status, status: 403, message: "no access to this model")
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let fixture = Fixture(scripts: [.init(openError: error)])
            let answer = try await RouterClient(fixture.services).send(
                .post, path, headers: DirectAnswerTests.headers, body: Self.body)
            await fixture.services.activity.waitUntilIdle()
            #expect(answer.status == .forbidden && answer.headers[.shouldRetry] == "false")
            #expect(DirectAnswerTests.text(answer).contains(#""type":"permission_error""#))
            #expect(fixture.ledger.snapshot.settled == 0)
        }
    }
}
