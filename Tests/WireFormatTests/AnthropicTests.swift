import Testing

@testable import WireFormat

@Suite("Anthropic's format, as it is read")
struct AnthropicTests {
    private static func usage(_ events: String...) throws -> UsageField? {
        var all: AnthropicUsage?
        for json in events {
            let later = AnthropicUsage(try JSONDocument(Array(json.utf8)).root)
            all = later.map { all?.replaced(by: $0) ?? $0 } ?? all
        }
        return all?.field
    }

    @Test("row 11: Input is without the cache; what a later usage names replaces the earlier, zero included")
    func counts() throws {
        let start =
            #"{"input_tokens":10,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"#
            + #""cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":2},"output_tokens":1}"#
        #expect(
            try Self.usage(start, #"{"output_tokens":9}"#)
                == .valid(
                    TokenCounts(prompt: 117, cached: 100, cacheWrite: 7, cacheWrite1h: 2, completion: 9)))
        #expect(
            try Self.usage(start, #"{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":9}"#)
                == .valid(TokenCounts(prompt: 7, cacheWrite: 7, cacheWrite1h: 2, completion: 9)))
        // A total without its parts is written for five minutes, the usual time.
        #expect(
            try Self.usage(#"{"input_tokens":1,"cache_creation_input_tokens":3,"output_tokens":0}"#)
                == .valid(TokenCounts(prompt: 4, cacheWrite: 3, completion: 0)))
        // Parts that a later total no longer has room for.
        #expect(
            try Self.usage(start, #"{"cache_creation_input_tokens":1,"output_tokens":9}"#)
                == .valid(TokenCounts(prompt: 111, cached: 100, cacheWrite: 1, cacheWrite1h: 1, completion: 9)))
        let thinking = #"{"input_tokens":1,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}"#
        #expect(try Self.usage(thinking) == .valid(TokenCounts(prompt: 1, completion: 9, reasoning: 4)))
    }

    @Test(
        "row 10: Counts that cannot be relied on are none",
        arguments: [
            #"{"input_tokens":1}"#, #"{"output_tokens":1}"#, #"{"input_tokens":-1,"output_tokens":1}"#,
            #"{"input_tokens":1.5,"output_tokens":1}"#, #"{"input_tokens":"1","output_tokens":1}"#,
            #"{"input_tokens":9223372036854775807,"cache_read_input_tokens":1,"output_tokens":1}"#, "7",
            #"{"input_tokens":1,"output_tokens":1,"server_tool_use":{"web_search_requests":1}}"#,
        ])
    func invalid(json: String) throws {
        #expect(try Self.usage(json) == .invalid)
    }

    @Test(
        "What cannot be bounded is named, and no bound is given",
        arguments: [
            (#""mcp_servers":[{}]"#, "mcp_servers"), (#""container":"c""#, "container"), (#""speed":"fast""#, "speed"),
            (#""inference_geo":"us""#, "inference_geo"), (#""service_tier":"priority""#, "service_tier"),
            (#""context_management":{"edits":[{"type":"compact_20260112"}]}"#, "context_management"),
            (#""tools":[{"type":"web_search_20250305","name":"w"}]"#, "tools[0]"),
            (#""system":[{"type":"document"}]"#, "system[0]"), (#""fallbacks":[{"model":"n"}]"#, "fallbacks"),
        ])
    func unbounded(given: String, name: String) throws {
        let body = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],\#(given)}"#
        let request = try MessagesRequest(Array(body.utf8))
        #expect(request.unbounded == name)
        #expect(PromptBound.inputTokens(request) == nil)
    }

    @Test(
        "No thread, and no models to fall back on, have a bound",
        arguments: [#""thread":null"#, #""fallbacks":[]"#, #""fallbacks":null"#])
    func bounded(given: String) throws {
        let body = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],\#(given)}"#
        let request = try MessagesRequest(Array(body.utf8))
        #expect(request.unbounded == nil && PromptBound.inputTokens(request) != nil)
    }

    @Test(
        "A thread is refused in the word that Anthropic's clients go on without one by, its first turn and any other",
        arguments: [
            #"{"type":"create"}"#, #"{"type":"continue","previous_message_id":"msg_1"}"#, #"{"type":"other"}"#,
            #""t""#, "false",
        ])
    func threads(thread: String) throws {
        let body = #"{"model":"m","messages":[{"role":"user","content":"x"}],"thread":\#(thread)}"#
        let error = #expect(throws: WireFormatError.self) {
            try MessagesRequest(Array(body.utf8), needsMaxTokens: false)
        }
        #expect(error?.param == "thread")
        let said = text(ErrorEnvelope(try #require(error)).anthropicBody(requestID: nil))
        #expect(said.hasPrefix(#"{"type":"error","error":{"type":"invalid_request_error","message":"'thread' is not"#))
        #expect(said.contains(#""details":{"error_code":"thread_unsupported_request"}"#), "\(said)")
        let other = ErrorEnvelope(message: "m", type: "invalid_request_error", code: "invalid_field")
        #expect(!text(other.anthropicBody(requestID: nil)).contains("details"))
    }

    @Test(
        "A document in an image's place has no bound",
        arguments: [
            (#"{"type":"base64","media_type":"application/pdf","data":"QUJD"}"#, false),
            (#"{"type":"url","url":"data:application/pdf;base64,QUJD"}"#, false),
            (#"{"type":"base64","media_type":"Image/PNG","data":"QUJD"}"#, true),
            (#"{"type":"url","url":"https://a/b.pdf"}"#, true),
        ])
    func documents(source: String, isImage: Bool) throws {
        let block = #"{"type":"image","source":\#(source)}"#
        let body = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[\#(block)]}]}"#
        let request = try MessagesRequest(Array(body.utf8))
        let expected: String? = isImage ? nil : "messages[0].content[0]"
        #expect(request.unbounded == expected)
        #expect((PromptBound.inputTokens(request) != nil) == isImage)
    }

    @Test("An image is bounded by its kind, not by its bytes; tools by twice their text and the vendor's own")
    func bounds() throws {
        func bound(_ body: String) throws -> Int64? { PromptBound.inputTokens(try MessagesRequest(Array(body.utf8))) }
        let data = String(repeating: "A", count: 100_000)
        let image = #"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"\#(data)"}}"#
        let one = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[\#(image)]}]}"#
        #expect(try bound(one) == Int64(one.utf8.count - 100_002) + 16 + 512 + 5_000)
        let tools =
            #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"#
            + #""tools":[{"type":"bash_20250124","name":"bash"}]}"#
        #expect(try bound(tools) == Int64(tools.utf8.count * 2) + 16 + 512 + 2 * 2_048)
    }

    @Test(
        "A malformed request names its field",
        arguments: [
            (#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, "max_tokens"),
            (#"{"max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#, "model"),
            (#"{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"x"}]}"#, "max_tokens"),
            (#"{"model":"m","max_tokens":5,"messages":[]}"#, "messages"),
            (#"{"model":"m","max_tokens":5,"messages":[{"role":"tool","content":"x"}]}"#, "messages[0].role"),
            (#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[7]}]}"#, "messages[0].content[0]"),
            (#"{"model":"m","max_tokens":5,"max_tokens":9,"messages":[]}"#, "max_tokens"),
        ])
    func malformed(body: String, param: String) {
        #expect(field { _ = try MessagesRequest(Array(body.utf8)) } == param)
    }

    @Test("The end of a stream is kept back with what it cost, everything before is not, however it looks")
    func tail() {
        var tail = MessagesTail()
        let looks =
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":"
            + "{\"type\":\"text_delta\",\"text\":\"message_delta\"}}\n\n"
        let midway = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null}}\n\n"
        let end =
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
        let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
        #expect(text(tail.pass(Array((looks + midway + looks + end).utf8))) == looks + midway + looks)
        #expect(tail.pass(Array(stop.utf8)).isEmpty)
        #expect(
            text(tail.finish(gboost: Array("{}".utf8)))
                == end.replacingOccurrences("\"}}\n", "\"},\"gboost\":{}}\n") + stop)
    }
}

extension String {
    fileprivate func replacingOccurrences(_ one: String, _ other: String) -> String {
        split(separator: one, omittingEmptySubsequences: false).joined(separator: other)
    }
}
