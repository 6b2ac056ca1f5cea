import Testing

@testable import WireFormat

@Suite("JSON")
struct JSONTests {
    private static func parse(_ text: String) throws -> JSONDocument { try JSONDocument(Array(text.utf8)) }

    @Test(
        "What RFC 8259 allows is taken",
        arguments: [
            "0", "-0", "1.5e-10", "1E+400", "true", "false", "null", "\"\"", "[]", "{}", " [ 1 , 2 ] ", "{\"a\":{}}",
            #""\u0041\ud83d\ude00\"\\\/\b\f\n\r\t""#, "\"\u{7F}é\u{10FFFF}\"", "\t\n\r {\"\":[[[]]]}\n", #""\ud800""#,
            "123456789012345678901234567890", #"{"a":1,"b":1}"#, "[0.10,0e0]",
        ])
    func accepted(_ text: String) throws {
        let document = try Self.parse(text)
        #expect(document.bytes == Array(text.utf8))
    }

    @Test(
        "What it does not is refused",
        arguments: [
            "", " ", "01", "-", "1.", ".5", "+1", "1e", "1e+", "0x1", "NaN", "Infinity", "tru", "nul", "True", "[1,]",
            "[,1]",
            "[1 2]", "[", "]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\":1 \"b\":2}", "\"",
            "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "1 1", "[1]x", "// c", "[1]//", "\u{FEFF}1", "{1:2}", "-a",
            "--1",
        ])
    func refused(_ text: String) {
        let error = #expect(throws: WireFormatError.self) { try Self.parse(text) }
        #expect(error?.code == .malformedJSON)
    }

    @Test(
        "Invalid UTF-8 is refused, overlong forms, surrogates and cut scalars included",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
            [0xC3, 0x28], [0xE2, 0x28, 0xA1], [0xE2, 0x82, 0x28],
        ] as [[UInt8]])
    func invalidUTF8(_ bytes: [UInt8]) {
        let error = #expect(throws: WireFormatError.self) { try JSONDocument([0x22] + bytes + [0x22]) }
        #expect(error?.code == .invalidUTF8)
    }

    @Test("A key that occurs twice is refused, however it is spelled")
    func duplicates() {
        for text in [#"{"a":1,"a":2}"#, #"{"max_tokens":1,"max\u005ftokens":2}"#, #"{"x":[{"b":1,"b":1}]}"#] {
            let error = #expect(throws: WireFormatError.self) { try Self.parse(text) }
            #expect(error?.code == .duplicateKey)
        }
        #expect(throws: Never.self) {
            try JSONDocument(Array(#"{"a":1,"a":2}"#.utf8), limits: .provider)
        }
    }

    @Test("Depth, size and number of values are bounded to the unit")
    func limits() {
        func limited(_ text: String, _ change: (inout JSONLimits) -> Void) throws {
            var limits = JSONLimits()
            change(&limits)
            _ = try JSONDocument(Array(text.utf8), limits: limits)
        }
        #expect(throws: Never.self) { try limited("[[[]]]") { $0.maxDepth = 3 } }
        #expect(throws: WireFormatError.self) { try limited("[[[]]]") { $0.maxDepth = 2 } }
        #expect(throws: WireFormatError.self) { try limited(#"{"a":[{}]}"#) { $0.maxDepth = 2 } }
        #expect(throws: Never.self) { try limited("[1,2]") { $0.maxBytes = 5 } }
        #expect(throws: WireFormatError.self) { try limited("[1,2]") { $0.maxBytes = 4 } }
        #expect(throws: Never.self) { try limited("[1,2]") { $0.maxNodes = 3 } }
        #expect(throws: WireFormatError.self) { try limited("[1,2]") { $0.maxNodes = 2 } }
        let deep = String(repeating: "[", count: 1_000_000)
        let error = #expect(throws: WireFormatError.self) { try Self.parse(deep) }
        #expect(error?.code == .limitExceeded)
    }

    @Test("Values are read as what they are, and as nothing else")
    func values() throws {
        let root = try Self.parse(
            #"{"i":-7,"d":2.0,"big":1e400,"s":"a\n\ud83d\ude00\ud800x","b":true,"n":null,"l":[1,[2],3]}"#
        )
        .root
        #expect(root["i"]?.integer == -7 && root["i"]?.double == -7)
        #expect(root["d"]?.integer == nil && root["d"]?.double == 2)
        #expect(root["big"]?.double == nil)
        #expect(root["s"]?.string == "a\n😀\u{FFFD}x" && root["s"]?.integer == nil)
        #expect(root["b"]?.bool == true && root["b"]?.string == nil)
        #expect(root["n"]?.isNull == true)
        #expect(root["l"]?.elements.map { String(decoding: $0.rawBytes, as: UTF8.self) } == ["1", "[2]", "3"])
        #expect(root["none"] == nil && root["i"]?["x"] == nil)
        #expect(root.members.map { $0.key.string } == ["i", "d", "big", "s", "b", "n", "l"])
    }

    @Test("Every scalar of the basic plane, and some beyond, survives being written and read")
    func escaping() throws {
        let scalars = (0...0xFFFF as ClosedRange<UInt32>).compactMap(Unicode.Scalar.init)
        let astral = stride(from: 0x10000 as UInt32, through: 0x10FFFF, by: 257).compactMap(Unicode.Scalar.init)
        for scalar in scalars + astral {
            var json: [UInt8] = []
            JSONWriter.append("<\(Character(scalar))>", to: &json)
            let back = try JSONDocument(json).root.utf8
            #expect(back == Array("<\(Character(scalar))>".utf8), "U+\(String(scalar.value, radix: 16))")
            #expect(!json.contains { $0 < 0x20 })
        }
        var json: [UInt8] = []
        JSONWriter.append("\u{2028}\u{2029}\"\\\u{0}\u{1F}\u{7F}/é\u{28}\u{A8}", to: &json)
        #expect(String(decoding: json, as: UTF8.self) == #""\u2028\u2029\"\\\u0000\u001f\u007f/é(¨""#)
    }

    @Test("Wherever in a text a byte stands that is not plain, it is seen")
    func everyPlace() throws {
        for length in 1...20 {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var text = [UInt8](repeating: UInt8(ascii: "a"), count: length)
                    text[place] = byte
                    let isPlain = (0x20..<0x80).contains(byte) && byte != 0x22 && byte != 0x5C
                    let back = try? JSONDocument([0x22] + text + [0x22]).root.utf8
                    #expect(back == (isPlain ? text : nil), "\(byte) at \(place) of \(length)")
                }
                let odd = String(repeating: "b", count: place) + "é\"\\" + String(repeating: "~", count: length)
                var json: [UInt8] = []
                JSONWriter.append(odd, to: &json)
                #expect(try JSONDocument(json).root.string == odd)
            }
        }
    }

    @Test("The writer puts commas where they belong")
    func writer() throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("a", 1)
        writer.member("b", nil as String?)
        writer.key("c")
        writer.beginArray()
        writer.string("x,")
        writer.double(0.5)
        writer.double(.nan)
        writer.double(1e-7)
        writer.bool(false)
        writer.raw(Array("{}".utf8))
        writer.beginArray()
        writer.endArray()
        writer.endArray()
        writer.member("d", true)
        writer.endObject()
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"{"a":1,"b":null,"c":["x,",0.5,null,1e-07,false,{},[]],"d":true}"#)
        _ = try JSONDocument(writer.bytes)
    }

    @Test("No cut, flipped byte or splice of a request makes the parser crash or accept what it then misreads")
    func mutations() throws {
        let text = #"{"model":"m","messages":[{"role":"user","content":"é😀\u00e9"}],"n":1.5e3,"x":[true,null]}"#
        let original = Array(text.utf8)
        for seed in 0..<20_000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.removeSubrange(index...)
                default: bytes.insert(generator.pick(original), at: index)
                }
            }
            guard let document = try? JSONDocument(bytes) else { continue }
            // What is accepted can be taken apart and its parts are valid by themselves.
            for (key, value) in document.root.members {
                #expect(key.string != nil, "seed \(seed)")
                #expect(throws: Never.self, "seed \(seed)") { try JSONDocument(Array(value.rawBytes)) }
            }
        }
    }
}
