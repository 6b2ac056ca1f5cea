import Foundation
import HTTPTypes
import Testing

@testable import GatewayServer

@Suite("The configured bounds of a request")
struct RequestBoundTests {
    private static let message = #"{"role":"user","content":"x"}"#

    private static func fixture(maxTokens: Int = 50, maxMessages: Int = 2) -> Fixture {
        var fixture = Fixture(scripts: [completion("Hi")])
        fixture.services.limits.maxMaxTokens = maxTokens
        fixture.services.limits.maxMessages = maxMessages
        return fixture
    }

    @Test(
        "A larger max_tokens than is let through is a 400 that names it, on every endpoint",
        arguments: FurtherEndpointTests.ways.filter { $0.limit != nil })
    func tokens(way: FurtherEndpointTests.Way) async throws {
        let fixture = Self.fixture(maxTokens: 49)
        let refused = try await FurtherEndpointTests.post(fixture, way)
        let name = try #require(way.limit)
        #expect(refused.status == .badRequest)
        #expect(FurtherEndpointTests.text(refused).contains(name), "\(FurtherEndpointTests.text(refused))")
        #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
        #expect(try await FurtherEndpointTests.post(Self.fixture(), way).status == .ok)
    }

    @Test("It is named as the client spelled it, also where a route's own model would have answered")
    func spelling() async throws {
        let body = #"{"model":"math","messages":[\#(Self.message)],"max_completion_tokens":51}"#
        let refused = try await DirectAnswerTests.post(Self.fixture(), body)
        #expect(refused.status == .badRequest)
        #expect(DirectAnswerTests.text(refused).contains(#""param":"max_completion_tokens""#))
    }

    @Test("More messages than are let through are a 400 that names them; a system prompt is none", arguments: [2, 3])
    func messages(count: Int) async throws {
        let list = Array(repeating: Self.message, count: count).joined(separator: ",")
        let isRefused = count > 2
        for (index, extra) in [(0, ""), (1, #","system":"y""#)] {
            let way = FurtherEndpointTests.ways[index]
            let body = #"{"model":"sim/large","max_tokens":50,"messages":[\#(list)]\#(extra)}"#
            let answer = try await FurtherEndpointTests.post(Self.fixture(), way, body)
            #expect(answer.status == (isRefused ? .badRequest : .ok), "\(FurtherEndpointTests.text(answer))")
            #expect(!isRefused || FurtherEndpointTests.text(answer).contains("messages"))
        }
    }
}
