import Foundation
import Testing
import WireFormat

@testable import Providers

@Suite("Marks of a prompt, as Bedrock is told of them")
struct CachePointTests {
    private static let model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    private static let mark = #""cache_control":{"type":"ephemeral"}"#
    private static let point = #"{"cachePoint":{"type":"default"}}"#
    private static let plain = #"{"role":"user","content":"x"}"#

    private static func sent(_ messages: String, _ rest: String = "", model: String = model) throws -> String {
        let body = #"{"model":"m","messages":[\#(messages)]\#(rest.isEmpty ? "" : ",")\#(rest)}"#
        return String(decoding: try ConverseRequest.body(Array(body.utf8), model: model), as: UTF8.self)
    }
    private static func points(_ text: String) -> Int { text.components(separatedBy: "cachePoint").count - 1 }

    @Test("Marks of Anthropic's clients arrive where they stood, each with its time")
    func anthropic() throws {
        let body = """
            {"model":"m","max_tokens":9,
             "tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral","ttl":"1h"}}],
             "system":[{"type":"text","text":"r"},{"type":"text","text":"s",\(Self.mark)}],
             "messages":[{"role":"user","content":[{"type":"image","source":
              {"type":"base64","media_type":"image/png","data":"QUJD"},\(Self.mark)},{"type":"text","text":"u"}]},
              {"role":"assistant","content":[{"type":"text","text":"a"},
               {"type":"tool_use","id":"t","name":"f","input":{}}]},
              {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"y",\(Self.mark)}]}]}
            """
        let expected = """
            {"system":[{"text":"r"},{"text":"s"},\(Self.point)],
             "messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"QUJD"}}},\(Self.point),
               {"text":"u"}]},
              {"role":"assistant","content":[{"text":"a"},{"toolUse":{"toolUseId":"t","name":"f","input":{}}}]},
              {"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[{"text":"y"}]}},\(Self.point)]}],
             "inferenceConfig":{"maxTokens":9},
             "toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}},
              {"cachePoint":{"type":"default","ttl":"1h"}}]}}
            """
        let chat = try MessagesToChat.body(MessagesRequest(Array(body.utf8)), keepsThinking: true)
        #expect(try object(ConverseRequest.body(chat, model: Self.model)) == object(expected.utf8))
    }

    @Test("The mark of a whole request of Anthropic's stands behind its last item")
    func whole() throws {
        let body = #"{"model":"m","max_tokens":9,\#(Self.mark),"messages":[\#(Self.plain)]}"#
        let chat = try MessagesToChat.body(MessagesRequest(Array(body.utf8)), keepsThinking: true)
        let text = String(decoding: try ConverseRequest.body(chat, model: Self.model), as: UTF8.self)
        #expect(text.contains(#""content":[{"text":"x"},\#(Self.point)]"#), "\(text)")
    }

    private static let calls =
        #""tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]"#
    private static let use = #"{"toolUse":{"toolUseId":"c","name":"f","input":{}}}"#

    @Test(
        "Marks in OpenAI's format: on a part, or on a message for its last one",
        arguments: [
            (#"{"role":"user","content":"u",\#(mark)}"#, #"{"text":"u"},\#(point)]"#),
            (
                #"{"role":"user","content":[{"type":"text","text":"u",\#(mark)},{"type":"text","text":"v"}]}"#,
                #"{"text":"u"},\#(point),{"text":"v"}]"#
            ),
            (
                #"{"role":"user","content":[{"type":"text","text":"u"},{"type":"text","text":"v"}],\#(mark)}"#,
                #"{"text":"u"},{"text":"v"},\#(point)]"#
            ),
            // The part's own comes first.
            (
                #"{"role":"user","content":[{"type":"text","text":"u",\#(mark)}],"#
                    + #""cache_control":{"type":"ephemeral","ttl":"1h"}}"#, #"{"text":"u"},\#(point)]"#
            ),
            (
                #"{"role":"system","content":"r"},{"role":"system","content":"s",\#(mark)}"#,
                #""system":[{"text":"r"},{"text":"s"},\#(point)]"#
            ),
            (
                #"{"role":"assistant","content":"a",\#(calls),\#(mark)}"#,
                #"[{"text":"a"},\#(point),\#(use)]"#
            ),
            (#"{"role":"assistant","content":null,\#(calls),\#(mark)}"#, #"[\#(use),\#(point)]"#),
            (
                #"{"role":"assistant",\#(calls)},{"role":"tool","tool_call_id":"c","content":"r",\#(mark)}"#,
                #"{"toolResult":{"toolUseId":"c","content":[{"text":"r"}]}},\#(point)"#
            ),
        ])
    func openAI(messages: String, expected: String) throws {
        let text = try Self.sent(Self.plain + "," + messages)
        #expect(text.contains(expected) && Self.points(text) == 1, "\(text)")
        // Google's models are asked for nothing of the kind.
        let body = #"{"model":"m","messages":[\#(Self.plain),\#(messages)]}"#
        let unmarked = body.replacingOccurrences(of: ",\(Self.mark)", with: "")
            .replacingOccurrences(of: #","cache_control":{"type":"ephemeral","ttl":"1h"}"#, with: "")
        let gemini = try GeminiRequest.body(Array(body.utf8), model: "gemini-2.5-pro")
        #expect(try gemini == GeminiRequest.body(Array(unmarked.utf8), model: "gemini-2.5-pro"))
    }

    @Test("There are four at most, the last ones; a tool that may not be called takes none of them")
    func most() throws {
        let parts = (1...5).map { #"{"type":"text","text":"\#($0)",\#(Self.mark)}"# }.joined(separator: ",")
        let tool = #""tools":[{"type":"function","function":{"name":"f"},\#(Self.mark)}]"#
        let messages = #"{"role":"system","content":"s",\#(Self.mark)},{"role":"user","content":[\#(parts)]}"#
        let text = try Self.sent(messages, tool)
        #expect(Self.points(text) == 4 && text.contains(#"[{"text":"1"},{"text":"2"},\#(Self.point)"#), "\(text)")
        let three = #"{"role":"system","content":"s",\#(Self.mark)},{"role":"user","content":"u",\#(Self.mark)}"#
        #expect(Self.points(try Self.sent(three, tool)) == 3)
        #expect(Self.points(try Self.sent(three, tool + #","tool_choice":"none""#)) == 2)
    }

    @Test(
        "Models that know no marks are told of none, since Bedrock refuses the whole request for one",
        arguments: [
            (model, 3, true), ("anthropic.claude-opus-5-v1:0", 3, true),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", 3, false),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", 3, false),
            ("anthropic.claude-3-haiku-20240307-v1:0", 0, false),
            ("us.amazon.nova-pro-v1:0", 1, false), ("us.meta.llama3-3-70b-instruct-v1:0", 0, false),
            ("openai.gpt-oss-120b-1:0", 0, false),
            ("arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc", 3, true),
        ])
    func models(model: String, count: Int, knowsHour: Bool) throws {
        let hour = #""cache_control":{"type":"ephemeral","ttl":"1h"}"#
        let messages =
            #"{"role":"user","content":"u",\#(hour)},{"role":"assistant",\#(Self.calls)},"#
            + #"{"role":"tool","tool_call_id":"c","content":"r",\#(hour)}"#
        let text = try Self.sent(
            messages, #""tools":[{"type":"function","function":{"name":"f"},\#(hour)}]"#, model: model)
        #expect(Self.points(text) == count, "\(text)")
        #expect(text.contains(#""ttl":"1h""#) == knowsHour)
    }
}
