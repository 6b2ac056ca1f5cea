import Curl
import Foundation
import GatewayCore
import GatewayTesting
import Testing
import WireFormat

@testable import Providers

/// A provider of Google's before a scripted peer, and both ended with the test.
private func withGemini(
    _ script: [ScriptedPeer.Step], _ work: (GeminiProvider, ScriptedPeer) async throws -> Void
) async throws {
    let peer = try ScriptedPeer(all: [script])
    defer { peer.stop() }
    let client = try CurlClient()
    let settings = ProviderSettings(name: "google", baseURL: peer.url + "/v1beta/", apiKey: Secret("AIzaSy-0123456789"))
    do {
        try await work(GeminiProvider(settings, client: client), peer)
    } catch {
        await client.shutdown()
        throw error
    }
    await client.shutdown()
}

private func chatCall(_ body: String, isStream: Bool = true) -> PaidCall {
    PaidCall(
        model: ModelReference(provider: "google", model: "gemini-3-pro"), body: Array(body.utf8), isStream: isStream,
        requestID: "req-7")
}

func object(_ bytes: some Sequence<UInt8>) throws -> NSDictionary {
    try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? NSDictionary)
}

@Suite("A Gemini provider")
struct GeminiTests {
    private static let plain = #"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#

    private static func chunk(_ parts: String, _ rest: String = "") -> String {
        "data: {\"candidates\":[{\"content\":{\"parts\":[\(parts)],\"role\":\"model\"}\(rest)}\n\n"
    }
    private static func reader(isStream: Bool) -> GeminiAnswer {
        GeminiAnswer(
            isStream: isStream, requestID: "req-7", providerRequestID: "google-1", maxEventBytes: 1024, model: "m",
            created: 1)
    }
    private static func usage(_ counts: String) -> String { #"}],"usageMetadata":{\#(counts)"# }

    @Test("gets the call at its own path, with its own key header", arguments: [true, false])
    func request(isStream: Bool) async throws {
        try await withGemini([.read, answer(200, "{}")]) { provider, peer in
            _ = try await provider.open(chatCall(Self.plain, isStream: isStream))
            let sent = try #require(peer.requests.first)
            let action = isStream ? "streamGenerateContent?alt=sse" : "generateContent"
            #expect(sent.head.hasPrefix("POST /v1beta/models/gemini-3-pro:\(action) HTTP/1.1"))
            #expect(sent.header("x-goog-api-key") == "AIzaSy-0123456789" && sent.header("authorization") == nil)
            let body = try object(sent.body)
            #expect(body["generationConfig"] as? NSDictionary == ["maxOutputTokens": 50])
            #expect(body["model"] == nil && body["stream"] == nil)
        }
    }

    @Test("A whole conversation is translated: roles, images, calls with their signatures, results together, a schema")
    func translation() throws {
        let body = """
            {"model":"gemini-3-pro","max_completion_tokens":9,"temperature":0.5,"top_p":1,"top_k":3,"stop":["a","b"],
             "reasoning_effort":"low","tool_choice":{"type":"function","function":{"name":"f"}},
             "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],
             "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"string"}}},
             "messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"u"},
              {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]},
              {"role":"assistant","content":null,"tool_calls":[
               {"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"},
                "extra_content":{"google":{"thought_signature":"sig"}}},
               {"id":"c2","type":"function","function":{"name":"f","arguments":""}}]},
              {"role":"tool","tool_call_id":"c1","content":"sunny"},
              {"role":"tool","tool_call_id":"c2","content":"{\\"b\\":2}"}]}
            """
        let expected = """
            {"systemInstruction":{"parts":[{"text":"s"}]},
             "contents":[{"role":"user","parts":[{"text":"u"},{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]},
              {"role":"model","parts":[
               {"functionCall":{"id":"c1","name":"f","args":{"a":1}},"thoughtSignature":"sig"},
               {"functionCall":{"id":"c2","name":"f","args":{}}}]},
              {"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"result":"sunny"}}},
               {"functionResponse":{"id":"c2","name":"f","response":{"b":2}}}]}],
             "tools":[{"functionDeclarations":[
               {"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}],
             "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
             "generationConfig":{"maxOutputTokens":9,"topK":3,"temperature":0.5,"topP":1,"stopSequences":["a","b"],
              "responseMimeType":"application/json","responseJsonSchema":{"type":"string"},
              "thinkingConfig":{"thinkingLevel":"low","includeThoughts":true}}}
            """
        #expect(try object(GeminiRequest.body(Array(body.utf8), model: "gemini-3-pro")) == object(expected.utf8))
    }

    @Test("A document in an image's place is named", arguments: ["application/pdf", "text/plain", ""])
    func document(mediaType: String) {
        let part = #"{"type":"image_url","image_url":{"url":"data:\#(mediaType);base64,QUJD"}}"#
        let body = #"{"model":"m","messages":[{"role":"user","content":[\#(part)]}]}"#
        let error = #expect(throws: WireFormatError.self) {
            try GeminiRequest.body(Array(body.utf8), model: "gemini-3-pro")
        }
        #expect(error?.param == "messages[0].content[0].image_url.url")
    }

    @Test("Efforts are budgets for older models; a call that Google's models did not sign says so for newer ones")
    func generations() throws {
        let old = #"{"model":"gemini-2.5-pro","messages":[{"role":"user","content":"x"}],"reasoning_effort":"none"}"#
        let sent = try object(GeminiRequest.body(Array(old.utf8), model: "gemini-2.5-pro"))
        let thinking = sent["generationConfig"] as? NSDictionary
        #expect(thinking == ["thinkingConfig": ["thinkingBudget": 0]])
        let called = """
            {"model":"gemini-3-flash","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[
             {"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
             {"role":"tool","tool_call_id":"c","content":"y"}]}
            """
        let text = String(decoding: try GeminiRequest.body(Array(called.utf8), model: "gemini-3-flash"), as: UTF8.self)
        #expect(text.contains(#""thoughtSignature":"skip_thought_signature_validator""#))
    }

    @Test(
        "What has no equal there is named before anything is held",
        arguments: [
            (#""n":2"#, "n"), (#""logprobs":true"#, "logprobs"), (#""made_up":1"#, "made_up"),
            (#""reasoning_effort":"xhigh""#, "reasoning_effort"),
            (
                #""tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false"#,
                "parallel_tool_calls"
            ),
        ])
    func refused(field: String, param: String) async throws {
        let client = try CurlClient()
        let settings = ProviderSettings(name: "google", baseURL: "http://127.0.0.1:1", apiKey: nil)
        let provider = GeminiProvider(settings, client: client)
        let objection = provider.objection(to: Array((Self.plain.dropLast() + ",\(field)}").utf8), model: "m")
        #expect(objection?.param == param && objection?.message.contains(param) == true)
        #expect(provider.objection(to: Array(Self.plain.utf8), model: "m") == nil)
        await client.shutdown()
    }

    @Test("A stream becomes OpenAI's: thoughts, text, a call; counts are repeated, and the last ones count")
    func streamed() async throws {
        let pieces = [
            Self.chunk(#"{"text":"Hm","thought":true}"#, Self.usage(#""promptTokenCount":20}"#)),
            Self.chunk(#"{"text":"Hi"}"#, Self.usage(#""promptTokenCount":20,"candidatesTokenCount":1}"#)),
            Self.chunk(
                #"{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"sig"}"#,
                #","finishReason":"STOP""#
                    + Self.usage(
                        #""promptTokenCount":20,"candidatesTokenCount":5,"thoughtsTokenCount":7,"#
                            + #""cachedContentTokenCount":4,"toolUsePromptTokenCount":3,"totalTokenCount":35}"#)),
        ]
        try await withGemini([.read] + stream(pieces[0], pieces[1], pieces[2]) + [.send("0\r\n\r\n")]) { provider, _ in
            let exchange = try await provider.open(chatCall(Self.plain))
            let said = await readAll(exchange)
            #expect(said.error == nil && said.text == "Hi")
            #expect(said.bytes.contains(#""delta":{"reasoning_content":"Hm"}"#))
            #expect(said.bytes.contains(#""arguments":"{\"a\":1}""#))
            #expect(said.bytes.contains(#""thought_signature":"sig""#))
            #expect(said.bytes.contains(#""finish_reason":"tool_calls""#) && said.bytes.hasSuffix("data: [DONE]\n\n"))
            let usage = try #require(await exchange.result.usage)
            #expect(usage.input == 23 && usage.cachedInput == 4 && usage.output == 12 && usage.reasoning == 7)
            #expect(usage.raw?.contains("toolUsePromptTokenCount") == true)
            #expect(said.bytes.contains(#""prompt_tokens":23,"completion_tokens":12,"total_tokens":35"#))
        }
    }

    @Test("row 10: a stream that breaks has no usage that counts, whatever it had counted; explicit zeros count")
    func counts() async throws {
        let early = Self.chunk(#"{"text":"Hi"}"#, Self.usage(#""promptTokenCount":20,"candidatesTokenCount":1}"#))
        try await withGemini([.read] + stream(early) + [.send("0\r\n\r\n")]) { provider, _ in
            let exchange = try await provider.open(chatCall(Self.plain))
            let error = await readAll(exchange).error
            #expect(error?.mayHaveCharged == true)
            #expect(await exchange.result.usage == nil)
        }
        let zeros = #"{"promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0}"#
        for (counts, expected) in [
            (zeros, 0), ("{}", nil), (#"{"promptTokenCount":-1}"#, nil), (#"{"promptTokenCount":1.5}"#, nil),
        ] as [(String, Int64?)] {
            var answer = Self.reader(isStream: false)
            let body = #"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"MAX_TOKENS"}],"#
            _ = answer.push(Array((body + #""usageMetadata":\#(counts)}"#).utf8))
            let piece = answer.finish()
            #expect(piece.fault == nil && piece.text == "x")
            #expect(answer.result.usage?.input == expected && answer.result.finishReason == "length")
        }
    }

    @Test("Calls without an id are named by the gateway's request: no two of a conversation are alike")
    func unnamedCalls() throws {
        let calls =
            #"{"functionCall":{"name":"f","args":{}}},{"functionCall":{"id":"g-1","name":"f"}},"#
            + #"{"functionCall":{"name":"f","args":{}}}"#
        let ids = ["call_req-7_0", "g-1", "call_req-7_2"]
        var stream = Self.reader(isStream: true)
        let said = String(decoding: stream.push(Array(Self.chunk(calls, "}]").utf8)).bytes, as: UTF8.self)
        for id in ids { #expect(said.contains(#""id":"\#(id)""#), "\(said)") }
        var whole = Self.reader(isStream: false)
        _ = whole.push(Array(#"{"candidates":[{"content":{"parts":[\#(calls)]},"finishReason":"STOP"}]}"#.utf8))
        let body = String(decoding: whole.finish().bytes, as: UTF8.self)
        for id in ids { #expect(body.contains(#""id":"\#(id)""#), "\(body)") }
    }

    @Test("A prompt that is blocked ends the answer; an error within a stream is one")
    func blocked() {
        var answer = Self.reader(isStream: false)
        let body = #"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#
        _ = answer.push(Array(body.utf8))
        #expect(answer.finish().fault == nil)
        #expect(answer.result.finishReason == "content_filter" && answer.result.usage?.input == 4)
        var broken = Self.reader(isStream: true)
        let piece = broken.push(Array("data: {\"error\":{\"code\":503,\"message\":\"busy\"}}\n\n".utf8))
        #expect(piece.fault?.contains("busy") == true)
    }

    @Test(
        "An answer that Google withheld is no whole one",
        arguments: ["SAFETY", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
    func withheld(word: String) {
        var answer = Self.reader(isStream: false)
        let candidate = #"{"content":{"role":"model"},"finishReason":"\#(word)"}"#
        _ = answer.push(Array(#"{"candidates":[\#(candidate)],"usageMetadata":{"promptTokenCount":4}}"#.utf8))
        #expect(answer.finish().fault == nil)
        #expect(answer.result.finishReason == "content_filter" && answer.result.usage?.input == 4)
    }

    @Test("An error status keeps its words, without the key")
    func failed() async throws {
        let body =
            #"{"error":{"code":400,"message":"API key AIzaSy-0123456789 not valid","status":"INVALID_ARGUMENT"}}"#
        try await withGemini([.read, answer(400, body)]) { provider, _ in
            let error = await #expect(throws: ProviderError.self) {
                _ = try await provider.open(chatCall(Self.plain))
            }
            #expect(error?.status == 400 && error?.message.contains("not valid") == true)
            #expect(error?.message.contains("0123456789") == false)
        }
    }
}
