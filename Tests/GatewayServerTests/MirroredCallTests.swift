import Foundation
import GatewayCore
import HTTPTypes
import Testing

@testable import GatewayServer

@Suite("A request is asked of another model too, once it is answered")
struct MirroredCallTests {
    private static let body = #"{"model":"sim/large","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#

    /// `sim/large` whose requests are all copied to `other/big`, at twice the price.
    private static func fixture(
        _ script: FakeProvider.Script = completion("Hi"), other: FakeProvider.Script = completion("Ho"),
        share: Double = 1, limit: NanoUSD = NanoUSD(NanoUSD.perDollar)
    ) -> (Fixture, FakeProvider) {
        var fixture = Fixture(limit: limit, scripts: [script])
        let provider = fixture.addOther([other], mirror: .init(model: Fixture.other, share: share))
        return (fixture, provider)
    }

    private static func outcomes(_ fixture: Fixture) -> [String] {
        fixture.services.metrics.registry.render().split(separator: "\n")
            .filter { $0.hasPrefix("gboost_mirrored_calls_total{") && !$0.hasSuffix(" 0") }.map(String.init)
    }

    @Test("The copy is held, priced and recorded for itself, and the client's answer knows nothing of it")
    func copies() async throws {
        let (fixture, other) = Self.fixture()
        let answer = try await DirectAnswerTests.post(fixture, Self.body)
        #expect(answer.status == .ok && answer.headers[.costUSD] == "0.001300000")
        #expect(DirectAnswerTests.text(answer).contains("Hi"))
        #expect(other.calls.map(\.model) == [Fixture.other])
        let state = fixture.ledger.snapshot
        #expect(state.reservations.map(\.model) == [Fixture.model, Fixture.other])
        #expect(state.reservations.map(\.id.step) == [0, 1])
        #expect(Set(state.reservations.map(\.id.request)).count == 1)
        #expect(state.settlements.map(\.outcome) == [.completed, .completed])
        #expect(state.settled == 1_300_000 + 2_600_000 && state.held.isEmpty)
        #expect(state.settlements.last?.escalation.reason == "mirror of sim/large")
        #expect(state.requests.map(\.costNanoUSD) == [1_300_000])
        #expect(Self.outcomes(fixture) == [#"gboost_mirrored_calls_total{provider="other",outcome="answered"} 1"#])
    }

    @Test("A streamed request is copied as it is")
    func streamed() async throws {
        let (fixture, other) = Self.fixture()
        let body = Self.body.replacing("\"max_tokens\"", with: "\"stream\":true,\"max_tokens\"")
        #expect(try await DirectAnswerTests.post(fixture, body).status == .ok)
        #expect(other.calls.map(\.isStream) == [true])
        #expect(fixture.ledger.snapshot.held.isEmpty)
    }

    @Test("Whatever becomes of the copy, the client has its answer and the books are straight")
    func failures() async throws {
        let failed = FakeProvider.Script(
            openError: ProviderError(code: .status, status: 503, message: "down"))
        let (down, _) = Self.fixture(other: failed)
        #expect(try await DirectAnswerTests.post(down, Self.body).status == .ok)
        #expect(down.ledger.snapshot.settled == 1_300_000 && down.ledger.snapshot.held.isEmpty)
        #expect(Self.outcomes(down).first?.contains("failed") == true)

        var cut = completion("Ho")
        cut.streamError = ProviderError(code: .interrupted, message: "cut")
        let (interrupted, _) = Self.fixture(other: cut)
        #expect(try await DirectAnswerTests.post(interrupted, Self.body).status == .ok)
        #expect(interrupted.ledger.snapshot.held.isEmpty)
        #expect(interrupted.ledger.snapshot.settlements.map(\.outcome).count == 2)
    }

    @Test("A budget with room for the answer alone pays for no copy, and nobody is told of a refusal")
    func budget() async throws {
        let (ample, _) = Self.fixture()
        _ = try await DirectAnswerTests.post(ample, Self.body)
        let hold = try #require(ample.ledger.snapshot.reservations.first?.amount)
        let (fixture, other) = Self.fixture(limit: hold)
        #expect(try await DirectAnswerTests.post(fixture, Self.body).status == .ok)
        #expect(other.calls.isEmpty && fixture.ledger.snapshot.settled == 1_300_000)
        #expect(fixture.ledger.snapshot.requests.allSatisfy { $0.refused?.isEmpty ?? true })
        #expect(Self.outcomes(fixture).first?.contains("refused") == true)
    }

    @Test("No copy: of a request that failed, of one whose client set a bound, at a share of nothing, beyond the limit")
    func none() async throws {
        let (failing, other) = Self.fixture(.init(openError: ProviderError(code: .status, status: 400, message: "no")))
        #expect(try await DirectAnswerTests.post(failing, Self.body).status != .ok)
        #expect(other.calls.isEmpty)

        var cut = completion("Hi")
        cut.streamError = ProviderError(code: .interrupted, message: "cut")
        let (broken, also) = Self.fixture(cut)
        #expect(try await DirectAnswerTests.post(broken, Self.body).status != .ok)
        #expect(also.calls.isEmpty)

        let (bounded, second) = Self.fixture()
        var headers = DirectAnswerTests.headers
        headers[.maxCostUSD] = "0.9"
        #expect(try await DirectAnswerTests.post(bounded, Self.body, headers: headers).status == .ok)
        #expect(second.calls.isEmpty)

        let (never, third) = Self.fixture(share: 0)
        #expect(try await DirectAnswerTests.post(never, Self.body).status == .ok)
        #expect(third.calls.isEmpty)

        let (full, fourth) = Self.fixture()
        for _ in 0..<MirrorAllowance.most { #expect(full.services.mirrors.take()) }
        #expect(try await DirectAnswerTests.post(full, Self.body).status == .ok)
        #expect(fourth.calls.isEmpty && Self.outcomes(full).first?.contains("dropped") == true)
        let large = Self.body.replacing(#""x""#, with: "\"" + String(repeating: "x", count: 1 << 20) + "\"")
        let (roomy, fifth) = Self.fixture(limit: NanoUSD(100 * NanoUSD.perDollar))
        #expect(try await DirectAnswerTests.post(roomy, large).status == .ok)
        #expect(fifth.calls.isEmpty && Self.outcomes(roomy).first?.contains("dropped") == true)
        full.services.mirrors.giveBack()
        #expect(full.services.mirrors.take() && !full.services.mirrors.take())
    }
}
