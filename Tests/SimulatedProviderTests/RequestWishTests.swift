import Foundation
import Testing

@testable import SimulatedProvider

@Suite("What a request asks for beside words, in each provider's format")
struct RequestWishTests {
    private static let gemini = SimulatedWire.gemini(model: "m", isStream: false)
    private static let converse = SimulatedWire.converse(model: "m", isStream: false)
    private static let schema = #"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#
    private static let chat = #""model":"m","messages":[{"role":"user","content":"x"}]"#
    private static let contents = #""contents":[{"role":"user","parts":[{"text":"x"}]}]"#
    private static let turns = #""messages":[{"role":"user","content":[{"text":"x"}]}]"#
    private static let responses = #""model":"m","input":"x""#

    private static let named = #""type":"json_schema""#
    private static let json = #""responseMimeType":"application/json""#

    private static let spec = #"{"toolSpec":{"name":"f","inputSchema":{"json":\#(schema)}}}"#

    /// - Parameter schema: in a JSON text.
    private static func output(_ schema: String) -> String {
        #"{"textFormat":{\#(named),"structure":{"jsonSchema":{"schema":\#(schema)}}}}"#
    }

    private static func reply(_ wire: SimulatedWire, _ members: String) throws -> SimulatedReply {
        let request = try wire.read(Data("{\(members)}".utf8))
        return SimulatedReply(full: "It is 7.", request: request)
    }

    /// What the caller is told; nil: nothing is wrong.
    private static func complaint(_ wire: SimulatedWire, _ members: String) -> ChatRequest.Invalid? {
        do {
            _ = try wire.read(Data("{\(members)}".utf8))
            return nil
        } catch let error as DecodingError {
            return ChatRequest.Invalid(error)
        } catch { return error as? ChatRequest.Invalid }
    }

    @Test(
        "An answer is JSON by the schema that is asked for, or an object",
        arguments: [
            (.chat, #"\#(chat),"response_format":{\#(named),"json_schema":{"schema":\#(schema)}}"#, true),
            (.chat, #"\#(chat),"response_format":{"type":"json_object"}"#, false),
            (.responses, #"\#(responses),"text":{"format":{\#(named),"name":"a","schema":\#(schema)}}"#, true),
            (.responses, #"\#(responses),"text":{"format":{"type":"json_object"}}"#, false),
            (.messages, #"\#(chat),"max_tokens":99,"output_config":{"format":{\#(named),"schema":\#(schema)}}"#, true),
            (.messages, #"\#(chat),"max_tokens":99,"output_format":{\#(named),"schema":\#(schema)}"#, true),
            (gemini, #"\#(contents),"generationConfig":{\#(json),"responseSchema":\#(schema)}"#, true),
            (gemini, #"\#(contents),"generationConfig":{\#(json),"responseJsonSchema":\#(schema)}"#, true),
            (gemini, #"\#(contents),"generationConfig":{\#(json)}"#, false),
            (converse, #"\#(turns),"outputConfig":\#(output(ChatJSON.string(schema)))"#, true),
        ] as [(SimulatedWire, String, Bool)])
    func structured(wire: SimulatedWire, members: String, hasSchema: Bool) throws {
        let reply = try Self.reply(wire, members)
        #expect(reply.text == (hasSchema ? #"{"n":3}"# : #"{"answer":"It is 7."}"#))
        #expect(reply.tools.isEmpty && reply.finishReason == "stop")
    }

    @Test("Words are as they were where nothing is asked for")
    func prose() throws {
        #expect(try Self.reply(.chat, Self.chat).text == "It is 7.")
        #expect(try Self.reply(.chat, Self.chat + #","response_format":{"type":"text"}"#).text == "It is 7.")
        #expect(try Self.reply(.responses, Self.responses).text == "It is 7.")
    }

    @Test(
        "Tools are called as their schemas want",
        arguments: [
            (
                .chat, #"\#(chat),"tools":[{"type":"function","function":{"name":"f","parameters":\#(schema)}}]"#
            ),
            (.responses, #"\#(responses),"tools":[{"type":"function","name":"f","parameters":\#(schema)}]"#),
            (.messages, #"\#(chat),"max_tokens":99,"tools":[{"name":"f","input_schema":\#(schema)}]"#),
            (gemini, #"\#(contents),"tools":[{"functionDeclarations":[{"name":"f","parameters":\#(schema)}]}]"#),
            (
                gemini,
                #"\#(contents),"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":\#(schema)}]}]"#
            ),
            (converse, #"\#(turns),"toolConfig":{"tools":[\#(spec),{"cachePoint":{"type":"default"}}]}"#),
        ] as [(SimulatedWire, String)])
    func called(wire: SimulatedWire, members: String) throws {
        let tools = try Self.reply(wire, members).tools
        #expect(tools.map { $0.name } == ["f"] && tools.map { $0.arguments } == [#"{"n":3}"#])
    }

    @Test("A tool without a schema is called as ever; long arguments come in pieces that make the whole")
    func pieces() throws {
        let bare = try Self.reply(.chat, Self.chat + #","tools":[{"type":"function","function":{"name":"f"}}]"#)
        #expect(bare.pieces.dropFirst().map(\.bytes) == SimulatedReply.arguments.map { Array($0.utf8) })
        let schema = #"{"type":"object","properties":{"some_name":{"type":"string"},"another":{"type":"string"}}}"#
        let long = try Self.reply(
            .chat, Self.chat + #","tools":[{"type":"function","function":{"name":"f","parameters":\#(schema)}}]"#)
        #expect(long.pieces.count > 3)
        #expect(long.tools.first?.arguments == #"{"another":"Zürich","some_name":"Zürich"}"#)
    }

    @Test("A tool's result may be parts, which count as the same text does; behind it no call is made, unless it must")
    func results() throws {
        let tools = #""tools":[{"type":"function","name":"f","parameters":\#(Self.schema)}]"#
        func members(_ output: String, _ more: String = "") -> String {
            #""model":"m","input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"c","name":"f","#
                + #""arguments":"{}"},{"type":"function_call_output","call_id":"c","output":\#(output)}],"#
                + tools + more
        }
        let parts = #"[{"type":"input_text","text":"sun"},{"type":"input_text","text":"ny"}]"#
        let request = try SimulatedWire.responses.read(Data("{\(members(parts))}".utf8))
        let plain = try SimulatedWire.responses.read(Data("{\(members(#""sunny""#))}".utf8))
        #expect(request.messages.last?.content == "sunny" && request.inputTokens == plain.inputTokens)
        #expect(try Self.reply(.responses, members(parts)).text == "It is 7.")
        let forced = try Self.reply(.responses, members(parts, #","tool_choice":"required""#))
        #expect(forced.tools.count == 1 && forced.finishReason == "tool_calls")
    }

    @Test(
        "What the provider would refuse is refused by the name of the field",
        arguments: [
            (.chat, #""messages":[]"#, "model: Field required"),
            (.chat, #"\#(chat),"stream":3"#, "stream: "),
            (.chat, #""model":"m","messages":[{"role":"user","content":3}]"#, "messages[0].content: "),
            (.chat, #"\#(chat),"response_format":{"type":"xml"}"#, "response_format.type: "),
            (.chat, #"\#(chat),"response_format":{"type":"json_schema"}"#, "response_format.json_schema: "),
            (.chat, #"\#(chat),"tools":[{"type":"function"}]"#, "tools[0].function: "),
            (.chat, #"\#(chat),"tools":[{"type":"other"}]"#, "tools[0].type: "),
            (.chat, #"\#(chat),"tool_choice":"always""#, "tool_choice: "),
            (
                .chat, #"\#(chat),"tool_choice":{"type":"function","function":{"name":"g"}}"#,
                "tool_choice: there is no tool \"g\""
            ),
            (.responses, #"\#(responses),"tool_choice":{"type":"function"}"#, "tool_choice.name: "),
            (.responses, #"\#(responses),"text":{"format":{"type":"json_schema"}}"#, "text.format.schema: "),
            (.responses, #"\#(responses),"max_output_tokens":0"#, "max_output_tokens "),
            (.responses, #""model":"m","input":[[1]]"#, "input: "),
            (.completions, #""model":"m","prompt":["a","b"]"#, "one prompt"),
            (.messages, #"\#(chat),"max_tokens":9,"tool_choice":{"type":"tool"}"#, "tool_choice.name: "),
            (.messages, #"\#(chat),"max_tokens":9,"tool_choice":{"type":"some"}"#, "tool_choice.type: "),
            (gemini, #"\#(contents),"generationConfig":{"maxOutputTokens":0}"#, "generationConfig.maxOutputTokens "),
            (
                gemini, #"\#(contents),"toolConfig":{"functionCallingConfig":{"allowedFunctionNames":["f"]}}"#,
                "toolConfig.functionCallingConfig.allowedFunctionNames: "
            ),
            (converse, #"\#(turns),"inferenceConfig":{"maxTokens":0}"#, "inferenceConfig.maxTokens "),
            (
                converse, #"\#(turns),"outputConfig":\#(output(#""{""#))"#,
                "outputConfig.textFormat.structure.jsonSchema.schema: "
            ),
        ] as [(SimulatedWire, String, String)])
    func refused(wire: SimulatedWire, members: String, expected: String) throws {
        let complaint = try #require(Self.complaint(wire, members))
        #expect(complaint.message.hasPrefix(expected), "\(complaint.message)")
    }

    @Test("A conversation that is kept is refused with what Anthropic's clients know it by")
    func thread() throws {
        let complaint = try #require(Self.complaint(.messages, Self.chat + #","max_tokens":9,"thread":{}"#))
        let details = try #require(complaint.details)
        let error = SimulatedWire.messages.error(complaint.message, status: 400, code: nil, details: details)
        #expect(error.hasSuffix(#","details":{"error_code":"thread_unsupported_request"}}}"#), "\(error)")
        #expect(Self.complaint(.messages, Self.chat + #","nonsense":1"#)?.details == nil)
    }
}
