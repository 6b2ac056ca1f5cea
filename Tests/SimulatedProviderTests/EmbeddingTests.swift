import Foundation
import Testing

@testable import SimulatedProvider

/// So many inputs, of one token each.
private func oneTokenEach(_ count: Int) -> String {
    "[" + [String](repeating: "[1]", count: count).joined(separator: ",") + "]"
}

@Suite("Embeddings: one vector for each input, as it is asked for")
struct EmbeddingTests {
    /// The request, and its answer.
    private static func ask(_ members: String) throws -> (ChatRequest, String) {
        let wire = SimulatedWire.embeddings
        let request = try wire.read(Data("{\"model\":\"m\",\(members)}".utf8))
        let json = wire.json(number: 1, request: request, now: 0)
        let usage = SimulatedUsage(input: request.inputTokens)
        return (request, json.whole(SimulatedReply(full: "", request: request), usage: usage))
    }

    @Test("One text has the same three numbers as ever")
    func plain() throws {
        let answer = try Self.ask(#""input":"12345""#).1
        #expect(
            answer == #"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25,-0.5,1e-3]}],"#
                + #""model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}"#)
    }

    @Test(
        "Texts and tokens are counted, and each input has its vector",
        arguments: [
            (#"["1234","12345678"]"#, 2, 3), ("[7,8,9,10,11]", 1, 5), ("[[7],[8,9]]", 2, 3), (#"["abc"]"#, 1, 1),
        ])
    func inputs(input: String, count: Int, tokens: Int) throws {
        let (request, answer) = try Self.ask(#""input":\#(input),"dimensions":1"#)
        #expect(request.inputTokens == tokens)
        let rows = (0..<count).map { #"{"object":"embedding","index":\#($0),"embedding":[0.25]}"# }
        #expect(answer.contains(#""data":[\#(rows.joined(separator: ","))],"#), "\(answer)")
    }

    @Test("A vector has as many numbers as are asked for, also in base64")
    func forms() throws {
        let list = try Self.ask(#""input":"x","dimensions":5,"encoding_format":"float""#).1
        #expect(list.contains(#""embedding":[0.25,-0.5,1e-3,0.25,-0.5]"#), "\(list)")
        let packed = try Self.ask(#""input":"x","dimensions":2,"encoding_format":"base64""#).1
        // The numbers' bytes are 00 00 80 3e and 00 00 00 bf.
        #expect(packed.contains(#""embedding":"AACAPgAAAL8=""#), "\(packed)")
    }

    @Test(
        "What is no input, too many, or too large is refused",
        arguments: [
            (#""input":[]"#, "input must hold 1 to 2048"), (#""input":"""#, "input must not hold an empty"),
            (#""input":["a",""]"#, "input must not hold an empty"),
            (#""input":[[1],[]]"#, "input must not hold an empty"),
            (#""input":[{"role":"user","content":"x"}]"#, "input: texts or tokens are expected"),
            (#""dimensions":3"#, "input is missing"),
            (#""input":\#(oneTokenEach(2_049))"#, "input must hold 1 to 2048"),
            (#""input":"x","dimensions":0"#, "dimensions must be 1 to"),
            (#""input":"x","dimensions":4097"#, "dimensions must be 1 to"),
            (#""input":"x","encoding_format":"hex""#, "encoding_format must be"),
            (#""dimensions":4096,"input":\#(oneTokenEach(1_025))"#, "dimensions times the inputs"),
        ])
    func refused(members: String, expected: String) throws {
        let error = #expect(throws: ChatRequest.Invalid.self) { try Self.ask(members) }
        #expect(error?.message.hasPrefix(expected) == true, "\(error?.message ?? "")")
        #expect(throws: DecodingError.self) { try Self.ask(#""input":3"#) }
        #expect(throws: DecodingError.self) { try Self.ask(#""input":[1,-1]"#) }
    }
}
