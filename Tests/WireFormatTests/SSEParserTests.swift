import Testing

@testable import WireFormat

@Suite("Server-sent events")
struct SSEParserTests {
    private static let stream = Array(
        ("\u{FEFF}: hello\r\n\r\ndata: {\"a\":\"é😀\"}\n\ndata: x\r\ndata:  y\r\nid: 7\r\n\r\n"
            + "event: done\rdata: [DONE]\r\r"
            + "data\n\n\ndata: last\n\n").utf8)

    private static func payloads(_ events: [SSEEvent]) -> [String] {
        events.filter { !$0.data.isEmpty }.map { String(decoding: $0.data, as: UTF8.self) }
    }

    @Test("A whole stream in one chunk gives all events together, and their raw bytes are the stream")
    func whole() throws {
        var parser = SSEParser()
        let events = try parser.push(Self.stream)
        #expect(Self.payloads(events) == ["{\"a\":\"é😀\"}", "x\n y", "[DONE]", "last"])
        #expect(events.flatMap(\.raw) == Self.stream)
        #expect(events.first { $0.isDone }?.name == "done")
        let rest = parser.finish()
        #expect(rest == nil)
    }

    @Test("Cutting the stream at any two bytes changes nothing but where the bytes of a CR LF pair are counted")
    func cutAnywhere() throws {
        for first in 0...Self.stream.count {
            for second in first...Self.stream.count {
                var parser = SSEParser()
                var events = try parser.push(Array(Self.stream[..<first]))
                events += try parser.push(Array(Self.stream[first..<second]))
                events += try parser.push(Array(Self.stream[second...]))
                #expect(Self.payloads(events) == ["{\"a\":\"é😀\"}", "x\n y", "[DONE]", "last"])
                #expect(events.flatMap(\.raw) == Self.stream)
            }
        }
    }

    @Test("Byte by byte, an event is given as soon as its last byte is there")
    func byteByByte() throws {
        var parser = SSEParser()
        var raw: [UInt8] = []
        var seen: [String] = []
        for (index, byte) in Self.stream.enumerated() {
            let events = try parser.push([byte])
            seen += Self.payloads(events)
            raw += events.flatMap(\.raw)
            if index == Self.stream.count - 1 { #expect(Self.payloads(events) == ["last"]) }
        }
        #expect(seen == ["{\"a\":\"é😀\"}", "x\n y", "[DONE]", "last"])
        #expect(raw == Self.stream)
    }

    @Test("An event that ends in CR CR waits for nothing")
    func carriageReturns() throws {
        var parser = SSEParser()
        let first = try parser.push(Array("data: 1\r\r".utf8))
        #expect(first.map(\.data) == [Array("1".utf8)])
        let next = try parser.push(Array("\ndata: 2\n\n".utf8))
        #expect(next.map(\.data) == [Array("2".utf8)])
        #expect(next.flatMap(\.raw) == Array("\ndata: 2\n\n".utf8))
    }

    @Test(
        "What is left when a stream closes early is still given", arguments: ["data: {\"u\":1}", "data: {\"u\":1}\n"])
    func earlyClose(_ text: String) throws {
        var parser = SSEParser()
        let early = try parser.push(Array(text.utf8))
        #expect(early.isEmpty)
        let last = parser.finish()
        let event = try #require(last)
        #expect(String(decoding: event.data, as: UTF8.self) == "{\"u\":1}")
        #expect(event.raw == Array(text.utf8))
        let rest = parser.finish()
        #expect(rest == nil)
    }

    @Test("An event beyond the bound is an error, in one chunk, in many, complete or not")
    func bound() {
        let long = Array("data: \(String(repeating: "x", count: 100))\n\n".utf8)
        #expect(throws: WireFormatError.self) {
            var parser = SSEParser(maxEventBytes: 64)
            _ = try parser.push(long)
        }
        #expect(throws: WireFormatError.self) {
            var parser = SSEParser(maxEventBytes: 64)
            for byte in long.dropLast(2) { _ = try parser.push([byte]) }
        }
        #expect(throws: Never.self) {
            var parser = SSEParser(maxEventBytes: 64)
            for _ in 0..<10 { _ = try parser.push(Array("data: short\n\ndata: short\n\n".utf8)) }
        }
    }
}
