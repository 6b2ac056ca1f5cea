import Testing

@testable import WireFormat

@Suite("Chat completion requests")
struct ChatCompletionRequestTests {
    private static func read(_ fields: String) throws -> ChatCompletionRequest {
        try ChatCompletionRequest(Array("{\(fields)}".utf8))
    }
    private static let base = #""model":"m","messages":[{"role":"user","content":"hi"}]"#

    @Test("Every field that is read comes out as it went in")
    func fields() throws {
        let request = try Self.read(
            #""model":"tutor","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"#
                + #""max_completion_tokens":7,"temperature":0.5,"top_p":0.9,"seed":-3,"n":2,"stop":["a","b"],"#
                + #""user":"u","#
                + #""metadata":{"k":"v"},"messages":[{"role":"system","content":"s"},{"role":"user","content":["#
                + #"{"type":"text","text":"a\n"},{"type":"text","text":"é"}]},{"role":"assistant","content":null}]"#)
        #expect(request.model == "tutor")
        #expect(request.isStream && request.includesUsage)
        #expect((request.maxTokens, request.maxCompletionTokens, request.outputLimit) == (5, 7, 7))
        #expect((request.temperature, request.topP, request.seed, request.n) == (0.5, 0.9, -3, 2))
        #expect(request.stop == ["a", "b"])
        #expect(request.user == "u")
        #expect(request.metadata == ["k": "v"])
        #expect(request.messages.map(\.text) == ["s", "a\né", ""])
        #expect(request.messages.map(\.role) == ["system", "user", "assistant"])
        #expect(request.obstacleForSLM == .severalChoices)
    }

    @Test("A field that is null counts as absent")
    func nulls() throws {
        let request = try Self.read(
            Self.base + #","stream":null,"max_tokens":null,"n":null,"stop":null,"tools":null,"response_format":null"#)
        #expect(!request.isStream)
        #expect(request.outputLimit == nil)
        #expect(request.n == 1)
        #expect(request.obstacleForSLM == nil)
    }

    @Test(
        "A bad field is named",
        arguments: [
            (#""messages":[]"#, "model"), (#""model":"m","messages":[]"#, "messages"),
            (#""model":5,"messages":[{"role":"user","content":"x"}]"#, "model"), (#""model":"m""#, "messages"),
            (#""model":"m","messages":{}"#, "messages"), (#""model":"m","messages":[1]"#, "messages[0]"),
            (#""model":"m","messages":[{"content":"x"}]"#, "messages[0].role"),
            (#""model":"m","messages":[{"role":"king","content":"x"}]"#, "messages[0].role"),
            (#""model":"m","messages":[{"role":"user","content":"x"},{"role":"user"}]"#, "messages[1].content"),
            (#""model":"m","messages":[{"role":"user","content":7}]"#, "messages[0].content"),
            (#""model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]"#, "messages[0].content[0].type"),
            (
                #""model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]"#,
                "messages[0].content[0].text"
            ),
        ])
    func badMessages(_ fields: String, _ param: String) {
        let error = #expect(throws: WireFormatError.self) { try Self.read(fields) }
        #expect(error?.param == param)
    }

    @Test("How tokens are to be chosen comes out as it went in, by either name of a penalty")
    func sampling() throws {
        let fields =
            #","frequency_penalty":0.5,"presence_penalty":-1,"top_k":-1,"min_p":0.1,"logit_bias":{"5":-100,"7":2.5}"#
        let request = try Self.read(Self.base + fields + #","repetition_penalty":1.2"#)
        var expected = ChatSampling()
        #expect(try Self.read(Self.base).sampling == expected)
        expected.frequencyPenalty = 0.5
        expected.presencePenalty = -1
        expected.topK = 0
        expected.minP = 0.1
        expected.repeatPenalty = 1.2
        expected.logitBias = [5: -100, 7: 2.5]
        #expect(request.sampling == expected)
        #expect(try Self.read(Self.base + #","repeat_penalty":1.3"#).sampling.repeatPenalty == 1.3)
    }

    @Test(
        "A bad parameter is named",
        arguments: [
            (#""stream":1"#, "stream"), (#""stream_options":3"#, "stream_options"),
            (#""stream_options":{"include_usage":"x"}"#, "stream_options.include_usage"),
            (#""max_tokens":0"#, "max_tokens"), (#""max_tokens":-1"#, "max_tokens"),
            (#""max_tokens":1.5"#, "max_tokens"),
            (#""max_tokens":99999999999999999999"#, "max_tokens"), (#""max_tokens":"5""#, "max_tokens"),
            (#""max_completion_tokens":0"#, "max_completion_tokens"), (#""temperature":2.1"#, "temperature"),
            (#""temperature":1e400"#, "temperature"), (#""top_p":-0.1"#, "top_p"), (#""seed":1.5"#, "seed"),
            (#""n":0"#, "n"), (#""n":129"#, "n"), (#""stop":5"#, "stop"), (#""stop":["a","b","c","d","e"]"#, "stop"),
            (#""stop":["a",""]"#, "stop[1]"), (#""user":1"#, "user"), (#""metadata":{"a":1}"#, "metadata"),
            (#""tools":{}"#, "tools"), (#""response_format":"json""#, "response_format"),
            (#""logprobs":"yes""#, "logprobs"), (#""model":"again""#, "model"),
            (#""frequency_penalty":2.5"#, "frequency_penalty"), (#""presence_penalty":"1""#, "presence_penalty"),
            (#""top_k":-2"#, "top_k"), (#""min_p":1.5"#, "min_p"), (#""repeat_penalty":0"#, "repeat_penalty"),
            (#""logit_bias":[1]"#, "logit_bias"), (#""logit_bias":{"x":1}"#, "logit_bias"),
            (#""logit_bias":{"5":101}"#, "logit_bias"), (#""logit_bias":{"-5":1}"#, "logit_bias"),
            (#""service_tier":"priority""#, "service_tier"), (#""service_tier":2"#, "service_tier"),
        ])
    func badParameters(_ field: String, _ param: String) {
        let error = #expect(throws: WireFormatError.self) { try Self.read(Self.base + "," + field) }
        #expect(error?.param == param)
    }

    @Test(
        "What an SLM cannot take is seen",
        arguments: [
            (#""tools":[{"type":"function"}]"#, ChatCompletionRequest.Obstacle.tools), (#""functions":[{}]"#, .tools),
            (#""tool_choice":"required""#, .tools), (#""n":2"#, .severalChoices), (#""logprobs":true"#, .logprobs),
            (#""top_logprobs":2"#, .logprobs), (#""response_format":{"type":"json_schema"}"#, .responseFormat),
            (#""response_format":{"type":"json_object"}"#, .responseFormat),
            (#""modalities":["text","audio"]"#, .audio),
            (#""web_search_options":{}"#, .webSearch),
        ])
    func obstacles(_ field: String, _ obstacle: ChatCompletionRequest.Obstacle) throws {
        #expect(try Self.read(Self.base + "," + field).obstacleForSLM == obstacle)
    }

    @Test("An assistant's last message begins the answer where its format has it so, behind a question, without tools")
    func opening() throws {
        let last = #"{"role":"assistant","content":"The"}"#
        let (tools, user) = (#","tools":[{"type":"function"}]"#, #"{"role":"user","content":"q"}"#)
        let cases: [(String, ChatCompletionRequest.ForSLM)] = [
            (#""messages":[\#(user),\#(last)]"#, .text), (#""messages":[\#(last)]"#, .not(.prefill)),
            (#""messages":[{"role":"system","content":"s"},\#(last)]"#, .not(.prefill)),
            (#""messages":[\#(user),\#(last)]\#(tools)"#, .not(.prefill)),
        ]
        for (fields, expected) in cases {
            var request = try Self.read(#""model":"m",\#(fields)"#)
            let turns = request.messages.count
            request.takeOpening()
            #expect(request.opening == "The" && request.messages.count == turns - 1 && request.forSLM == expected)
        }
        var plain = try Self.read(Self.base)
        plain.takeOpening()
        #expect(plain.opening == nil && plain.messages.count == 1 && plain.forSLM == .text)
    }

    @Test("Tools and calls with an object of more members than a template's JSON can look through are not an SLM's")
    func width() throws {
        func object(_ count: Int) -> String {
            "{" + (0..<count).map { #""k\#($0)":{"x":":::"}"# }.joined(separator: ",") + "}"
        }
        func tools(_ count: Int) -> String {
            let schema = #"{"type":"object","properties":\#(object(count))}"#
            return #""model":"m","messages":[{"role":"user","content":"q"}],"#
                + #""tools":[{"type":"function","function":{"name":"f","parameters":\#(schema)}}]"#
        }
        func calls(_ count: Int) -> String {
            let arguments = object(count).replacing("\"", with: "\\\"")
            return #""model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"#
                + #""tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"\#(arguments)"}}]},"#
                + #"{"role":"tool","tool_call_id":"c","content":"r"}]"#
        }
        let most = ChatCompletionRequest.maxMembers
        let wide = ChatCompletionRequest.ForSLM.unheld(
            field: .tools, keyword: "an object of more than \(most) members")
        for fields in [tools, calls] {
            #expect(try Self.read(fields(most + 1)).forSLM == wide)
            guard case .structured = try Self.read(fields(most)).forSLM else {
                Issue.record("as many are refused")
                continue
            }
        }
    }

    @Test(
        "What is plain text after all is no obstacle",
        arguments: [
            #""tools":[]"#, #""tool_choice":"auto""#, #""response_format":{"type":"text"}"#, #""logprobs":false"#,
            #""n":1"#, #""logit_bias":{}"#, #""unknown":[1,{"x":null}]"#,
        ])
    func noObstacles(_ field: String) throws {
        #expect(try Self.read(Self.base + "," + field).obstacleForSLM == nil)
    }

    @Test(
        "What a vendor would do beside the call is named, and has no bound",
        arguments: [
            (#""tools":[{"type":"function"},{"type":"web_search"}]"#, "tools[1]"),
            (#""tools":[{"type":7}]"#, "tools[0]"),
            (#""models":["a","b"]"#, "models"), (#""plugins":[{"id":"web"}]"#, "plugins"),
            (#""compound_custom":{"tools":{}}"#, "compound_custom"),
            (#""search_parameters":{}"#, "search_parameters"),
            (#""search_parameters":{"mode":"on"}"#, "search_parameters"),
            (#""data_sources":[{"type":"azure_search"}]"#, "data_sources"), (#""dataSources":[{}]"#, "dataSources"),
            (#""extra_body":{"google":{"cached_content":"c"}}"#, "extra_body.google.cached_content"),
            (#""enable_search":true"#, "enable_search"), (#""enable_search":"false""#, "enable_search"),
            (#""enable_code_interpreter":true"#, "enable_code_interpreter"), (#""preset":"p""#, "preset"),
            (#""prediction":{"type":"content","content":"x"}"#, "prediction"),
            (#""web_search_options":{}"#, "web_search_options"), (#""audio":{"voice":"a"}"#, "audio"),
            (#""modalities":["text","audio"]"#, "modalities"),
        ])
    func unbounded(_ field: String, _ name: String) throws {
        let request = try Self.read(Self.base + "," + field)
        #expect(request.unbounded == name && PromptBound.inputTokens(request) == nil)
    }

    @Test(
        "Tools of the client's, and what asks a vendor for nothing, have a bound",
        arguments: [
            #""tools":[{"type":"function"},{"type":"custom"},{}]"#, #""models":[],"plugins":null"#,
            #""search_parameters":{"mode":"off"}"#, #""data_sources":[],"extra_body":{"google":{}}"#,
            #""enable_search":false,"enable_code_interpreter":null,"preset":null,"prediction":null"#,
            #""modalities":["text"],"audio":null,"provider":{"sort":"price"}"#,
        ])
    func bounded(_ field: String) throws {
        let request = try Self.read(Self.base + "," + field)
        #expect(request.unbounded == nil && PromptBound.inputTokens(request) != nil)
    }

    @Test("Parts beyond text are flagged on their message; images are bounded by their kind, others have no bound")
    func parts() throws {
        for (type, feature) in [
            ("image_url", ChatCompletionRequest.Features.images), ("input_audio", .audio), ("file", .otherParts),
        ] {
            let request = try Self.read(
                #""model":"m","messages":[{"role":"user","content":[{"type":"\#(type)"},{"type":"text","text":"t"}]}]"#)
            #expect(request.messages[0].text == "t" && request.messages[0].features == feature)
            let bound = PromptBound.inputTokens(request)
            #expect((bound != nil) == (feature == .images) && bound ?? 50_001 > PromptBound.tokensPerImage)
            #expect(request.unbounded == (feature == .images ? nil : "messages[0].content[0]"))
        }
    }

    @Test("An assistant's thought in parts is bounded by its bytes and no text; anybody else's has no bound")
    func thoughts() throws {
        let parts = #"[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"}]"#
        for (role, param) in [("assistant", nil), ("user", "messages[1].content[0]")] as [(String, String?)] {
            let request = try Self.read(
                #""model":"m","messages":[{"role":"user","content":"x"},{"role":"\#(role)","content":\#(parts)}]"#)
            #expect(request.messages[1].text == "a" && request.unbounded == param)
        }
        let audio = try Self.read(#""model":"m","messages":[{"role":"assistant","audio":{"id":"a"}}]"#)
        #expect(audio.unbounded == "messages[0].audio")
    }

    @Test(
        "A document in an image's place has no bound",
        arguments: [
            (#"{"url":"data:application/pdf;base64,QUJD"}"#, false), (#"{"url":" DATA:text/plain,a"}"#, false),
            (#""data:;base64,QUJD""#, false), (#"{"url":"data:Image/PNG;base64,QUJD"}"#, true),
            (#"{"url":"https://a/b.pdf"}"#, true),
        ])
    func documents(image: String, isImage: Bool) throws {
        let request = try Self.read(
            #""model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":\#(image)}]}]"#)
        let expected: ChatCompletionRequest.Features = isImage ? .images : .otherParts
        #expect(request.features == expected && request.messages[0].images == (isImage ? 1 : 0))
        #expect((PromptBound.inputTokens(request) != nil) == isImage)
        #expect(request.unbounded == (isImage ? nil : "messages[0].content[0]"))
    }

    @Test("The body for a paid call differs in the model, the bound and the usage option only")
    func paidBody() throws {
        let body =
            #"{ "x" : 1e400, "model":"tutor", "max_tokens": 9 ,"max_completion_tokens":8,"temperature":0.10,"#
            + #""stream":true,"stream_options":{"z":0.0},"messages":[{"role":"user","content":"\u00e9"}] }"#
        let request = try ChatCompletionRequest(Array(body.utf8))
        #expect(
            String(decoding: try request.paidBody(model: "gpt \"x\"", maxTokens: 3), as: UTF8.self)
                == #"{ "x" : 1e400, "model":"gpt \"x\"", "max_tokens": 3,"temperature":0.10,"#
                + #""stream":true,"stream_options":{"z":0.0,"include_usage":true},"#
                + #""messages":[{"role":"user","content":"\u00e9"}] }"#)
        #expect(
            String(
                decoding: try request.paidBody(model: "m", maxTokens: 3, limitField: .maxCompletionTokens),
                as: UTF8.self)
                == #"{ "x" : 1e400, "model":"m" ,"max_completion_tokens":3,"temperature":0.10,"stream":true,"#
                + #""stream_options":{"z":0.0,"include_usage":true},"messages":[{"role":"user","content":"\u00e9"}] }"#)
    }

    @Test("The bound in tokens counts every byte of the body, and more where schemas are printed anew")
    func promptBound() throws {
        let plain = try Self.read(Self.base)
        #expect(PromptBound.inputTokens(plain) == Int64(plain.body.count) + 16 + 512)
        let tools = try Self.read(Self.base + #","tools":[{"type":"function"}]"#)
        #expect(PromptBound.inputTokens(tools) == 2 * Int64(tools.body.count) + 16 + 512)
    }
}
