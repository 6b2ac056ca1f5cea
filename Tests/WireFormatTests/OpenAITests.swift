import Testing

@testable import WireFormat

@Suite("OpenAI's answers")
struct OpenAITests {
    private static func chunk(_ text: String) throws -> OpenAIChunk { try OpenAIChunk(Array(text.utf8)) }

    @Test("Golden chunks of several providers")
    func chunks() throws {
        let role = try Self.chunk(
            #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","#
                + #""choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"#
                + #""finish_reason":null}],"usage":null,"obfuscation":"x"}"#)
        #expect(role.text.isEmpty && role.finishReason == nil && role.usage == .absent && role.error == nil)
        let text = try Self.chunk(#"{"choices":[{"index":0,"delta":{"content":"a\n\u00e9"},"finish_reason":null}]}"#)
        #expect(text.text == "a\né")
        let end = try Self.chunk(#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#)
        #expect(end.finishReason == "stop" && end.text.isEmpty)
        let usage = try Self.chunk(
            #"{"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"#
                + #""prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"#
                + #""completion_tokens_details":{"reasoning_tokens":3,"accepted_prediction_tokens":0}}}"#)
        #expect(usage.usage.counts == TokenCounts(prompt: 19, cached: 4, completion: 10, reasoning: 3))
        #expect(usage.usageText?.hasPrefix(#"{"prompt_tokens":19,"#) == true && role.usageText == nil)
        let write = try Self.chunk(
            #"{"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":1,"#
                + #""prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":12}}}"#)
        #expect(write.usage.counts == TokenCounts(prompt: 19, cached: 4, cacheWrite: 12, completion: 1))
        let together = try Self.chunk(
            #"{"choices":[{"delta":{"content":"z"},"finish_reason":"length"}],"#
                + #""usage":{"prompt_tokens":0,"completion_tokens":0,"prompt_tokens_details":null}}"#)
        #expect(together.text == "z" && together.finishReason == "length")
        #expect(together.usage == .valid(TokenCounts(prompt: 0, completion: 0)))
        let tool = try Self.chunk(#"{"choices":[{"index":0,"delta":{"content":null,"tool_calls":[{"index":0}]}}]}"#)
        #expect(tool.hasToolCalls && tool.text.isEmpty)
        let other = try Self.chunk(
            #"{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]}"#)
        #expect(other.text == "a")
    }

    @Test(
        "Usage that cannot be relied on is invalid, not absent and not zero",
        arguments: [
            "{}", "5", #"{"prompt_tokens":1}"#, #"{"completion_tokens":1}"#,
            #"{"prompt_tokens":-1,"completion_tokens":1}"#,
            #"{"prompt_tokens":1.5,"completion_tokens":1}"#, #"{"prompt_tokens":"1","completion_tokens":1}"#,
            #"{"prompt_tokens":1,"completion_tokens":99999999999999999999}"#,
            #"{"prompt_tokens":1,"completion_tokens":null}"#,
            #"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}"#,
            #"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cache_write_tokens":0.5}}"#,
            #"{"prompt_tokens":1,"completion_tokens":1,"completion_tokens_details":7}"#,
        ])
    func invalidUsage(_ usage: String) throws {
        #expect(try Self.chunk(#"{"choices":[],"usage":\#(usage)}"#).usage == .invalid)
    }

    @Test(
        "row 11: Cache writes are counted in either API, and the long ones among them apart",
        arguments: [
            (#""cache_write_tokens":12"#, 12, 0),
            (#""cache_write_tokens":12,"cache_write_tokens_details":{"ttl_12h_tokens":5}"#, 12, 5),
            // No more than were written at all.
            (#""cache_write_tokens":3,"cache_write_tokens_details":{"ttl_12h_tokens":5}"#, 3, 3),
            (#""cache_write_tokens":null,"cache_write_tokens_details":null"#, 0, 0),
        ] as [(String, Int64, Int64)])
    func cacheWrites(details: String, written: Int64, kept: Int64) throws {
        let expected = UsageField.valid(
            TokenCounts(prompt: 19, cached: 4, cacheWrite: written, cacheWrite1h: kept, completion: 1))
        let input = #"{"cached_tokens":4,\#(details)}"#
        let chat = #"{"prompt_tokens":19,"completion_tokens":1,"prompt_tokens_details":\#(input)}"#
        #expect(try UsageField(JSONDocument(Array(chat.utf8)).root) == expected)
        let response = #"{"input_tokens":19,"output_tokens":1,"input_tokens_details":\#(input)}"#
        #expect(try UsageField(responses: JSONDocument(Array(response.utf8)).root) == expected)
    }

    @Test(
        "row 10: Cache writes that cannot be relied on make the counts of a response invalid",
        arguments: [#""cache_write_tokens":-1"#, #""cache_write_tokens_details":{"ttl_12h_tokens":0.5}"#])
    func invalidWrites(details: String) throws {
        let usage = #"{"input_tokens":19,"output_tokens":1,"input_tokens_details":{\#(details)}}"#
        #expect(try UsageField(responses: JSONDocument(Array(usage.utf8)).root) == .invalid)
    }

    @Test("Errors within a stream and as a body are read, and cut to a bound")
    func errors() throws {
        let fault = try Self.chunk(#"{"error":{"message":"overloaded","type":"server_error","code":503}}"#).error
        #expect(fault == ProviderFault(message: "overloaded", type: "server_error", code: "503"))
        #expect(ProviderFault(body: Array(#"{"error":"no"}"#.utf8)) == ProviderFault(message: "no"))
        let named = #"{"error":{"message":"no","param":"stop"}}"#
        #expect(ProviderFault(body: Array(named.utf8))?.param == "stop")
        #expect(ProviderFault(body: Array("<html>".utf8)) == nil)
        #expect(ProviderFault(body: Array(#"{"x":1}"#.utf8)) == nil)
        let long = #"{"error":{"message":"\#(String(repeating: "x", count: 2000))"}}"#
        #expect(ProviderFault(body: Array(long.utf8))?.message.count == ProviderFault.maxMessageLength)
        for bad in ["", "[DONE]", "[]", "{\"choices\":", "7"] {
            #expect(throws: WireFormatError.self) { try Self.chunk(bad) }
        }
    }

    private static let writer = ChatCompletionWriter(id: "chatcmpl-1", created: 7, model: "tu\"tor")
    private static let usage = TokenCounts(prompt: 5, cached: 1, completion: 3, reasoning: 2)
    private static let usageJSON =
        #"{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":1},"#
        + #""completion_tokens_details":{"reasoning_tokens":2}}"#

    @Test("A written stream is the golden one, and reads back as what was written")
    func stream() throws {
        var out: [UInt8] = []
        Self.writer.appendRole(to: &out)
        Self.writer.appendContent("1 + 1\n= \"2\"", to: &out)
        Self.writer.appendFinish("stop", to: &out)
        Self.writer.appendUsage(Self.usage, gboost: Array(#"{"steps":1}"#.utf8), to: &out)
        Self.writer.appendUsage(nil, gboost: Array("{}".utf8), to: &out)
        ChatCompletionWriter.appendError(ErrorEnvelope(message: "m", type: "t"), to: &out)
        ChatCompletionWriter.appendDone(to: &out)
        let head =
            #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"tu\"tor","choices":"#
        let expected = [
            head + #"[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            head + #"[{"index":0,"delta":{"content":"1 + 1\n= \"2\""},"finish_reason":null}]}"#,
            head + #"[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            head + #"[],"usage":\#(Self.usageJSON),"gboost":{"steps":1}}"#, head + #"[],"gboost":{}}"#,
            #"data: {"error":{"message":"m","type":"t","param":null,"code":null}}"#, "data: [DONE]", "",
        ]
        #expect(String(decoding: out, as: UTF8.self) == expected.joined(separator: "\n\n"))
        var parser = SSEParser()
        let events = try parser.push(out)
        #expect(events.count == 7 && events.last?.isDone == true)
        let chunks = try events.dropLast().map { try OpenAIChunk($0.data) }
        #expect(chunks.map(\.text).joined() == "1 + 1\n= \"2\"")
        #expect(chunks.compactMap(\.finishReason) == ["stop"])
        #expect(chunks.compactMap(\.usage.counts) == [Self.usage])
        #expect(chunks.last?.error?.message == "m")
    }

    @Test("A written body is the golden one, and reads back as what was written")
    func body() throws {
        let body = Self.writer.completion(
            text: "é\n", finishReason: "length", usage: Self.usage, gboost: Array(#"{"steps":1}"#.utf8))
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"tu\"tor","choices":["#
                + #"{"index":0,"#
                + #""message":{"role":"assistant","content":"é\n","refusal":null},"logprobs":null,"#
                + #""finish_reason":"length"}],"usage":\#(Self.usageJSON),"gboost":{"steps":1}}"#)
        let read = try OpenAICompletion(body)
        #expect(read.id == "chatcmpl-1" && read.model == "tu\"tor" && read.text == "é\n")
        #expect(read.finishReason == "length" && read.usage.counts == Self.usage && read.error == nil)
    }

    @Test("Errors and the list of models have OpenAI's form")
    func envelopes() throws {
        let error = ErrorEnvelope(
            message: "Budget \"month\" is used up.", type: "budget_exceeded", code: "budget_exceeded", param: "model",
            metadata: Array(#"{"scope":"tenant:a"}"#.utf8))
        #expect(
            String(decoding: error.body, as: UTF8.self)
                == #"{"error":{"message":"Budget \"month\" is used up.","type":"budget_exceeded","param":"model","#
                + #""code":"budget_exceeded","metadata":{"scope":"tenant:a"}}}"#)
        #expect(ErrorEnvelope(WireFormatError(.invalidField, "m", param: "n")).param == "n")
        let list = ModelList([.init(id: "tutor", created: 3, owner: "acme"), .init(id: "sim/x", owner: "sim")])
        #expect(
            String(decoding: list.body, as: UTF8.self)
                == #"{"object":"list","data":[{"id":"tutor","object":"model","created":3,"owned_by":"acme"},"#
                + #"{"id":"sim/x","object":"model","created":0,"owned_by":"sim"}]}"#)
        #expect(String(decoding: ModelList([]).body, as: UTF8.self) == #"{"object":"list","data":[]}"#)
    }
}
