import Testing

@testable import WireFormat

@Suite("Chunks that are told by their likeness")
struct ChunkTemplateTests {
    private static func chunk(_ text: String, finish: String = "null", more: String = "") -> [UInt8] {
        Array(
            (#"{"id":"c","choices":[{"index":0,"delta":{"content":"\#(text)"},"finish_reason":\#(finish)}]"#
                + #"\#(more)}"#).utf8)
    }

    private static func template(_ data: [UInt8]) throws -> ChunkTemplate? {
        try OpenAIChunk(data).textRange.flatMap { ChunkTemplate(data, text: $0) }
    }

    @Test("a chunk that differs in its text only is told; any other is not")
    func likeness() throws {
        let template = try #require(try Self.template(Self.chunk("one")))
        #expect(template.text(of: Self.chunk("two words")) == "two words")
        #expect(template.text(of: Self.chunk("")) == "")
        #expect(template.text(of: Self.chunk("né ✓")) == "né ✓")
        // What must be parsed: escapes, quotes that end the text early, control characters, bytes that are no UTF-8.
        #expect(template.text(of: Self.chunk(#"a\nb"#)) == nil)
        #expect(template.text(of: Self.chunk(#"x"},"finish_reason":"stop"},{"delta":{"content":""#)) == nil)
        #expect(template.text(of: Self.chunk("a\tb")) == nil)
        let cut = Array(Self.chunk("é"))
        #expect(template.text(of: cut.filter { $0 != 0xA9 }) == nil)
        #expect(template.text(of: Self.chunk("x", finish: #""stop""#)) == nil)
        #expect(template.text(of: Self.chunk("x", more: #","usage":{"prompt_tokens":1}"#)) == nil)
        #expect(template.text(of: []) == nil)
        #expect(template.text(of: Array(Self.chunk("x").dropLast())) == nil)
    }

    @Test("a chunk that says more than a text is no template")
    func templates() throws {
        #expect(try Self.template(Self.chunk("x", finish: #""stop""#)) == nil)
        #expect(
            try Self.template(Self.chunk("x", more: #","usage":{"prompt_tokens":1,"completion_tokens":1}"#)) == nil)
        #expect(try Self.template(Self.chunk("x", more: #","error":{"message":"m"}"#)) == nil)
        #expect(try Self.template(Array(#"{"choices":[{"delta":{"content":null}}]}"#.utf8)) == nil)
        #expect(try Self.template(Array(#"{"choices":[]}"#.utf8)) == nil)
        #expect(try Self.template(Self.chunk(String(repeating: "x", count: 5000))) == nil)
    }

    @Test("whatever a template tells, parsing tells the same", arguments: [1, 2, 3] as [UInt64])
    func sameAsParsing(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let pieces = ["a", " word", "é", #"\n"#, #"\u00e9"#, #"\""#, "\"", "}", "{", "]", ",", ":", "\\", "\u{1}", ""]
        var (told, parsed) = (0, 0)
        for _ in 0..<2000 {
            let first = Self.chunk(random.chance(0.5) ? "one" : "")
            let template = try #require(try Self.template(first))
            let words = (0..<Int.random(in: 0...4, using: &random)).map { _ in random.pick(pieces) }
            var data = Self.chunk(words.joined())
            if random.chance(0.3) {
                let place = Int.random(in: 0..<data.count, using: &random)
                data[place] = UInt8.random(in: 0...255, using: &random)
            }
            guard let text = template.text(of: data) else {
                parsed += 1
                continue
            }
            told += 1
            var plain = try OpenAIChunk(data)
            #expect(plain.textRange != nil)
            #expect(plain.text == text)
            plain.text = ""
            var base = try OpenAIChunk(first)
            base.text = ""
            #expect(plain.finishReason == base.finishReason && plain.usage == base.usage && plain.error == base.error)
        }
        #expect(told > 100 && parsed > 100)
    }

    private static func bytes(_ count: ClosedRange<Int>, _ random: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: count, using: &random)).map { _ in UInt8.random(in: 0...2, using: &random) }
    }

    @Test("a search finds what comparing at every place finds", arguments: [1, 2] as [UInt64])
    func search(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<5000 {
            let bytes = Self.bytes(0...24, &random)
            let mark = Self.bytes(1...4, &random)
            let start = Int.random(in: 0...bytes.count, using: &random)
            let places = stride(from: start, through: bytes.count - mark.count, by: 1)
            let expected = places.first { bytes[$0..<($0 + mark.count)].elementsEqual(mark) }
            #expect(bytes.position(of: mark, from: start) == expected)
        }
    }
}
