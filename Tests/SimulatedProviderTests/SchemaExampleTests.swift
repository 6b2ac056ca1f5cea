import Foundation
import Testing

@testable import SimulatedProvider

@Suite("What the simulated provider makes up fits the schema that it is asked for")
struct SchemaExampleTests {
    private static func tree(_ text: String) throws -> JSONTree {
        try JSONDecoder().decode(JSONTree.self, from: Data(text.utf8))
    }

    @Test(
        "A tool is called with what its own schema wants",
        arguments: [
            (
                #"{"type":"object","properties":{"place":{"type":"string"},"days":{"type":"integer"}}}"#,
                #"{"days":3,"place":"Zürich"}"#
            ),
            (
                #"{"properties":{"b":{"enum":["x","y"]},"a":{"type":"boolean"},"c":{"const":[1]}},"required":["c"]}"#,
                #"{"c":[1],"a":true,"b":"x"}"#
            ),
            (
                #"{"properties":{"a":{"type":"array","minItems":2,"items":{"properties":{"n":{"minimum":5}}}}}}"#,
                #"{"a":[{"n":5},{"n":5}]}"#
            ),
            (
                #"{"properties":{"a":{"anyOf":[{"type":"null"},{"type":"integer","maximum":-2}]}}}"#, #"{"a":-2}"#
            ),
            (
                #"{"properties":{"a":{"oneOf":[{"type":"string","maxLength":2},{"type":"null"}]}}}"#, #"{"a":"Zü"}"#
            ),
            (
                ##"{"properties":{"a":{"$ref":"#/$defs/D"}},"$defs":{"D":{"type":"string","format":"date"}}}"##,
                #"{"a":"2026-01-31"}"#
            ),
            (
                #"{"type":"OBJECT","properties":{"b":{"type":"STRING"},"a":{"type":"ARRAY","minItems":"2"}},"#
                    + #""propertyOrdering":["b","a"]}"#,
                #"{"b":"Zürich","a":["Zürich","Zürich"]}"#
            ),
            (
                #"{"allOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"b":{"type":"null"}}}]}"#,
                #"{"a":3,"b":null}"#
            ),
            (#"{"type":"object"}"#, "{}"), (#"{"type":"string"}"#, nil), ("{}", nil), ("true", nil),
        ] as [(String, String?)])
    func arguments(schema: String, expected: String?) throws {
        #expect(SchemaExample.arguments(by: try Self.tree(schema)) == expected)
    }

    @Test("A schema within itself comes to an end: by what may be left out, and by a choice that refers to none")
    func recursion() throws {
        let list =
            ##"{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","required":["v"],"##
            + ##""properties":{"next":{"$ref":"#/$defs/N"},"v":{"type":"integer"}}}}}"##
        #expect(SchemaExample.arguments(by: try Self.tree(list)) == #"{"v":3,"next":{"v":3}}"#)
        let term =
            ##"{"properties":{"e":{"$ref":"#/$defs/E"}},"$defs":{"E":{"anyOf":["##
            + ##"{"properties":{"not":{"$ref":"#/$defs/E"}},"required":["not"]},{"type":"integer"}]}}}"##
        #expect(SchemaExample.arguments(by: try Self.tree(term)) == #"{"e":{"not":3}}"#)
    }

    @Test(
        "An answer by a schema has the words in its texts",
        arguments: [
            ("{}", #"{"answer":"Say \"7\"."}"#),
            (#"{"type":"object","properties":{"answer":{"type":"string"}}}"#, #"{"answer":"Say \"7\"."}"#),
            (#"{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":2}}}"#, #"{"n":1}"#),
            (#"{"type":"array","items":{"type":"string"}}"#, #"["Say \"7\"."]"#),
            (#"{"type":"object","additionalProperties":{"type":"integer"}}"#, #"{"answer":3}"#),
            (#"{"type":"object","additionalProperties":false}"#, "{}"),
            // Not infinite, which is not JSON.
            (#"{"type":"number","minimum":1e300,"multipleOf":1e-100}"#, "3"),
        ])
    func answers(schema: String, expected: String) throws {
        #expect(SchemaExample.answer(#"Say "7"."#, by: try Self.tree(schema)) == expected)
    }

    /// Items in items, a thousand each time.
    private static var deep: String {
        (0..<8).reduce(#"{"type":"string"}"#) { inner, _ in #"{"type":"array","minItems":1000,"items":\#(inner)}"# }
    }

    @Test("What is made up is valid and bounded, whatever the schema multiplies or never ends")
    func bounded() throws {
        let long = String(repeating: "x", count: 100_000)
        for schema in [
            Self.deep, #"{"type":"array","minItems":1000,"items":{"const":"\#(long)"}}"#,
            #"{"type":"array","minItems":1000,"items":{"required":["\#(long)"]}}"#, ##"{"$ref":"#"}"##,
            ##"{"type":"object","required":["a","b"],"properties":{"a":{"$ref":"#"},"b":{"$ref":"#"}}}"##,
        ] {
            let made = SchemaExample.answer("It is 7.", by: try Self.tree(schema))
            #expect(made.utf8.count < 2_000_000)
            _ = try JSONSerialization.jsonObject(with: Data(made.utf8))
            #expect(made == SchemaExample.answer("It is 7.", by: try Self.tree(schema)))
        }
    }
}
