import Foundation
import GatewayCore
import GatewayTesting
import Testing

@testable import Inference
@testable import WireFormat

/// `HeldSchema` says what llama.cpp's converter makes of a schema. Here the converter is asked: with another llama.cpp
/// it may make something else of it.
@Suite("What the grammars of schemas hold, by llama.cpp's own word")
struct HeldSchemaGrammarTests {
    /// A keyword in a schema, a text that it allows, and one that nothing but this keyword forbids.
    struct Sample: Sendable {
        /// As in `SchemaFields.held`; nil: a keyword of all types.
        var type: String?
        var keyword: String
        /// Of the keyword, as JSON.
        var value: String
        /// What else is in the schema, as JSON without its braces.
        var members: String
        var good: String
        var bad: String

        init(
            _ type: String?, _ keyword: String, _ value: String, beside members: String = "", good: String, bad: String
        ) {
            self.type = type
            self.keyword = keyword
            self.value = value
            self.members = members
            self.good = good
            self.bad = bad
        }

        var without: String { "{\(members)}" }
        var schema: String { "{\(members)\(members.isEmpty ? "" : ",")\"\(keyword)\":\(value)}" }
        var place: String { Self.place(type, keyword) }

        static func place(_ type: String?, _ keyword: String) -> String { "\(type ?? "all"): \(keyword)" }
    }

    private static let object = #""type":"object""#
    private static let two = object + #","properties":{"a":{},"b":{}}"#
    private static let array = #""type":"array""#
    private static let string = #""type":"string""#
    private static let integer = #""type":"integer""#

    static let samples: [Sample] = [
        Sample(
            "object", "properties", #"{"a":{"type":"null"}}"#, beside: object, good: #"{"a":null}"#, bad: #"{"a":1}"#),
        Sample("object", "properties", #"{"a":{}}"#, beside: object, good: #"{"a":1}"#, bad: #"{"b":1}"#),
        Sample("object", "required", #"["b"]"#, beside: two, good: #"{"b":1}"#, bad: #"{"a":1}"#),
        Sample("object", "required", #"["a","b"]"#, beside: two, good: #"{"a":1,"b":2}"#, bad: "{}"),
        Sample("object", "additionalProperties", "false", beside: object, good: "{}", bad: #"{"a":1}"#),
        Sample(
            "object", "additionalProperties", #"{"type":"string"}"#, beside: object, good: #"{"a":"x"}"#,
            bad: #"{"a":1}"#),
        Sample("any", "additionalProperties", #"{"type":"string"}"#, good: #"{"a":"x"}"#, bad: #"{"a":1}"#),
        Sample("array", "items", #"{"type":"null"}"#, beside: array, good: "[null, null]", bad: "[1]"),
        Sample("array", "items", #"[{"type":"null"},{}]"#, beside: array, good: "[null,1]", bad: "[1,null]"),
        Sample("array", "prefixItems", #"[{"type":"null"},{}]"#, beside: array, good: "[null,1]", bad: "[1,null]"),
        Sample("array", "prefixItems", #"[{}]"#, beside: array, good: "[1]", bad: "[1,2]"),
        Sample("array", "minItems", "2", beside: array, good: "[1,2]", bad: "[1]"),
        Sample("array", "maxItems", "2", beside: array, good: "[1,2]", bad: "[1,2,3]"),
        Sample("array", "maxItems", "0", beside: array, good: "[]", bad: "[1]"),
        Sample("string", "pattern", #""^[a-z]{2}$""#, beside: string, good: #""ab""#, bad: #""abc""#),
        Sample("string", "format", #""date""#, beside: string, good: #""2026-02-28""#, bad: #""2026-13-28""#),
        Sample("string", "format", #""time""#, beside: string, good: #""08:00:00Z""#, bad: #""8:00""#),
        Sample(
            "string", "format", #""date-time""#, beside: string, good: #""2026-02-28T08:00:00Z""#,
            bad: #""2026-02-28""#),
        Sample(
            "string", "format", #""uuid""#, beside: string, good: #""123e4567-e89b-12d3-a456-426614174000""#,
            bad: #""123e4567""#),
        Sample("any", "format", #""date""#, good: #""2026-02-28""#, bad: "1"),
        Sample("string", "minLength", "2", beside: string, good: #""ab""#, bad: #""a""#),
        Sample("string", "maxLength", "2", beside: string, good: #""\u00e9\n""#, bad: #""abc""#),
        Sample("integer", "minimum", "3", beside: integer, good: "12", bad: "2"),
        Sample("integer", "maximum", "3", beside: integer, good: "-12", bad: "4"),
        Sample("integer", "exclusiveMinimum", "3", beside: integer, good: "4", bad: "3"),
        Sample("integer", "exclusiveMaximum", "3", beside: integer, good: "2", bad: "3"),
        Sample(nil, "type", #""integer""#, good: "3", bad: "3.5"),
        Sample(nil, "type", #""number""#, good: "3.5", bad: "true"),
        Sample(nil, "type", #""boolean""#, good: "true", bad: "1"),
        Sample(nil, "type", #""null""#, good: "null", bad: "1"),
        Sample(nil, "type", #""object""#, good: "{}", bad: "[]"),
        Sample(nil, "type", #"["string","array"]"#, good: #""a""#, bad: "{}"),
        Sample(nil, "enum", #"["a",1,null]"#, good: "1", bad: "2"),
        Sample(nil, "const", #"{"a":[1]}"#, good: #"{"a":[1]}"#, bad: #"{"a":[2]}"#),
        Sample(nil, "anyOf", #"[{"type":"null"},{"type":"boolean"}]"#, good: "false", bad: "1"),
        Sample(nil, "oneOf", #"[{"type":"null"},{"type":"boolean"}]"#, good: "null", bad: "1"),
        Sample(
            nil, "allOf", #"[{"properties":{"a":{"type":"null"}}},{"properties":{"b":{}}}]"#,
            beside: #""required":["a","b"]"#, good: #"{"a":null,"b":1}"#, bad: #"{"a":1,"b":1}"#),
        Sample(nil, "allOf", #"[{"enum":["x"]}]"#, good: #""x""#, bad: #""y""#),
        Sample(
            nil, "$ref", ##""#/$defs/N""##, beside: ##""$defs":{"N":{"properties":{"n":{"$ref":"#/$defs/N"}}}}"##,
            good: #"{"n":{"n":{}}}"#, bad: #"{"n":1}"#),
    ]

    /// Bytes as the tokens of a model's vocabulary.
    private struct Speller {
        private static let firstByte: Int32 = 3
        private static let end: Int32 = 2
        private let model: GGUFModel

        init() throws {
            let file = FileManager.default.temporaryDirectory.appending(path: "bytes-\(UUID()).gguf")
            // Its weights are never read.
            var tiny = TinyModel()
            (tiny.width, tiny.heads, tiny.blocks, tiny.inner) = (16, 1, 1, 16)
            try tiny.file.write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            model = try GGUFModel(path: file.path(), onlyVocabulary: true)
            try #require(model.piece(Self.firstByte + 65) == [65] && model.endsAnswer(Self.end))
        }

        /// Whether an answer by the schema may be this text, from its first byte to its end.
        func allows(_ text: String, by schema: String) throws -> Bool {
            var sampling = Sampling()
            sampling.jsonSchema = schema
            do throws(LocalModelError) {
                let tokens = text.utf8.map { Self.firstByte + Int32($0) } + [Self.end]
                _ = try TokenSampler(sampling, answer: tokens, model: model)
                return true
            } catch {
                guard error == .invalid("grammar does not allow the answer so far") else { throw error }
                return false
            }
        }
    }

    /// What `HeldSchema` says that a grammar leaves out.
    private static func obstacle(_ schema: String) throws -> String? {
        HeldSchema.obstacle(in: try JSONDocument(Array(schema.utf8)).root)
    }

    @Test("Each keyword that is held is kept to, and it alone forbids what it forbids")
    func kept() throws {
        let speller = try Speller()
        for sample in Self.samples {
            let (schema, inner) = (sample.schema, #"{"type":"array","items":\#(sample.schema)}"#)
            #expect(try Self.obstacle(schema) == nil, "\(schema)")
            #expect(try speller.allows(sample.good, by: schema), "\(schema)")
            #expect(try !speller.allows(sample.bad, by: schema), "\(schema)")
            #expect(try speller.allows(sample.bad, by: sample.without), "\(sample.without)")
            // References are from the root.
            guard sample.keyword != "$ref" else { continue }
            #expect(try speller.allows("[\(sample.good)]", by: inner), "\(inner)")
            #expect(try !speller.allows("[\(sample.bad)]", by: inner), "\(inner)")
        }
    }

    @Test("Each keyword is one that a sample shows to be held, or has the schema sent to the LLM")
    func complete() throws {
        let shown = Set(Self.samples.map(\.place))
        for (type, keywords) in SchemaFields.held {
            // Taken where it is false, which says nothing.
            for keyword in keywords where keyword != "uniqueItems" {
                #expect(shown.contains(Sample.place(type, keyword)), "\(type) \(keyword)")
            }
        }
        #expect(try Self.obstacle(#"{"type":"array","uniqueItems":true}"#) == "uniqueItems")
        for keyword in SchemaFields.general where !shown.contains(Sample.place(nil, keyword)) {
            #expect(try Self.obstacle(#"{"\#(keyword)":{}}"#) == keyword)
        }
        for (type, keywords) in SchemaFields.byType {
            for own in type == "number" ? ["number", "integer"] : [type] {
                for keyword in keywords.subtracting(SchemaFields.held[own] ?? []) {
                    #expect(try Self.obstacle(#"{"type":"\#(own)","\#(keyword)":1}"#) == keyword)
                }
            }
        }
    }

    @Test(
        "A pattern that is held is kept to",
        arguments: [
            ("^[0-9]{3}$", ["012"], ["01", "0123", "0x2"]), ("^$", [""], ["a"]),
            ("^(?:ab|c)+$", ["ab", "cabc"], ["", "a", "abb"]), ("^[A-Z]{2,4}-[0-9]+$", ["AB-1"], ["A-1", "AB-"]),
            ("^[a-z0-9_-]{1,}$", ["a-_9"], ["", "A"]), ("^ab?$", ["a", "ab"], ["", "b", "abb"]),
            ("^ab+$", ["ab", "abb"], ["a", "abab"]), ("^é$", ["é"], ["e"]), ("^[é-ü]*$", ["éü"], ["z"]),
            (#"^[0-9]+(\\.[0-9]+)?$"#, ["1", "1.5"], ["1.", "1x5", ".5"]), (#"^\\.?x$"#, ["x", ".x"], ["y", "xx"]),
            (#"^\\(x\\)$"#, ["(x)"], ["x"]), (#"^[\\]\\-a]*$"#, ["a]-"], ["b"]), ("^(a|)$", ["a", ""], ["aa"]),
        ])
    func patterns(pattern: String, good: [String], bad: [String]) throws {
        let schema = #"{"type":"string","pattern":"\#(pattern)"}"#
        #expect(try Self.obstacle(schema) == nil)
        let speller = try Speller()
        for text in good { #expect(try speller.allows("\"\(text)\"", by: schema), "\(text)") }
        for text in bad + [#"\u0061"#] { #expect(try !speller.allows("\"\(text)\"", by: schema), "\(text)") }
    }

    @Test(
        "The bounds of an integer are kept to wherever they are held",
        arguments: [
            (-120, nil), (-9, nil), (0, nil), (7, nil), (10, nil), (19, nil), (98, nil), (118, nil), (nil, 0),
            (nil, 9), (nil, 120), (-12, 8), (-120, -12), (0, 0), (5, 21), (98, 102), (1, 1000),
        ] as [(Int?, Int?)])
    func integers(least: Int?, most: Int?) throws {
        let bounds = [least.map { #","minimum":\#($0)"# }, most.map { #","maximum":\#($0)"# }].compactMap { $0 }
        let schema = #"{"type":"integer"\#(bounds.joined())}"#
        #expect(try Self.obstacle(schema) == nil)
        let speller = try Speller()
        for bound in [least, most].compactMap({ $0 }) { #expect(try speller.allows("\(bound)", by: schema)) }
        let near = [least, most, 0, 10, 100].compactMap { $0 }.flatMap { [$0 - 1, $0 + 1, -$0, $0 * 10] }
        for number in Set(near) where number < least ?? .min || number > most ?? .max {
            #expect(try !speller.allows("\(number)", by: schema), "\(number)")
        }
        #expect(try !speller.allows("01", by: schema) && !speller.allows("1.5", by: schema))
    }
}
