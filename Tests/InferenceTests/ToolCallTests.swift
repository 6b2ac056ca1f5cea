import Foundation
import GatewayCore
import GatewayTesting
import Inference
import Testing

@Suite("How chat templates call tools") struct ToolCallFormatTests {
    @Test("Known forms are found out from the template alone, others are not guessed at")
    func forms() throws {
        let directory = try EngineFixture.samples() + "/templates"
        var found: [String: ToolCallFormat] = [:]
        for file in try FileManager.default.contentsOfDirectory(atPath: directory) where file.hasSuffix(".jinja") {
            let source = try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8)
            let renderer = try ChatRenderer(source: source, bos: "<s>", eos: "</s>")
            found[file] = ToolCallProbe.format(of: renderer)
        }
        let tagged = found.filter { $0.value == .tagged }.keys.sorted()
        let plain = found.filter { $0.value == .plain }.keys.sorted()
        print("templates that call tools: tagged \(tagged.count) \(tagged), plain \(plain.count) \(plain)")
        for name in ["Qwen-Qwen2.5-7B", "Qwen-Qwen3-0.6B", "Hermes-3-Llama", "Hermes-2-Pro", "QwQ"] {
            #expect(tagged.contains { $0.contains(name) }, "\(name)")
        }
        for name in ["Llama-3.1", "Llama-3.2", "Llama-3.3"] {
            #expect(plain.contains { $0.hasPrefix("meta-llama-\(name)") }, "\(name)")
        }
        for name in ["gemma-2", "Qwen3-Coder", "Mistral-Nemo", "Phi-3.5", "gpt-oss", "DeepSeek"] {
            #expect(!(tagged + plain).contains { $0.contains(name) }, "\(name)")
        }
    }

    @Test("Tools and calls with an object of too many members are refused unread: llama.cpp's JSON is slow with them")
    func wide() throws {
        func object(_ count: Int) -> String {
            "{" + (0..<count).map { #""k\#($0)": {"a": ":"}"# }.joined(separator: ", ") + "}"
        }
        let renderer = try ChatRenderer(source: "{{ messages[0]['content'] }}", bos: "", eos: "")
        var message = ChatMessage(role: "user", content: "x")
        #expect(try renderer.render([message], tools: "[\(object(1000))]").map(\.text).joined() == "x")
        #expect(throws: LocalModelError.invalid("chat template refuses: tools: an object has more than 1000 members")) {
            try renderer.render([message], tools: "[\(object(1001))]")
        }
        message.toolCalls = "[\(object(1001))]"
        #expect(throws: LocalModelError.self) { try renderer.render([message]) }
    }
}

extension HostTests {
    @Suite("Calls of tools by a real host") struct ToolCallHostTests {
        @Test("A host says how its template calls tools, renders them, and makes a call that must be made")
        func call() async throws {
            let files = try TinyModels()
            defer { files.remove() }
            var tiny = TinyModel()
            tiny.context = 4096
            tiny.template = try String(
                contentsOfFile: EngineFixture.samples() + "/templates/Qwen-Qwen2.5-7B-Instruct.jinja",
                encoding: .utf8)
            let record = try files.record("tools", tiny.file)
            var settings = try TinyModels.settings()
            settings.contextTokens = 4096
            try await EngineFixture.withModels(settings) { models in
                let model = try await models.slm(record)
                #expect(try await model.toolCallFormat() == .tagged)
                var request = DraftRequest(asking: "ab", maxTokens: 200)
                let without = try await model.draft(request).promptTokens
                request.tools = ChatTemplateTests.tools
                request.sampling.jsonSchema = """
                    {"anyOf": [{"type": "object", "properties": {"name": {"const": "weather"}, "arguments": {"type": \
                    "object", "properties": {"days": {"type": "boolean"}}, "required": ["days"]}}, \
                    "required": ["name", "arguments"]}]}
                    """
                let draft = try await model.draft(request)
                #expect(draft.promptTokens > without + 300)
                let call = try JSONSerialization.jsonObject(with: Data(draft.text.utf8)) as? [String: Any]
                #expect(call?["name"] as? String == "weather" && draft.end == .answer, "\(draft.text)")
                #expect((call?["arguments"] as? [String: Any])?["days"] is Bool)
            }
            let bare = try files.record("bare", TinyModel().file)
            try await EngineFixture.withModels(try TinyModels.settings()) { models in
                let format = try await models.slm(bare).toolCallFormat()
                #expect(format == nil)
            }
        }
    }
}
