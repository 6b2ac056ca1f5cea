import Foundation
import GatewayCore
import Logging
import Synchronization
import Testing

@testable import GatewayServer

/// Keeps the warnings of a gateway.
final class HeardWarnings: Sendable {
    struct Line: Sendable {
        var message: String
        var metadata: [String: String]
    }
    private struct Handler: LogHandler {
        let ear: HeardWarnings
        var logLevel = Logger.Level.warning
        var metadata: Logger.Metadata = [:]
        var metadataProvider: Logger.MetadataProvider?

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let known = (event.metadata ?? [:]).mapValues(\.description)
            ear.heard.withLock { $0.append(Line(message: event.message.description, metadata: known)) }
        }
    }
    private let heard = Mutex<[Line]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(ear: self) } }
    /// Those with this message.
    func lines(_ message: String) -> [Line] { heard.withLock { $0.filter { $0.message == message } } }
}

@Suite("A stream that breaks off is told in the log, once, without a word of it")
struct BrokenStreamTests {
    private static let message = "a streamed answer broke off"

    @Test("Of a direct answer: whose it was, what broke, and how much the client has", arguments: [true, false])
    func direct(isForeign: Bool) async throws {
        let event = #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}"# + "\n\n"
        var error = ProviderError(code: .interrupted, message: "cut within Hi")
        error.isForeign = isForeign
        var fixture = Fixture(scripts: [
            .init(chunks: [PaidChunk(bytes: Array(event.utf8), text: "Hi")], streamError: error)
        ])
        let ear = HeardWarnings()
        fixture.services.logger = ear.logger
        let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"stream":true}"#
        _ = try await DirectAnswerTests.post(fixture, body)
        let line = try #require(ear.lines(Self.message).first)
        let row = try #require(fixture.ledger.snapshot.requests.first)
        #expect(ear.lines(Self.message).count == 1 && row.status == 502)
        #expect(line.metadata["request"] == row.id.text && line.metadata["tenant"] == "acme")
        #expect(line.metadata["model"] == "sim/large" && line.metadata["code"] == "interrupted")
        #expect(line.metadata["bytes"] == String(event.utf8.count))
        #expect(line.metadata["why"]?.contains("Hi") == !isForeign)
    }

    @Test("Of a route's, where neither the SLM nor the LLM can go on")
    func boosted() async throws {
        var fixture = Fixture(limit: .zero, scores: [0.99])
        let (slm, ear) = (fixture.slm, HeardWarnings())
        fixture.services.models = FakeModels(
            slm: slm, prm: FakePRM(scores: [0.99]) { _ in slm.fail(.unavailable("no file")) })
        fixture.services.logger = ear.logger
        let response = try await DirectAnswerTests.post(fixture, BoostedAnswerTests.streamed)
        #expect(DirectAnswerTests.text(response).contains("model_unavailable"))
        let line = try #require(ear.lines(Self.message).first)
        #expect(ear.lines(Self.message).count == 1)
        #expect(line.metadata["model"] == "slm" && line.metadata["route"] == "math")
        #expect(line.metadata["code"] == "model_unavailable" && line.metadata["why"] == "no file")
        #expect(line.metadata["bytes"].flatMap { Int($0) } ?? 0 > "One.".utf8.count)
        #expect(!line.metadata.values.contains { $0.contains("One.") })
    }

    @Test("One that ends properly, and one that is refused before it has begun, are not")
    func quiet() async throws {
        let events = [
            #"{"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}"#,
            #"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, "[DONE]",
        ]
        var whole = completion("Hi")
        whole.chunks = events.map { PaidChunk(bytes: Array("data: \($0)\n\n".utf8), text: "") }
        let refused = FakeProvider.Script(openError: ProviderError(code: .status, status: 400, message: "no"))
        for script in [whole, refused] {
            var fixture = Fixture(scripts: [script])
            let ear = HeardWarnings()
            fixture.services.logger = ear.logger
            let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"stream":true}"#
            _ = try await DirectAnswerTests.post(fixture, body)
            #expect(ear.lines(Self.message).isEmpty && fixture.ledger.snapshot.requests.count == 1)
        }
    }
}
