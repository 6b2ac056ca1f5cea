import GatewayCore
import Inference
import Testing

@Suite("Schemas and grammars that would hold up an engine host")
struct GrammarBoundsTests {
    struct Sample: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var text: String
        var words: String
    }

    private static func sample(_ name: String, _ text: String, _ words: String) -> Sample {
        Sample(testDescription: name, text: text, words: words)
    }

    private static func many(_ range: Range<Int>, by separator: String = ",", _ text: (Int) -> String) -> String {
        range.map(text).joined(separator: separator)
    }

    private static func longName(_ letter: String, _ count: Int) -> String {
        let name = String(repeating: letter, count: count)
        return #"{"type":"object","properties":{"\#(name)":{}},"additionalProperties":true}"#
    }

    private static func optional(_ count: Int) -> String {
        #"{"type":"object","properties":{\#(many(0..<count) { #""p\#($0)":{"type":"string"}"# })}}"#
    }

    /// Each of `count` definitions has the next one in two places.
    static func doubling(_ count: Int, _ part: (String) -> String) -> String {
        let definitions = many(0..<count) { index in
            let next = ##"{"$ref":"#/$defs/a\##(index + 1)"}"##
            return #""a\#(index)":"# + part(next + "," + next)
        }
        return ##"{"$defs":{\##(definitions),"a\##(count)":{"type":"string"}},"$ref":"#/$defs/a0"}"##
    }

    private static func chain(_ count: Int, _ rule: (Int) -> String) -> String {
        "root ::= a0\n\(many(0..<count, by: "\n", rule))\na\(count) ::= \"x\""
    }

    private static let merged = ##"{"type":"object","properties":{"p":{"allOf":[{"$ref":"#/$defs/a"}]}}}"##

    static let grammars: [Sample] = [
        sample(
            "more at least than at most", #"root ::= "\"" char{5,3}\#nchar ::= [a-z]"#, "at least 5 and at most 3"),
        sample("with blanks between", "root ::= \"a\" ( \"b\" { 7 ,\n 2 } )", "at least 7 and at most 2"),
        sample("an integer's digits", "root ::= [1] ([0-9]{17,15})", "at least 17 and at most 15"),
        sample("a number beyond all", "root ::= \"a\"{99999999999999999999999,1}", "more than 2000"),
        sample("behind a comment", "# it's \"\r\nroot ::= \"a\"{5,3}", "at least 5"),
        sample("behind a token's name", "root ::= <\"> \"a\"{5,3}", "at least 5"),
        sample("too many together", "root ::= " + many(0..<400, by: " ") { _ in "\"a\"{0,1999}" }, "repeats too much"),
        sample("a long text", "root ::= \"" + String(repeating: "a", count: 2000) + "\"{2000}", "repeats too much"),
        sample("left recursion", "root ::= a\na ::= b | \"x\"\nb ::= a \"y\"", "begins with itself"),
        sample(
            "left recursion behind what may be empty", "root ::= b root \"x\" | \"y\"\nb ::= c c\nc ::= | \"z\"",
            "begins with itself"),
        sample(
            "references that double",
            chain(41) { "a\($0) ::= a\($0 + 1) | a\($0 + 1)" }, "ways to begin"),
        sample(
            "a long chain",
            chain(2000) { "a\($0) ::= a\($0 + 1)" }, "one behind the other"),
        sample(
            "empty things by the million", "root ::= \"x\" a{1000}\na ::= b{1000}\nb ::= \"y\"?", "may be left out"),
    ]

    @Test("A grammar that llama.cpp could not end with is refused with the reason", arguments: grammars)
    func grammar(sample: Sample) throws {
        let problem = try #require(GrammarText.problem(sample.text))
        #expect(problem.contains(sample.words), "\(problem)")
    }

    @Test(
        "Braces in literals, ranges and comments are none, and usual repetitions are taken",
        arguments: [
            #"root ::= "{5,3}" [{5,3}] "\"{5,3}" [\]{5,3}] # {5,3}"#,
            "root ::= [a-z]{2,8} [0-9]{3} \"x\"{0,4000} .{2,}",
            "root ::= (\"a\" |\n  \"b\" )* \"c\"? <[5]> !<[6]>\r\n# the end",
            "root ::= value\nvalue ::= \"[\" value? \"]\"",
            "root ::= \"a\"{0,0} \"\" ( ) \"b\"+", "root ::= | \" \" | \"\\n\"{1,2} [ \\t]{0,20}",
        ])
    func usualGrammar(text: String) {
        #expect(GrammarText.problem(text) == nil)
    }

    static let schemas: [Sample] = [
        sample(
            "references that double in allOf",
            doubling(40) { #"{"type":"object","properties":{"p":{"allOf":[\#($0)]}}}"# }, "parts"),
        sample(
            "allOf of itself", ##"{"$defs":{"a":{"$ref":"#/$defs/a"}},"allOf":[{"$ref":"#/$defs/a"}]}"##,
            "refers to itself"),
        sample(
            "allOf in its own property", ##"{"$defs":{"a":\##(merged)},"$ref":"#/$defs/a"}"##, "refers to itself"),
        sample("80,000 letters", longName("a", 80_000), "1024 bytes"),
        sample("40,000 underscores", longName("_", 40_000), "1024 bytes"),
        sample("a long $ref", ##"{"$ref":"#/\##(String(repeating: "_", count: 40_000))"}"##, "1024 bytes"),
        sample("a $ref to nothing", ##"{"$ref":"#/nowhere"}"##, "#/nowhere"),
        sample("250 optional properties", optional(250), "200 properties"),
        sample("1100 properties", optional(1100), "1000 members"),
        sample(
            "types that multiply",
            String(repeating: #"{"type":["array","array","array","array"],"items":"#, count: 20) + "{}"
                + String(repeating: "}", count: 20), "parts"),
        sample("many alternatives", #"{"anyOf":[\#(many(0..<2500) { _ in "{}" })]}"#, "parts"),
        sample("long names in one another", nestedNames(), "long names"),
    ]

    private static func nestedNames() -> String {
        let name = String(repeating: "n", count: 1000)
        let leaves = many(0..<190) { #""p\#($0)":{}"# }
        return String(repeating: #"{"type":"object","properties":{"\#(name)":"#, count: 20)
            + #"{"type":"object","properties":{\#(leaves)}}"# + String(repeating: "}}", count: 20)
    }

    @Test("A schema that the converter could not end with is refused before it", arguments: schemas)
    func schema(sample: Sample) {
        #expect {
            try SchemaBounds.check(sample.text)
        } throws: { error in
            guard case LocalModelError.invalid(let text) = error else { return false }
            return text.hasPrefix("response_format or tools: the schema ") && text.contains(sample.words)
        }
    }

    /// What the converter does make a grammar of, and llama.cpp may not have.
    static let converted: [Sample] = [
        sample(
            "minLength above maxLength", #"{"type":"string","minLength":5,"maxLength":3}"#, "at least 5 and at most 3"),
        sample(
            "minItems above maxItems", #"{"type":"array","items":{"type":"null"},"minItems":5,"maxItems":3}"#,
            "at least 4"),
        sample("a pattern", #"{"type":"string","pattern":"^a{5,3}$"}"#, "at least 5 and at most 3"),
        sample("a great minimum", #"{"type":"integer","minimum":100000000000000000}"#, "at least 17 and at most 15"),
        sample("references that double", doubling(40) { #"{"anyOf":[\#($0)]}"# }, "ways to begin"),
        sample(
            "anyOf of itself",
            ##"{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},"$ref":"#/$defs/a"}"##,
            "begins with itself"),
        sample("a pattern of nothing", #"{"type":"string","pattern":"^((a?){1000}){1000}$"}"#, "may be left out"),
    ]

    @Test("The grammar of a schema is refused where llama.cpp could not end with it", arguments: converted)
    func refusedAfter(sample: Sample) throws {
        try SchemaBounds.check(sample.text)
        let problem = try #require(GrammarText.problem(JSONSchemaGrammar.gbnf(sample.text)))
        #expect(problem.contains(sample.words), "\(problem)")
    }

    static let usual: [Sample] = [
        sample("100 optional properties", optional(100), ""), sample("200 optional properties", optional(200), ""),
        sample(
            "objects in one another",
            String(repeating: #"{"type":["object","null"],"properties":{"a":"#, count: 12)
                + #"{"enum":["b","c",1,null]}"#
                + String(repeating: #"},"required":["a"],"additionalProperties":false}"#, count: 12), ""),
        sample(
            "a tree",
            """
            {"$defs":{"node":{"type":"object","properties":{"name":{"type":"string","maxLength":5000},\
            "children":{"type":"array","items":{"$ref":"#/$defs/node"},"minItems":1,"maxItems":20}},\
            "required":["name"]}},"$ref":"#/$defs/node"}
            """, ""),
        sample(
            "merged parts",
            """
            {"definitions":{"a":{"type":"object","properties":{"x":{"type":"integer","minimum":1,"maximum":500}}}},\
            "allOf":[{"$ref":"#/definitions/a"},{"properties":{"y":{"type":"number"}}}]}
            """, ""),
        sample("1000 values", #"{"enum":[\#(many(0..<1000) { #""value \#($0)""# })]}"#, ""),
        sample("anything", "{}", ""), sample("any object", #"{"type":"object"}"#, ""),
        sample(
            "formats",
            """
            {"type":"object","properties":{"d":{"type":"string","format":"date-time"},"u":{"format":"uuid"},\
            "p":{"type":"string","pattern":"^[A-Z]{2,4}-(\\\\(x|y\\\\))?[0-9]+$"},\
            "\\u00e9\\ud83c\\udf4e":{"type":"boolean"}},"required":["d"],"additionalProperties":true}
            """, ""),
    ]

    @Test("Schemas that clients use are taken", arguments: usual)
    func taken(sample: Sample) throws {
        try SchemaBounds.check(sample.text)
        let problem = GrammarText.problem(try JSONSchemaGrammar.gbnf(sample.text))
        #expect(problem == nil)
    }
}

extension ModelTests {
    @Suite("Schemas that an engine host refuses")
    struct RefusedSchemaTests {
        @Test("A refused schema names its fields, and the host lives on")
        func refused() async throws {
            let model = try await EngineFixture.sharedModel()
            let schemas =
                GrammarBoundsTests.converted.map(\.text) + GrammarBoundsTests.schemas.map(\.text)
                + [GrammarBoundsTests.doubling(40) { #"{"oneOf":[\#($0)]}"# }]
            for schema in schemas {
                var sampling = Sampling(temperature: 0, seed: 3)
                sampling.jsonSchema = schema
                await #expect {
                    _ = try await model.draft(DraftRequest(asking: "Hi", maxTokens: 4, sampling: sampling))
                } throws: { error in
                    guard case LocalModelError.invalid(let text) = error else { return false }
                    return text.hasPrefix("response_format or tools: the schema")
                }
            }
            _ = try await model.draft(DraftRequest(asking: "Hi", maxTokens: 1))
        }
    }
}
