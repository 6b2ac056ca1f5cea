import Testing

@testable import WireFormat

@Suite("Schemas that a grammar holds")
struct HeldSchemaTests {
    /// What is not held of a schema; nil: all is.
    private static func obstacle(_ schema: String) throws -> String? {
        HeldSchema.obstacle(in: try JSONDocument(Array(schema.utf8)).root)
    }

    /// An object with one property.
    private static func object(_ property: String) -> String {
        #"{"type":"object","properties":{"a":\#(property)},"required":["a"],"additionalProperties":false}"#
    }

    static let held: [String] = [
        "{}", #"{"type":"object"}"#, #"{"type":"string","minLength":2,"maxLength":9}"#, #"{"format":"date-time"}"#,
        #"{"type":"string","format":"uri"}"#, #"{"type":"number","format":"double","minLength":3}"#,
        #"{"type":"integer","minimum":1,"maximum":100}"#, #"{"type":"integer","exclusiveMinimum":-5}"#,
        #"{"type":"integer","minimum":118}"#, #"{"type":"integer","maximum":0}"#,
        #"{"type":["string","null"],"maxLength":3,"title":"t","x-order":1}"#, #"{"enum":["a",1,null]}"#,
        #"{"type":["integer","null"],"enum":[1,null]}"#, #"{"const":{"a":[1]}}"#,
        #"{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":3,"uniqueItems":false}"#,
        #"{"prefixItems":[{"type":"null"},{}],"minItems":2}"#, #"{"anyOf":[{"type":"string"},{"type":"number"}]}"#,
        #"{"oneOf":[{"type":"string"},{"type":"null"}]}"#, #"{"oneOf":[{"const":"a"},{"enum":["b","c"]}]}"#,
        #"{"type":"object","additionalProperties":{"type":"string"}}"#, #"{"additionalProperties":true}"#,
        #"{"type":"object","properties":{},"additionalProperties":{"type":"string"}}"#,
        ##"{"$defs":{"N":{"type":"object","properties":{"n":{"$ref":"#/$defs/N"}}}},"$ref":"#/$defs/N"}"##,
        ##"{"$defs":{"E":{"type":"string","enum":["x"]}},"properties":{"e":{"allOf":[{"$ref":"#/$defs/E"}]}}}"##,
        #"{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}],"required":["a","b"]}"#,
        ##"{"$defs":{"unused":{"not":{}}},"type":"null","description":"none","multipleOf":2}"##,
    ]

    @Test("Schemas that the converter takes whole are held", arguments: held)
    func holds(schema: String) throws {
        #expect(try Self.obstacle(schema) == nil)
        #expect(try Self.obstacle(Self.object(schema.contains("$ref") ? "{}" : schema)) == nil)
    }

    static let unheld: [(schema: String, keyword: String)] = [
        (#"{"type":"integer","multipleOf":5}"#, "multipleOf"), (#"{"type":"number","multipleOf":0.5}"#, "multipleOf"),
        (#"{"type":"number","minimum":0}"#, "minimum"), (#"{"type":["null","number"],"maximum":0}"#, "maximum"),
        (#"{"not":{"type":"string"}}"#, "not"), (#"{"if":{},"then":{},"else":{}}"#, "if"),
        (#"{"type":"integer","minimum":100}"#, "minimum"), (#"{"type":"integer","maximum":-1}"#, "maximum"),
        (#"{"type":"integer","minimum":0.5}"#, "minimum"),
        (#"{"type":"integer","minimum":1,"exclusiveMinimum":1}"#, "exclusiveMinimum"),
        (#"{"type":"integer","minimum":9,"maximum":3}"#, "maximum"), (#"{"minimum":3}"#, "minimum"),
        (#"{"type":"string","pattern":"[0-9]{3}"}"#, "pattern"), (#"{"type":"string","format":"email"}"#, "format"),
        (#"{"pattern":"^[a-z]$","maxLength":3}"#, "maxLength"), (#"{"format":"date","minLength":1}"#, "minLength"),
        (#"{"type":"object","minProperties":1}"#, "minProperties"),
        (#"{"type":"object","patternProperties":{}}"#, "patternProperties"),
        (#"{"type":"object","propertyNames":{}}"#, "propertyNames"), (#"{"required":["a"]}"#, "required"),
        (#"{"type":"object","required":["a"]}"#, "required"),
        (#"{"properties":{"a":{}},"dependentRequired":{}}"#, "dependentRequired"),
        (#"{"properties":{"a":{}},"unevaluatedProperties":false}"#, "unevaluatedProperties"),
        (#"{"properties":{"a":{}},"additionalProperties":true}"#, "additionalProperties"),
        (#"{"properties":{"a":{}},"additionalProperties":{"type":"string"}}"#, "additionalProperties"),
        (#"{"properties":{"a":true}}"#, "a schema that is no object"), (#"{"properties":{"*":{}}}"#, "properties"),
        (#"{"type":"array","uniqueItems":true}"#, "uniqueItems"), (#"{"type":"array","contains":{}}"#, "contains"),
        (#"{"prefixItems":[{}],"minItems":2}"#, "minItems"), (#"{"prefixItems":[{}],"items":{}}"#, "prefixItems"),
        (#"{"type":"string","const":1}"#, "const"), (#"{"type":"string","enum":["a",1]}"#, "enum"),
        (#"{"enum":["a"],"minLength":3}"#, "minLength"), (#"{"enum":["a"],"const":"a"}"#, "enum"),
        (#"{"type":"object","anyOf":[{}]}"#, "type"), (#"{"anyOf":[{"multipleOf":2}]}"#, "multipleOf"),
        (#"{"oneOf":[{"type":"integer"},{"type":"number"}]}"#, "oneOf"), (#"{"oneOf":[{},{"type":"null"}]}"#, "oneOf"),
        (#"{"type":"string","allOf":[{"minLength":1}]}"#, "allOf"), (#"{"allOf":[{"minLength":1}]}"#, "allOf"),
        (#"{"properties":{"a":{}},"allOf":[{}]}"#, "allOf"),
        (#"{"allOf":[{"properties":{"a":{}}},{"properties":{"a":{}}}]}"#, "allOf"),
        (#"{"allOf":[{"properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{}}}]}"#, "allOf"),
        ("{\"$ref\":\"#\"}", "$ref"), ("{\"$ref\":\"#/nowhere\"}", "$ref"), ("{\"$ref\":\"other.json\"}", "$ref"),
        ("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{}},\"minLength\":3}", "minLength"),
        (#"{"type":"nonsense"}"#, "type"), (#"{"sécrét":1}"#, "an unknown keyword"),
        ("true", "a schema that is no object"),
    ]

    @Test("Of others the keyword is said that a grammar would leave out", arguments: unheld)
    func leavesOut(schema: String, keyword: String) throws {
        #expect(try Self.obstacle(schema) == keyword)
        let inner = #"{"type":"array","items":\#(Self.object(schema))}"#
        if !keyword.hasPrefix("$ref") { #expect(try Self.obstacle(inner) == keyword) }
    }

    @Test("Alternatives told apart by a property are each the only one")
    func tagged() throws {
        func alternatives(_ first: String, _ second: String, required: String) throws -> String? {
            let list = [first, second].map {
                #"{"type":"object","properties":{"k":{"const":"\#($0)"}},"required":[\#(required)]}"#
            }
            return try Self.obstacle(#"{"oneOf":[\#(list.joined(separator: ","))]}"#)
        }
        #expect(try alternatives("a", "b", required: #""k""#) == nil)
        #expect(try alternatives("a", "a", required: #""k""#) == "oneOf")
        #expect(try alternatives("a", "b", required: "") == "oneOf")
    }

    @Test("Rules that would get the same name are not mixed up")
    func names() throws {
        func two(_ first: String, _ second: String) throws -> String? {
            let parts = [first, second]
            let defs = parts.map { #""\#($0)":{"type":"null"}"# }.joined(separator: ",")
            let uses = parts.map { ##""use\##($0)":{"$ref":"#/$defs/\##($0)"}"## }.joined(separator: ",")
            return try Self.obstacle(#"{"$defs":{\#(defs)},"properties":{\#(uses)}}"#)
        }
        #expect(try two("Order", "OrderItem") == nil)
        #expect(try two("a_b", "a-b") == "$ref")
        #expect(try two("order", "order_item") == "$ref")
        #expect(try Self.obstacle(#"{"properties":{"date_time":{}}}"#) == "properties")
        #expect(try Self.obstacle(#"{"properties":{"date-time":{},"ref":{}}}"#) == nil)
        let taken = ##"{"$defs":{"a":{}},"properties":{"ref_defs_a":{"enum":[1]},"b":{"$ref":"#/$defs/a"}}}"##
        #expect(try Self.obstacle(taken) == "$ref")
    }

    @Test("The walk ends: at references in a circle, at many parts, at large schemas")
    func bounds() throws {
        let circle = ##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"allOf":[{"$ref":"#/$defs/a"}]}"##
        #expect(try Self.obstacle(circle) == "allOf")
        let many = (0..<2100).map { #""p\#($0)":{}"# }.joined(separator: ",")
        #expect(try Self.obstacle(#"{"properties":{\#(many)}}"#) == "more than 2000 parts")
        let large = String(repeating: "x", count: 300_000)
        #expect(try Self.obstacle(#"{"description":"\#(large)"}"#) == "more than 256 KiB")
        // A request's own reader lets names stand twice where it does not look for them.
        var limits = JSONLimits()
        limits.uniqueKeyDepth = 0
        let twice = try JSONDocument(Array(#"{"pattern":"x","pattern":"^x$"}"#.utf8), limits: limits).root
        #expect(HeldSchema.obstacle(in: twice) == "pattern")
    }

    @Test(
        "Patterns of literals, classes, groups, alternatives and counts are held",
        arguments: [
            "^[0-9]{3}$", "^a$", "^$", "^(?:ab|c)+$", "^[A-Z]{2,4}-[0-9]+$", "^[a-z0-9_-]{1,}$", "^ab?$", "^é$",
            #"^[0-9]+(\.[0-9]+)?$"#, #"^\.?x$"#, #"^\(x\)$"#, #"^[\]\-a]*$"#, "^(a|)$", "^[é-ü]$", "^a/b$",
        ])
    func pattern(text: String) {
        #expect(HeldPattern.holds(text))
    }

    static let otherPatterns: [String] = [
        "", "^", "a", "^a", "a$", "[0-9]{3}", #"^\d{3}$"#, #"^[\d]$"#, #"^\w+$"#, #"^a\/b$"#, "^(?=b)b{3}$",
        "^(?!a)b$", "^(?<n>a)$", #"^(a)\1$"#, "^a.b$", "^.*$", "^[^a]$", "^[]$", "^[z-a]$", "^a+?$", "^a{2}?$",
        "^a{,3}$", "^a{3,1}$", "^a{0}$", "^*$", "^(*a)$", "^a|*$", "^a)$", "^(a$", "^[a$", "^a$b$", "^^a$", "^a]$",
        // Behind several characters of one literal the converter would repeat them all; of "é" the last byte.
        #"^ab\.?$"#, #"^\.\.?$"#, "^é+$",
        // The grammar is one of JSON text: what has to be escaped there must not stand in it.
        "^\"$", #"^\\$"#, #"^\n$"#, "^[ -~]$", #"^["]$"#, #"^[\\]$"#, "^a\\$", #"^\x41$"#,
    ]

    @Test("Patterns that a grammar has no form for, or another meaning, are not", arguments: otherPatterns)
    func otherPattern(text: String) {
        #expect(!HeldPattern.holds(text))
    }

    @Test("Groups in one another are held to a depth")
    func depth() {
        func nested(_ count: Int) -> String {
            "^" + String(repeating: "(", count: count) + "a" + String(repeating: ")", count: count) + "$"
        }
        #expect(HeldPattern.holds(nested(20)))
        #expect(!HeldPattern.holds(nested(40)))
    }
}
