import Foundation
import GatewayCore
import Inference
import Testing

@Suite("Chat templates against Jinja2")
struct ChatTemplateTests {
    private static let python = ProcessInfo.processInfo.environment["GBOOST_PYTHON"]
    private static let now: Int64 = 1_795_000_000
    /// Of the templates that llama.cpp's sources carry, so many at least must come out as Jinja2 renders them.
    private static let minEqual = 55

    static let tools = """
        [{"type": "function", "function": {"name": "weather", "description": "Weather of a city, \\"now\\"", \
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Name of it"}, \
        "days": {"type": "integer"}}, "required": ["city"]}}}]
        """
    static let conversation = [
        ChatMessage(role: "system", content: "You answer in the style of a pirate."),
        ChatMessage(role: "user", content: "What is 7 × 6?"),
        ChatMessage(role: "assistant", content: "Forty-two, arr!\nAnd \"that\" is it."),
        ChatMessage(role: "user", content: "And  8 × 6? Don't guess <or> do."),
        ChatMessage(role: "assistant", content: "Forty-eight."),
        ChatMessage(role: "user", content: "Their sum?"),
    ]
    static let toolConversation: [ChatMessage] = {
        var call = ChatMessage(role: "assistant", content: "")
        call.toolCalls = """
            [{"id": "call00001", "type": "function", "function": {"name": "weather", \
            "arguments": "{\\"city\\": \\"Zürich\\", \\"days\\": 2}"}}]
            """
        var result = ChatMessage(role: "tool", content: "{\"sky\": \"grey\"}")
        result.toolCallID = "call00001"
        result.name = "weather"
        return [
            ChatMessage(role: "system", content: "You answer in the style of a pirate."),
            ChatMessage(role: "user", content: "How is it in Zürich?"), call, result,
        ]
    }()

    struct Case {
        var name: String
        var messages: [ChatMessage]
        var tools: String?
        var needles: [String]
    }

    static let cases = [
        Case(
            name: "three turns", messages: conversation,
            needles: ["style of a pirate", "What is 7", "that", "And  8", "Forty-eight.", "Their sum?"]),
        Case(
            name: "tools", messages: toolConversation, tools: tools,
            needles: ["style of a pirate", "How is it", "weather", "Name of it", "Zürich", "grey"]),
        Case(
            name: "tools, first question", messages: Array(toolConversation.prefix(2)), tools: tools,
            needles: ["style of a pirate", "How is it", "weather", "Name of it"]),
    ]

    @Test(
        "Fifty-five families and more come out byte for byte: system prompt, three turns, tools",
        .enabled(if: python != nil, "GBOOST_PYTHON names no Python with Jinja2: ops/test installs one"))
    func families() async throws {
        let directory = try EngineFixture.samples() + "/templates"
        let expected = try await Self.rendered(directory)
        var equal = Array(repeating: 0, count: Self.cases.count)
        var known = Array(repeating: 0, count: Self.cases.count)
        var whole = 0
        for (file, texts) in expected.sorted(by: { $0.key < $1.key }) {
            var isWhole = true
            let source = try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8)
            for (index, (item, text)) in zip(Self.cases, texts).enumerated() {
                // A template that has no tools leaves them out, and one that Jinja2 cannot render tells nothing.
                guard let text else { continue }
                known[index] += 1
                let ours = Self.ours(source, item)
                if ours == text {
                    equal[index] += 1
                } else {
                    isWhole = false
                    print("differs: \(file), \(item.name): \(Self.difference(ours, text))")
                }
            }
            if isWhole, texts.contains(where: { $0 != nil }) { whole += 1 }
        }
        for (index, item) in Self.cases.enumerated() {
            print("chat templates, \(item.name): \(equal[index]) of \(known[index]) as Jinja2 renders them")
            #expect(equal[index] >= Self.minEqual)
        }
        print("chat templates: \(whole) of \(expected.count) families equal in every case")
        #expect(whole >= Self.minEqual)
    }

    private static func ours(_ source: String, _ item: Case) -> String {
        do {
            let renderer = try ChatRenderer(source: source, bos: "<s>", eos: "</s>")
            let parts = try renderer.render(
                item.messages, tools: item.tools, arguments: ChatTemplate.arguments, now: now)
            return parts.map(\.text).joined()
        } catch {
            return "\(error)"
        }
    }

    private static func difference(_ ours: String, _ theirs: String) -> String {
        let common = zip(ours.unicodeScalars, theirs.unicodeScalars).prefix { $0 == $1 }.count
        func rest(_ text: String) -> String {
            String(String.UnicodeScalarView(text.unicodeScalars.dropFirst(max(0, common - 20)).prefix(90)))
        }
        return "ours \(rest(ours).debugDescription), Jinja2 \(rest(theirs).debugDescription)"
    }

    private static func rendered(_ directory: String) async throws -> [String: [String?]] {
        let request: [String: Any] = [
            "directory": directory, "now": now, "bos": "<s>", "eos": "</s>",
            "arguments": try JSONSerialization.jsonObject(with: Data(ChatTemplate.arguments.utf8)),
            "cases": cases.map { item in
                [
                    "messages": item.messages.map(openAI), "needles": item.needles,
                    "tools": item.tools ?? "",
                ]
            },
        ]
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scripts/render_templates.py")
        let output = try await EngineFixture.run(
            python ?? "python3", [script.path], input: JSONSerialization.data(withJSONObject: request))
        return try JSONDecoder().decode([String: [String?]].self, from: output)
    }

    private static func openAI(_ message: ChatMessage) -> [String: Any] {
        var object: [String: Any] = ["role": message.role, "content": message.content]
        if let calls = message.toolCalls { object["tool_calls"] = calls }
        if let id = message.toolCallID { object["tool_call_id"] = id }
        if let name = message.name { object["name"] = name }
        return object
    }
}
