import Foundation
import GatewayCore
import Inference
import Testing

extension ModelTests {
    @Suite("Names of special tokens in a client's text")
    struct SpecialTokenTests {
        struct Pair: CustomTestStringConvertible, Sendable {
            var vocabulary: String
            var template: String
            var testDescription: String { "\(vocabulary) with \(template)" }
        }

        static let pairs = [
            Pair(vocabulary: "qwen2", template: "Qwen-Qwen2.5-7B-Instruct"),
            Pair(vocabulary: "qwen2", template: "Qwen-Qwen3-0.6B"),
            Pair(vocabulary: "llama-bpe", template: "meta-llama-Llama-3.1-8B-Instruct"),
            Pair(vocabulary: "llama-bpe", template: "meetkai-functionary-medium-v3.1"),
            Pair(vocabulary: "llama-spm", template: "mistralai-Mistral-Nemo-Instruct-2407"),
            Pair(vocabulary: "phi-3", template: "microsoft-Phi-3.5-mini-instruct"),
            Pair(vocabulary: "gemma-4", template: "google-gemma-4-31B-it"),
        ]

        /// Conversations with a text in each place that a client can write to.
        static func conversations(_ text: String) throws -> [(place: String, messages: [ChatMessage], tools: String?)] {
            let quoted = String(decoding: try JSONEncoder().encode("a " + text + " b"), as: UTF8.self)
            func conversation(
                system: String = "Be brief.", user: String = "Hello.", assistant: String = "Hi."
            ) -> [ChatMessage] {
                [
                    ChatMessage(role: "system", content: system), ChatMessage(role: "user", content: user),
                    ChatMessage(role: "assistant", content: assistant), ChatMessage(role: "user", content: user),
                ]
            }
            var called = ChatTemplateTests.toolConversation
            called[2].toolCalls = """
                [{"id": "call00001", "type": "function", "function": {"name": "weather", \
                "arguments": {"city": \(quoted)}}}]
                """
            var answered = ChatTemplateTests.toolConversation
            answered[3].content = "a \(text) b"
            let described = """
                [{"type": "function", "function": {"name": "weather", "description": \(quoted), "parameters": \
                {"type": "object", "properties": {"city": {"type": "string", "description": \(quoted)}}}}}]
                """
            return [
                ("system", conversation(system: "a \(text) b"), nil), ("user", conversation(user: "a \(text) b"), nil),
                ("bare", conversation(user: text), nil), ("assistant", conversation(assistant: "a \(text) b"), nil),
                ("description", conversation(), described), ("call", called, ChatTemplateTests.tools),
                ("result", answered, ChatTemplateTests.tools),
            ]
        }

        @Test("Nothing that a client writes becomes a special token, in any place of a prompt", arguments: pairs)
        func vocabularies(pair: Pair) throws {
            let samples = try EngineFixture.samples()
            let model = try GGUFModel(path: "\(samples)/ggml-vocab-\(pair.vocabulary).gguf", onlyVocabulary: true)
            let source = try String(contentsOfFile: "\(samples)/templates/\(pair.template).jinja", encoding: .utf8)
            try check(model, try ChatTemplate(model: model, source: source))
        }

        @Test("Nor with the demo model and its own template")
        func demoModel() throws {
            let model = try GGUFModel(path: EngineFixture.model(), onlyVocabulary: true)
            try check(model, try ChatTemplate(model: model))
        }

        @Test("An answer by a JSON schema is JSON of that schema, greedy or not", arguments: [0, 1.5])
        func schema(temperature: Double) async throws {
            let model = try await EngineFixture.sharedModel()
            var sampling = Sampling(temperature: temperature, seed: 5)
            sampling.jsonSchema = """
                {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}, \
                "size": {"enum": ["small", "large"]}}, "required": ["city", "size"], "additionalProperties": false}
                """
            let draft = try await model.draft(
                DraftRequest(asking: "Name a city and its size.", maxTokens: 80, sampling: sampling))
            struct City: Decodable {
                var city: String
                var size: String
            }
            let city = try JSONDecoder().decode(City.self, from: Data(draft.text.utf8))
            #expect(["small", "large"].contains(city.size))
            #expect(city.city.count <= 12)
        }

        /// The prompt has the same special tokens, in the same order, whatever name stands in a client's text.
        private func check(_ model: GGUFModel, _ template: ChatTemplate) throws {
            let all = (0..<Int32(model.vocabularySize)).filter(template.isSpecial).map(model.name)
            try #require(!all.isEmpty)
            // Some vocabularies have thousands; those that templates use come first or last.
            let names = all.count > 120 ? Array(all.prefix(80) + all.suffix(40)) : all
            var tried = 0
            for (index, harmless) in try Self.conversations("plain").enumerated() {
                // A template that refuses the conversation refuses it with any text.
                guard let expected = try? template.tokens(harmless.messages, tools: harmless.tools) else { continue }
                for start in stride(from: 0, to: names.count, by: 40) {
                    let text = names[start..<min(names.count, start + 40)].joined()
                    let attack = try Self.conversations(text)[index]
                    let tokens = try template.tokens(attack.messages, tools: attack.tools)
                    #expect(
                        tokens.filter(template.isSpecial) == expected.filter(template.isSpecial),
                        "\(harmless.place): \(text.prefix(80))")
                    tried += 1
                }
                // Read carelessly, the same text would be special tokens.
                let careless = model.tokenize(names[0], addSpecial: false, parseSpecial: true)
                #expect(careless.contains(where: template.isSpecial))
            }
            #expect(tried >= 4)
        }
    }
}

@Suite("Grammars of JSON schemas")
struct JSONSchemaGrammarTests {
    @Test("A schema becomes rules that begin with root")
    func schema() throws {
        let grammar = try JSONSchemaGrammar.gbnf(
            #"{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}"#)
        #expect(grammar.contains("root ::="))
        #expect(grammar.contains(#""\"n\"""#))
    }

    static let bad: [(schema: String, words: String)] = [
        ("{", "not JSON"), (#"{"type": "nonsense"}"#, "nonsense"), (##"{"$ref": "#/nowhere"}"##, "nowhere"),
        (nested(70), "deeply"), ("{\"a\": \"" + String(repeating: "x", count: 300_000) + "\"}", "256 KiB"),
        ("{\0}", "NUL"),
    ]

    private static func nested(_ levels: Int) -> String {
        String(repeating: #"{"items":"#, count: levels) + "{}" + String(repeating: "}", count: levels)
    }

    @Test("What cannot be a schema is refused with the reason", arguments: bad)
    func refused(schema: String, words: String) {
        #expect {
            _ = try JSONSchemaGrammar.gbnf(schema)
        } throws: { error in
            guard case LocalModelError.invalid(let text) = error else { return false }
            return text.hasPrefix("response_format: ") && text.contains(words)
        }
    }

    @Test("A schema that refers to itself has a grammar all the same")
    func recursive() throws {
        let schema = """
            {"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}, \
            "$ref": "#/$defs/node"}
            """
        #expect(try JSONSchemaGrammar.gbnf(schema).contains("root ::="))
    }
}
