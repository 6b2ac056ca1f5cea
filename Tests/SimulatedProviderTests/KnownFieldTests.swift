import Foundation
import Testing

@testable import SimulatedProvider

@Suite("A field that a format does not have is refused by name")
struct KnownFieldTests {
    private static func complaint<Body: Decodable>(_ type: Body.Type) -> String? {
        do {
            _ = try JSONDecoder().decode(type, from: Data(#"{"nonsense":1}"#.utf8))
            return nil
        } catch { return (error as? ChatRequest.Invalid)?.message }
    }

    @Test("in each provider's own words")
    func refused() {
        #expect(Self.complaint(MessagesBody.self) == "nonsense: Extra inputs are not permitted")
        #expect(Self.complaint(ConverseBody.self) == "Unknown field nonsense")
        #expect(
            Self.complaint(GeminiBody.self) == "Invalid JSON payload received. Unknown name \"nonsense\"")
    }

    @Test(
        "Claude on Bedrock refuses a budget where it thinks by itself, one below its least, and a blank stop text",
        arguments: [
            ("us.anthropic.claude-opus-4-6-v1", "enabled", 2048, "a", "thinking.type"),
            ("us.anthropic.claude-opus-4-6-v1", "adaptive", 0, "a", nil),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", "enabled", 2048, "a", nil),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", "adaptive", 0, "a", "thinking.type"),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", "enabled", 1023, "a", "thinking.budget_tokens"),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", "enabled", 4000, "a", "thinking.budget_tokens"),
            ("us.anthropic.claude-opus-4-6-v1", "disabled", 0, "\\n", "stop_sequences"),
            ("sim-large", "enabled", 0, "\\n", nil),
        ] as [(String, String, Int, String, String?)])
    func claude(model: String, thinking: String, budget: Int, stop: String, field: String?) throws {
        let body = """
            {"messages":[{"role":"user","content":[{"text":"x"}]}],
             "inferenceConfig":{"maxTokens":4000,"stopSequences":["\(stop)"]},
             "additionalModelRequestFields":{"thinking":{"type":"\(thinking)","budget_tokens":\(budget)}}}
            """
        let wire = SimulatedWire.converse(model: model, isStream: false)
        do {
            let request = try wire.read(Data(body.utf8))
            #expect(field == nil && request.model == model && request.isThinking == (thinking != "disabled"))
        } catch {
            let complaint = try #require((error as? ChatRequest.Invalid)?.message)
            #expect(field.map { complaint.hasPrefix($0 + ":") } == true, "\(complaint)")
        }
    }
}
