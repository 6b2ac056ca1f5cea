import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Synchronization
import Testing

@testable import GatewayServer

@Suite("A client of Anthropic's that begins the answer itself")
struct PrefillTests {
    private static func body(_ more: String = "", model: String = "math") -> String {
        #"{"model":"\#(model)","max_tokens":50,"messages":[{"role":"user","content":"1+2?"},"#
            + #"{"role":"assistant","content":"The sum is"}]\#(more)}"#
    }
    private static let tools = #","tools":[{"name":"f","input_schema":{"type":"object"}}]"#

    /// The first step, behind the beginning, is poor.
    private static func fixture(_ script: FakeProvider.Script, _ kind: EscalationKind) -> Fixture {
        Fixture(
            scripts: [script], steps: ["", " bad.\n", "Answer: 3"], scores: [0.99, 0.05, 0.99],
            settings: BoostedSeamTests.settings(kind))
    }

    private static func post(
        _ fixture: Fixture, _ body: String, isAnthropic: Bool = false
    ) async throws -> TestResponse {
        try await MessagesEndpointTests.post(fixture, body, isAnthropic: isAnthropic)
    }

    /// A provider of OpenAI's format whose models do not go on from such a beginning.
    private static func closing(_ given: Fixture) -> Fixture {
        var fixture = given
        var traits = ProviderTraits()
        traits.continuesAnswers = false
        fixture.services.providers["sim"] = EndpointProvider(
            inner: fixture.provider, endpoints: [.chatCompletions], traits: traits)
        return fixture
    }

    @Test("The SLM goes on within it, the PRM reads it as a step, and the client is not told it again")
    func slm() async throws {
        let before = Mutex<[Int]>([])
        for more in ["", #","stream":true"#] {
            var fixture = Fixture(steps: ["", " three:\n", "Answer: 3"])
            fixture.services.models = FakeModels(
                slm: fixture.slm, prm: FakePRM(scores: [0.99]) { count in before.withLock { $0.append(count) } })
            let response = try await Self.post(fixture, Self.body(more))
            let text = MessagesEndpointTests.text(response)
            #expect(response.status == .ok && text.contains(#""text":" three:\n"#) && text.contains("Answer: 3"))
            #expect(!text.contains("The sum is") && fixture.provider.calls.isEmpty)
            let requests = fixture.slm.requests
            #expect(requests.map { $0.messages.map(\.content) } == [["1+2?"], ["1+2?"]])
            #expect(requests.map(\.answer) == [[.text("The sum is")], [.text("The sum is"), .tokens([1])]])
        }
        #expect(before.withLock { $0 } == [1, 2, 1, 2])
    }

    @Test(
        "An LLM is asked to go on from it, as from a step; what it says of it again is dropped",
        arguments: ["3.", " 3.", "The sum is 3."], [EscalationKind.step, .rest])
    func llm(reply: String, kind: EscalationKind) async throws {
        for more in ["", #","stream":true"#] {
            let fixture = Self.fixture(completion(reply), kind)
            let text = MessagesEndpointTests.text(try await Self.post(fixture, Self.body(more)))
            #expect(text.contains(#""text":" 3."#) && !text.contains(#""text":"The"#), "\(text)")
            let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
            #expect(sent.contains(#"### Steps accepted so far\nThe sum is\n\n### Task"#) && !sent.contains("assistant"))
        }
    }

    @Test("Beside tools it goes to the LLM as it stands, or is refused where the route may not escalate")
    func structured() async throws {
        let fixture = Fixture(scripts: [MessagesEndpointTests.message(" 3.")], format: .tagged)
        let response = try await Self.post(fixture, Self.body(Self.tools), isAnthropic: true)
        #expect(response.status == .ok && fixture.slm.requests.isEmpty)
        let sent = String(decoding: try #require(fixture.provider.calls.first).body, as: UTF8.self)
        #expect(sent == Self.body(Self.tools, model: "large"))
        #expect(fixture.ledger.snapshot.settlements.first?.escalation.reason == "the SLM cannot take prefill")
        var settings = RouteSettings()
        settings.escalationForbidden = true
        let closed = Fixture(settings: settings, format: .tagged)
        let refused = try await Self.post(closed, Self.body(Self.tools))
        #expect(refused.status == .badRequest)
        #expect(MessagesEndpointTests.text(refused).contains("cannot take prefill, and the route may not escalate"))
    }

    @Test("A provider whose models begin another turn is not asked, and the client hears why")
    func untranslatable() async throws {
        for body in [Self.body(Self.tools), Self.body(model: "sim/large")] {
            let fixture = Self.closing(Fixture(scripts: [completion("3.")], format: .tagged))
            let response = try await Self.post(fixture, body)
            let text = MessagesEndpointTests.text(response)
            #expect(response.status == .badRequest && text.contains(#""param":"messages[1]""#), "\(text)")
            #expect(fixture.provider.calls.isEmpty && fixture.ledger.snapshot.reservations.isEmpty)
        }
        // Asked for a step or the rest such a model goes on all the same.
        let fixture = Self.closing(Self.fixture(completion("3."), .rest))
        let text = MessagesEndpointTests.text(try await Self.post(fixture, Self.body()))
        #expect(text.contains(#""text":" 3.""#))
    }

    @Test("In OpenAI's format an assistant's last message is a turn like any other")
    func openAI() async throws {
        let fixture = Fixture(scores: [0.99])
        let response = try await DirectAnswerTests.post(fixture, Self.body())
        #expect(response.status == .ok && DirectAnswerTests.text(response).contains("One."))
        let request = try #require(fixture.slm.requests.first)
        #expect(request.messages.map(\.role) == ["user", "assistant"] && request.answer.isEmpty)
    }
}
