import Testing

@testable import WireFormat

@Suite("Requests of OpenAI's further endpoints")
struct PlainRequestTests {
    private static let ways = [(PlainRequest.Kind.embeddings, "input"), (.completions, "prompt")]

    private static func read(_ kind: PlainRequest.Kind, _ name: String, _ value: String) throws -> PlainRequest {
        try PlainRequest(Array(#"{"model":"m","\#(name)":\#(value)}"#.utf8), kind: kind)
    }

    @Test("What is neither a text nor a list is named as of the wrong type", arguments: ["{}", "5", "true"])
    func wrongType(value: String) {
        for (kind, name) in Self.ways {
            let error = #expect(throws: WireFormatError.self) { try Self.read(kind, name, value) }
            #expect(error?.code == .invalidField && error?.param == name)
            #expect(error?.message == "Invalid '\(name)': expected a string or an array of strings or tokens.")
        }
        let error = #expect(throws: WireFormatError.self) { try Self.read(.responses, "input", value) }
        #expect(error?.message.hasPrefix("Invalid 'input': expected a string or an array") == true)
    }

    @Test("So is an element that is none", arguments: [("[true]", 0), (#"["x",null]"#, 1), ("[[1],false]", 1)])
    func wrongElement(value: String, place: Int) {
        for (kind, name) in Self.ways {
            let error = #expect(throws: WireFormatError.self) { try Self.read(kind, name, value) }
            #expect(error?.code == .invalidField && error?.param == "\(name)[\(place)]")
        }
    }

    @Test(
        "What some vendors take there at other prices has no bound, by its name",
        arguments: [(#"["x",{"image":"u"}]"#, 1), (#"[["x"]]"#, 0), (#"["x",[1,2]]"#, nil)] as [(String, Int?)])
    func unbounded(value: String, place: Int?) throws {
        for (kind, name) in Self.ways {
            #expect(try Self.read(kind, name, value).unbounded == place.map { "\(name)[\($0)]" })
        }
    }
}
