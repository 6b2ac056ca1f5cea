import Testing

@testable import WireFormat

@Suite("Editing an object in place")
struct JSONObjectEditorTests {
    private static func edit(_ text: String, _ change: (inout JSONObjectEditor) throws -> Void) throws -> String {
        var editor = try JSONObjectEditor(try JSONDocument(Array(text.utf8)))
        try change(&editor)
        return String(decoding: editor.bytes, as: UTF8.self)
    }

    @Test("What is not touched keeps every byte: order, white space, unknown fields, the spelling of numbers")
    func untouched() throws {
        let text = "{ \"z\" : 1e400 ,\n\t\"a\":0.10, \"u\\u006e\" : [ 1 ,2 ] , \"model\" : \"x\" }"
        #expect(try Self.edit(text) { _ in } == text)
        #expect(
            try Self.edit(text) { $0.set("model", string: "y\n") }
                == "{ \"z\" : 1e400 ,\n\t\"a\":0.10, \"u\\u006e\" : [ 1 ,2 ] , \"model\" : \"y\\n\" }")
        #expect(
            try Self.edit(text) { $0.set("un", integer: 5) }
                == "{ \"z\" : 1e400 ,\n\t\"a\":0.10, \"u\\u006e\" : 5 , \"model\" : \"x\" }")
    }

    @Test("Members are taken out with one comma, from any place")
    func removal() throws {
        let text = #"{"a":1, "b":2 ,"c":3}"#
        #expect(try Self.edit(text) { $0.remove("a") } == #"{"b":2 ,"c":3}"#)
        #expect(try Self.edit(text) { $0.remove("b") } == #"{"a":1 ,"c":3}"#)
        #expect(try Self.edit(text) { $0.remove("c") } == #"{"a":1, "b":2}"#)
        #expect(try Self.edit(text) { for key in ["a", "b", "c", "d"] { $0.remove(key) } } == "{}")
        #expect(
            try Self.edit(text) {
                for key in ["a", "b", "c"] { $0.remove(key) }
                $0.set("n", bool: true)
            } == #"{"n":true}"#)
        #expect(try Self.edit("{ }") { $0.set("n", integer: -1) } == #"{ "n":-1}"#)
    }

    @Test("Usage is asked for beside other stream options")
    func includeUsage() throws {
        for (text, expected) in [
            (#"{"stream":true}"#, #"{"stream":true,"stream_options":{"include_usage":true}}"#),
            (#"{"stream_options":null}"#, #"{"stream_options":{"include_usage":true}}"#),
            (#"{"stream_options":{}}"#, #"{"stream_options":{"include_usage":true}}"#),
            (
                #"{"stream_options":{"include_usage": false, "x":1.0 },"a":1}"#,
                #"{"stream_options":{"include_usage": true, "x":1.0 },"a":1}"#
            ),
        ] {
            #expect(try Self.edit(text) { try $0.setIncludeUsage(true) } == expected)
        }
        #expect(throws: WireFormatError.self) {
            try Self.edit(#"{"stream_options":3}"#) { try $0.setIncludeUsage(true) }
        }
        #expect(throws: WireFormatError.self) { try JSONObjectEditor(try JSONDocument(Array("[]".utf8))) }
    }

    private static let keys = ["a", "b", "c", "d", "e f", "é", "q\""]
    private static let values = [
        "1", "0.10", "1e400", "null", "true", #""x\u00e9""#, "[ 1, {\"a\":2} ]", #"{"a":{"b":[]}}"#,
    ]

    private static func spaces(_ generator: inout SeededGenerator) -> String {
        generator.pick(["", "", " ", "\n\t", "\r\n "])
    }

    @Test("Any edits of any object give what the same edits of a plain list of members give")
    func property() throws {
        for seed in 0..<10_000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var model = Self.keys.shuffled(using: &generator).prefix(Int.random(in: 0...6, using: &generator)).map {
                ($0, generator.pick(Self.values))
            }
            var text = "{" + Self.spaces(&generator)
            for (index, (key, value)) in model.enumerated() {
                var name: [UInt8] = []
                JSONWriter.append(key, to: &name)
                text += index > 0 ? "," + Self.spaces(&generator) : ""
                text += String(decoding: name, as: UTF8.self) + Self.spaces(&generator) + ":"
                text += Self.spaces(&generator) + value + Self.spaces(&generator)
            }
            text += "}"
            var editor = try JSONObjectEditor(try JSONDocument(Array(text.utf8)))
            for _ in 0..<Int.random(in: 0...5, using: &generator) {
                let key = generator.pick(Self.keys)
                let value = generator.pick(Self.values)
                let index = model.firstIndex { $0.0 == key }
                if generator.chance(0.4) {
                    editor.remove(key)
                    if let index { model.remove(at: index) }
                } else {
                    editor.set(key, json: Array(value.utf8))
                    if let index { model[index].1 = value } else { model.append((key, value)) }
                }
            }
            let members = try JSONDocument(editor.bytes).root.members
            let pairs = members.map { "\($0.key.string ?? "?")=\(String(decoding: $0.value.rawBytes, as: UTF8.self))" }
            // A member that was taken out and set again may stand at its old place: the order is of the rest.
            #expect(pairs.sorted() == model.map { "\($0.0)=\($0.1)" }.sorted(), "seed \(seed)")
        }
    }
}
