import Testing

@testable import WireFormat

@Suite("A request of one format is the same request in the other")
struct RequestTranslationTests {
    static let user = #"{"role":"user","content":"Hi"}"#

    @Test("OpenAI to Anthropic: system text, tool calls, their results and images find their places")
    func conversation() throws {
        let body = #"""
            {"model":"m","max_tokens":9,"messages":[{"role":"system","content":"Be kind."},
            {"role":"developer","content":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}]},
            {"role":"user","content":[{"type":"text","text":"Look"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"auto"}},
            {"type":"image_url","image_url":{"url":"https://x/y.png"}}]},
            {"role":"assistant","content":null,"tool_calls":[
            {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
            {"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},
            {"role":"tool","tool_call_id":"c1","content":"one"},
            {"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"two"}]},
            {"role":"user","content":"Go on"}]}
            """#
        let expected =
            #"{"model":"m","max_tokens":9,"messages":["#
            + #"{"role":"user","content":[{"type":"text","text":"Look"},"#
            + #"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},"#
            + #"{"type":"image","source":{"type":"url","url":"https://x/y.png"}}]},"#
            + #"{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{"a":1}},"#
            + #"{"type":"tool_use","id":"c2","name":"g","input":{}}]},"#
            + #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"#
            + #"[{"type":"text","text":"one"}]},"#
            + #"{"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"two"}]},"#
            + #"{"type":"text","text":"Go on"}]}],"#
            + #""system":[{"type":"text","text":"Be kind."},"#
            + #"{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}]}"#
        #expect(try toMessages(body) == expected)
    }

    @Test(
        "OpenAI to Anthropic: each option",
        arguments: [
            (#""temperature":0.5,"top_p":0.9,"top_k":40"#, #""temperature":0.5,"top_p":0.9,"top_k":40"#),
            (#""stop":["END","."]"#, #""stop_sequences":["END","."]"#),
            (#""user":"u-1","stream":true"#, #""metadata":{"user_id":"u-1"},"stream":true"#),
            (#""stream":true,"stream_options":{"include_usage":true}"#, #""stream":true"#),
            (#""reasoning_effort":"high""#, #""output_config":{"effort":"high"}"#),
            (#""reasoning_effort":"none""#, #""thinking":{"type":"disabled"}"#),
            (
                #""thinking":{"type":"enabled","budget_tokens":2000}"#,
                #""thinking":{"type":"enabled","budget_tokens":2000}"#
            ),
            (
                #""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}"#,
                #""output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}"#
            ),
            (
                #""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"#
                    + #""strict":true},"cache_control":{"type":"ephemeral"}}],"tool_choice":"required","#
                    + #""parallel_tool_calls":false"#,
                #""tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true,"#
                    + #""cache_control":{"type":"ephemeral"}}],"#
                    + #""tool_choice":{"type":"any","disable_parallel_tool_use":true}"#
            ),
            (
                #""tools":[{"type":"function","function":{"name":"f"}}],"#
                    + #""tool_choice":{"type":"function","function":{"name":"f"}}"#,
                #""tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"#
                    + #""tool_choice":{"type":"tool","name":"f"}"#
            ),
            (#""tool_choice":"none""#, #""tool_choice":{"type":"none"}"#),
            // What only spells out a default says nothing.
            (
                #""n":1,"logprobs":false,"store":false,"service_tier":"auto","frequency_penalty":0,"logit_bias":{},"#
                    + #""presence_penalty":0,"modalities":["text"],"seed":null,"response_format":{"type":"text"}"#, ""
            ),
        ])
    func options(given: String, expected: String) throws {
        let translated = try toMessages(#"{"model":"m","messages":[\#(Self.user)],\#(given)}"#)
        let head = #"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]"#
        #expect(translated == head + (expected.isEmpty ? "" : "," + expected) + "}")
    }

    @Test(
        "OpenAI to Anthropic: what has no equal is named",
        arguments: [
            (#""seed":1"#, "seed"), (#""n":2"#, "n"), (#""logprobs":true"#, "logprobs"),
            (#""temperature":1.5"#, "temperature"), (#""stop":"\n""#, "stop"), (#""metadata":{"a":"b"}"#, "metadata"),
            (#""frequency_penalty":0.1"#, "frequency_penalty"), (#""logit_bias":{"1":2}"#, "logit_bias"),
            (#""response_format":{"type":"json_object"}"#, "response_format"), (#""made_up":1"#, "made_up"),
            (#""tools":[{"type":"custom","custom":{}}]"#, "tools[0].type"), (#""store":true"#, "store"),
            (#""reasoning_effort":"minimal""#, "reasoning_effort"), (#""service_tier":"flex""#, "service_tier"),
            (#""stream_options":{"include_obfuscation":true}"#, "stream_options.include_obfuscation"),
            (#""tool_choice":{"type":"allowed_tools"}"#, "tool_choice"),
        ])
    func refused(given: String, param: String) {
        #expect(field { _ = try toMessages(#"{"model":"m","messages":[\#(Self.user)],\#(given)}"#) } == param)
    }

    @Test(
        "OpenAI to Anthropic: what a message holds that has no equal is named",
        arguments: [
            (#"{"role":"user","content":"x","name":7}"#, "messages[0].name"),
            (
                #"{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}"#,
                "messages[0].content[0].type"
            ),
            (
                #"{"role":"user","content":[{"type":"image_url","image_url":{"url":"u","detail":"low"}}]}"#,
                "messages[0].content[0].image_url.detail"
            ),
            (
                #"{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","#
                    + #""arguments":"[1]"}}]}"#, "messages[0].tool_calls[0].function.arguments"
            ),
            (#"{"role":"assistant","content":"x","made_up":"hm"}"#, "messages[0].made_up"),
            (#"{"role":"function","name":"f","content":"x"}"#, "messages[0].role"),
            (
                #"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}"#,
                "messages[0].function_call"
            ),
        ])
    func refusedMessages(message: String, param: String) {
        #expect(field { _ = try toMessages(#"{"model":"m","messages":[\#(message)]}"#) } == param)
    }

    @Test("OpenAI to Anthropic: what is empty there stays out, and a message's mark is on what is left of it")
    func empty() throws {
        let body = #"""
            {"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":""},
            {"role":"assistant","content":null,"tool_calls":[]},
            {"role":"assistant","content":[{"type":"text","text":""}]},
            {"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"Go"},{"type":"text","text":""}],
            "cache_control":{"type":"ephemeral"}}]}
            """#
        let expected =
            #"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},"#
            + #"{"role":"user","content":[{"type":"text","text":"Go","cache_control":{"type":"ephemeral"}}]}]}"#
        #expect(try toMessages(body) == expected)
    }

    @Test("OpenAI to Anthropic: thoughts go back without the numbers that they had in a stream")
    func thoughts() throws {
        let body = #"""
            {"model":"m","messages":[{"role":"assistant","content":"Yes","thinking_blocks":[
            {"index":0,"type":"thinking","thinking":"t","signature":"s"},
            {"type":"redacted_thinking","data":"x","index":1},{"type":"thinking","thinking":"u","signature":"v"}]}]}
            """#
        let expected =
            #"{"model":"m","messages":[{"role":"assistant","content":["#
            + #"{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"x"},"#
            + #"{"type":"thinking","thinking":"u","signature":"v"},{"type":"text","text":"Yes"}]}]}"#
        #expect(try toMessages(body) == expected)
    }

    @Test("Anthropic to OpenAI: marks of a prompt stay where they are known, and nowhere else")
    func marks() throws {
        let mark = #","cache_control":{"type":"ephemeral","ttl":"1h"}"#
        func messages(_ mark: String) -> String {
            #"{"model":"m","max_tokens":9\#(mark),"system":[{"type":"text","text":"s"\#(mark)}],"#
                + #""tools":[{"name":"f","input_schema":{"type":"object"}\#(mark)}],"messages":["#
                + #"{"role":"user","content":[{"type":"text","text":"u"\#(mark)},"#
                + #"{"type":"image","source":{"type":"url","url":"v"}\#(mark)}]},"#
                + #"{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"\#(mark)},"#
                + #"{"type":"tool_use","id":"t","name":"f","input":{}\#(mark)}]},"#
                + #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"\#(mark)}]}]}"#
        }
        func chat(_ mark: String, assistant: String) -> String {
            #"{"model":"m","max_tokens":9,"messages":["#
                + #"{"role":"system","content":[{"type":"text","text":"s"\#(mark)}]},"#
                + #"{"role":"user","content":[{"type":"text","text":"u"\#(mark)},"#
                + #"{"type":"image_url","image_url":{"url":"v"}\#(mark)}]},"#
                + #"{"role":"assistant","content":\#(assistant),"tool_calls":[{"id":"t","type":"function","#
                + #""function":{"name":"f","arguments":"{}"}\#(mark)}]},"#
                + #"{"role":"tool","tool_call_id":"t","content":"r"\#(mark)}],"tools":[{"type":"function","#
                + #""function":{"name":"f","parameters":{"type":"object"}}\#(mark)}]\#(mark)}"#
        }
        func kept(_ body: String) throws -> String {
            text(try MessagesToChat.body(MessagesRequest(Array(body.utf8)), keepsThinking: true))
        }
        let parts = #"[{"type":"text","text":"a"},{"type":"text","text":"b"\#(mark)}]"#
        #expect(try kept(messages(mark)) == chat(mark, assistant: parts))
        #expect(try kept(messages("")) == chat("", assistant: #""ab""#))
        #expect(try toChat(messages(mark)) == chat("", assistant: #""ab""#))
    }

    @Test("Anthropic to OpenAI: system blocks, tool results, images and thinking find their places")
    func messages() throws {
        let body = #"""
            {"model":"m","max_tokens":9,
            "system":[{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral"}}],
            "messages":[{"role":"user","content":[{"type":"text","text":"Look"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},
            {"type":"text","text":"Yes"},
            {"type":"tool_use","id":"t1","name":"f","input":{"a": [1, 2]}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,
            "content":[{"type":"text","text":"no"}]},{"type":"text","text":"Go on"}]}]}
            """#
        let expected =
            #"{"model":"m","max_tokens":9,"messages":["#
            + #"{"role":"system","content":[{"type":"text","text":"Be kind."}]},"#
            + #"{"role":"user","content":[{"type":"text","text":"Look"},"#
            + #"{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]},"#
            + #"{"role":"assistant","content":"Yes","reasoning_content":"hm","tool_calls":["#
            + #"{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\": [1, 2]}"}}]},"#
            + #"{"role":"tool","tool_call_id":"t1","content":"Error: no"},"#
            + #"{"role":"user","content":[{"type":"text","text":"Go on"}]}]}"#
        #expect(try toChat(body) == expected)
    }

    @Test(
        "Anthropic to OpenAI: each option",
        arguments: [
            (#""temperature":0.5,"top_p":1e0,"top_k":40"#, #""temperature":0.5,"top_p":1e0,"top_k":40"#),
            (#""stop_sequences":["END"]"#, #""stop":["END"]"#),
            (#""metadata":{"user_id":"u"},"stream":true"#, #""user":"u","stream":true"#),
            (
                #""tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"cache_control":"#
                    + #"{"type":"ephemeral"}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}"#,
                #""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":"#
                    + #"{"type":"object"}}}],"tool_choice":"required","parallel_tool_calls":false"#
            ),
            (
                #""tool_choice":{"type":"tool","name":"f"}"#,
                #""tool_choice":{"type":"function","function":{"name":"f"}}"#
            ),
            (#""tool_choice":{"type":"none"}"#, #""tool_choice":"none""#),
            (#""thinking":{"type":"enabled","budget_tokens":2048}"#, #""reasoning_effort":"low""#),
            (#""thinking":{"type":"enabled","budget_tokens":9000}"#, #""reasoning_effort":"high""#),
            (#""thinking":{"type":"adaptive"}"#, ""),
            (
                #""output_config":{"effort":"medium","format":{"type":"json_schema","schema":{"type":"object"}}}"#,
                #""reasoning_effort":"medium","response_format":{"type":"json_schema","json_schema":"#
                    + #"{"name":"answer","schema":{"type":"object"},"strict":true}}"#
            ),
        ])
    func messagesOptions(given: String, expected: String) throws {
        let translated = try toChat(#"{"model":"m","max_tokens":5,"messages":[\#(Self.user)],\#(given)}"#)
        let head = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]"#
        #expect(translated == head + (expected.isEmpty ? "" : "," + expected) + "}")
    }

    @Test(
        "Anthropic to OpenAI: what has no equal is named",
        arguments: [
            (#""context_management":{}"#, "context_management"), (#""made_up":1"#, "made_up"),
            (#""stop_sequences":["a","b","c","d","e"]"#, "stop_sequences"), (#""container":"c""#, "container"),
            (#""tools":[{"type":"bash_20250124","name":"bash"}]"#, "tools[0].type"),
            (#""output_config":{"effort":"max"}"#, "output_config.effort"),
            (#""metadata":{"team":"x"}"#, "metadata.team"), (#""stop_sequences":["a",""]"#, "stop_sequences[1]"),
        ])
    func messagesRefused(given: String, param: String) {
        #expect(
            field { _ = try toChat(#"{"model":"m","max_tokens":5,"messages":[\#(Self.user)],\#(given)}"#) } == param)
    }

    @Test("Anthropic to OpenAI: a document, and a tool's result behind text, are named")
    func messagesRefusedBlocks() {
        for (block, param) in [
            (#"{"type":"document","source":{}}"#, "messages[0].content[0].type"),
            (#"{"type":"text","text":"a"},{"type":"tool_result","tool_use_id":"t"}"#, "messages[0].content[1]"),
        ] {
            let body = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[\#(block)]}]}"#
            #expect(field { _ = try toChat(body) } == param)
        }
    }

    @Test(
        "Anthropic to OpenAI: a message without a block in it is named wherever it stands, other than an assistant's",
        arguments: [
            (#"{"role":"user","content":[]}"#, "messages[0].content"),
            (user + #",{"role":"user","content":[]}"#, "messages[1].content"),
            (#"{"role":"system","content":[]},"# + user, "messages[0].content"),
            (user + #",{"role":"assistant","content":[]}"#, nil),
        ] as [(String, String?)])
    func messagesWithoutBlocks(messages: String, param: String?) {
        let body = #"{"model":"m","max_tokens":5,"system":[],"messages":[\#(messages)]}"#
        #expect(field { _ = try toChat(body) } == param)
    }

    @Test("Anthropic to OpenAI: the first call of a turn is signed as another's, where Google's models want it signed")
    func signedCalls() throws {
        func use(_ id: String) -> String { #"{"type":"tool_use","id":"\#(id)","name":"f","input":{}}"# }
        let turn = #"{"role":"assistant","content":[\#(use("a")),\#(use("b"))]}"#
        let body = #"{"model":"m","max_tokens":5,"messages":[\#(Self.user),\#(turn)]}"#
        let signed = text(try MessagesToChat.body(MessagesRequest(Array(body.utf8)), signsCalls: true))
        func call(_ id: String, _ rest: String) -> String {
            #"{"id":"\#(id)","type":"function","function":{"name":"f","arguments":"{}"}\#(rest)}"#
        }
        let mark = #","extra_content":{"google":{"thought_signature":"skip_thought_signature_validator"}}"#
        #expect(signed.contains(#""tool_calls":[\#(call("a", mark)),\#(call("b", ""))]"#), "\(signed)")
        #expect(try !toChat(body).contains("extra_content"))
    }

    @Test("Anthropic to OpenAI: where the vendor's own limits hold, OpenAI's do not")
    func ownLimits() throws {
        let options = #""stop_sequences":["a","b","c","d","e"],"output_config":{"effort":"max"}"#
        let body = #"{"model":"m","max_tokens":5,"messages":[\#(Self.user)],\#(options)}"#
        let chat = text(try MessagesToChat.body(MessagesRequest(Array(body.utf8)), hasOwnLimits: true))
        #expect(chat.contains(#""stop":["a","b","c","d","e"],"reasoning_effort":"max""#), "\(chat)")
    }

    @Test(
        "A mark for more than five minutes is found in either format, and none in a tool's own words",
        arguments: [
            (#""messages":[{"role":"user","content":[{"type":"text","text":"x",MARK}]}]"#, "messages[0].content[0]"),
            (#""system":[{"type":"text","text":"x",MARK}]"#, "system[0]"),
            (#""tools":[{"name":"f",MARK}]"#, "tools[0]"),
            (#""messages":[{"role":"tool","content":"x",MARK}]"#, "messages[0]"), ("MARK", ""),
            (#""input":[{"role":"user","content":[{"type":"input_text",MARK}]}]"#, "input[0].content[0]"),
            (#""messages":[{"content":[{"type":"tool_use","input":{MARK}}]}]"#, nil),
            (#""tools":[{"input_schema":{"properties":{MARK}}}]"#, nil), (#""messages":[]"#, nil),
        ] as [(String, String?)])
    func longMarks(fields: String, holder: String?) throws {
        for (time, isLong) in [("1h", true), (#"\u0031h"#, true), ("5m", false)] {
            let mark = #""cache_control":{"type":"ephemeral","ttl":"\#(time)"}"#
            let pieces = fields.split(separator: "MARK", omittingEmptySubsequences: false)
            let body = "{" + pieces.joined(separator: mark) + "}"
            let param = holder.map { ($0.isEmpty ? "" : $0 + ".") + "cache_control.ttl" }
            let document = try JSONDocument(Array(body.utf8))
            #expect(CacheMarks.longMark(in: document.root) == (isLong ? param : nil), "\(body)")
        }
    }

    @Test(
        "A mark whose time stands twice, or is none that is known, counts as one for longer",
        arguments: [
            #""ttl":"5m","ttl":"1h""#, #""ttl":"1h","ttl":"5m""#, #""ttl":"5m","\u0074tl":"1h""#, #""ttl":3600"#,
        ])
    func oddMarks(time: String) throws {
        // Deeper than keys are looked at for standing twice.
        let text = #"{"type":"text","text":"x","cache_control":{"type":"ephemeral",\#(time)}}"#
        let body = #"{"messages":[{"role":"user","content":[{"type":"tool_result","content":[\#(text)]}]}]}"#
        let document = try JSONDocument(Array(body.utf8))
        #expect(CacheMarks.longMark(in: document.root) == "messages[0].content[0].content[0].cache_control.ttl")
    }

    @Test("What went there and back is what it was")
    func roundTrip() throws {
        let body =
            #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"#
            + #"[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"text","text":"Yes"},"#
            + #"{"type":"tool_use","id":"t1","name":"f","input":{"a":1}}]},{"role":"user","content":"#
            + #"[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"2"}]}]}],"#
            + #""temperature":0.5,"stop_sequences":["END"],"tools":[{"name":"f","input_schema":{"type":"object"}}],"#
            + #""tool_choice":{"type":"auto"},"stream":true}"#
        #expect(try toMessages(toChat(body)) == body)
    }
}
