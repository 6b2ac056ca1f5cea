import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Testing

@testable import GatewayServer

@Suite("Repeated requests are answered from memory, where the tenant wants that")
struct CachedAnswerTests {
    private static func fixture(_ scripts: [FakeProvider.Script], seconds: Int? = 60) -> Fixture {
        var fixture = Fixture(scripts: scripts)
        var catalog = FakeCatalog()
        catalog.prices[Fixture.model] = ModelPrice(
            id: 3, model: Fixture.model, inputPicoPerToken: 10_000_000, outputPicoPerToken: 30_000_000)
        catalog.cacheSeconds = seconds
        fixture.services.catalog = catalog
        fixture.services.cache = CachedAnswers(totalBytes: 1 << 20, tenantBytes: 1 << 20)
        return fixture
    }

    private static let question =
        #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#

    private static func streamed(_ words: String...) -> FakeProvider.Script {
        func event(_ json: String) -> [UInt8] { Array("data: \(json)\n\n".utf8) }
        var chunks = words.map { word in
            PaidChunk(
                bytes: event(#"{"id":"c1","choices":[{"index":0,"delta":{"content":"\#(word)"}}]}"#), text: word)
        }
        let stop = #"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
        let usage = #"{"id":"c1","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10}}"#
        chunks.append(PaidChunk(bytes: event(stop) + event(usage) + event("[DONE]"), text: ""))
        return .init(
            chunks: chunks, result: PaidResult(usage: TokenUsage(input: 100, output: 10), finishReason: "stop"))
    }

    private static func ask(
        _ fixture: Fixture, _ body: String = question, key: String = FakeCatalog.key, cacheControl: String? = nil
    ) async throws -> TestResponse {
        var headers: HTTPFields = [.authorization: "Bearer \(key)", .contentType: "application/json"]
        headers[.cacheControl] = cacheControl
        return try await DirectAnswerTests.post(fixture, body, headers: headers)
    }

    @Test("the second time costs nothing, holds nothing, says so, and is the same answer with facts of its own")
    func hit() async throws {
        let fixture = Self.fixture([completion("first"), completion("second")])
        let (first, second) = (try await Self.ask(fixture), try await Self.ask(fixture))
        #expect(fixture.provider.calls.count == 1 && fixture.ledger.snapshot.reservations.count == 1)
        #expect(first.headers[.cache] == "miss" && first.headers[.costUSD] == "0.001300000")
        #expect(second.headers[.cache] == "hit" && second.headers[.costUSD] == "0.000000000")
        #expect(second.headers[.age].flatMap { Int($0) } ?? 99 < 60 && second.headers[.servedBy] == "cache")
        func object(_ response: TestResponse) throws -> [String: Any] {
            let text = DirectAnswerTests.text(response).replacingOccurrences(of: #","odd":1e400"#, with: "")
            return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        }
        var (one, two) = (try object(first), try object(second))
        let facts = try #require(two["gboost"] as? [String: Any])
        #expect(facts["request_id"] as? String == second.headers[.requestID])
        #expect(facts["cost_nano_usd"] as? Int == 0 && facts["cache"] as? String == "hit")
        (one["gboost"], two["gboost"]) = (nil, nil)
        #expect(NSDictionary(dictionary: one).isEqual(to: two))
        let rows = fixture.ledger.snapshot.requests
        #expect(rows.map(\.costNanoUSD) == [1_300_000, 0] && rows.map(\.servedBy) == [.llm, .cache])
    }

    @Test("a stream comes back as a stream, its last facts its own")
    func stream() async throws {
        let fixture = Self.fixture([Self.streamed("Hello", " there"), Self.streamed("no")])
        let body = Self.question.replacingOccurrences(of: "}]", with: "}],\"stream\":true")
        let (first, second) = (try await Self.ask(fixture, body), try await Self.ask(fixture, body))
        #expect(fixture.provider.calls.count == 1)
        #expect(first.headers[.cache] == "miss" && second.headers[.cache] == "hit")
        #expect(second.headers[.contentType]?.hasPrefix("text/event-stream") == true)
        let (one, two) = (DirectAnswerTests.text(first), DirectAnswerTests.text(second))
        let (old, new) = (try #require(first.headers[.requestID]), try #require(second.headers[.requestID]))
        #expect(one.contains(old) && two.contains(new) && !two.contains(old), "\(one)\n\(two)")
        #expect(two.hasSuffix("data: [DONE]\n\n") && two.contains("Hello") && two.contains(" there"))
    }

    @Test("only the very same request of the same tenant, and what failed is not kept")
    func misses() async throws {
        let down = FakeProvider.Script(
            openError: ProviderError(code: .status, status: 400, providerRequestID: "r", message: "no"))
        let fixture = Self.fixture([down, completion("a"), completion("b"), completion("c"), completion("d")])
        #expect(try await Self.ask(fixture).status != .ok)
        #expect(try await Self.ask(fixture).headers[.cache] == "miss")
        #expect(try await Self.ask(fixture, key: FakeCatalog.otherKey).headers[.cache] == "miss")
        let warmer = Self.question.replacingOccurrences(of: "}]", with: "}],\"temperature\":1")
        #expect(try await Self.ask(fixture, warmer).headers[.cache] == "miss")
        #expect(try await Self.ask(fixture).headers[.cache] == "hit")
        #expect(fixture.provider.calls.count == 4)
    }

    @Test("cache-control: a fresh answer, or none that is kept; without the tenant's wish nothing is")
    func control() async throws {
        let fixture = Self.fixture([completion("a"), completion("b"), completion("c")])
        let unkept = try await Self.ask(fixture, cacheControl: "no-store")
        #expect(unkept.headers[.cache] == nil)
        #expect(try await Self.ask(fixture).headers[.cache] == "miss")
        let fresh = try await Self.ask(fixture, cacheControl: "max-age=0, no-cache")
        #expect(fresh.headers[.cache] == "miss" && DirectAnswerTests.text(fresh).contains("\"c\""))
        let kept = try await Self.ask(fixture)
        #expect(kept.headers[.cache] == "hit" && DirectAnswerTests.text(kept).contains("\"c\""))
        let plain = Self.fixture([completion("a"), completion("b")], seconds: nil)
        for _ in 0..<2 { #expect(try await Self.ask(plain).headers[.cache] == nil) }
        #expect(plain.provider.calls.count == 2)
    }
}
