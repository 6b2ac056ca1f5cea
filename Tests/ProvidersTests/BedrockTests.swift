import Crypto
import Curl
import Foundation
import GatewayCore
import GatewayTesting
import Testing
import WireFormat

@testable import Providers

/// A message in Amazon's binary form, its checksums worked out bit by bit.
private func frame(_ headers: [(String, String)], _ payload: String) -> [UInt8] {
    func bytes(_ number: Int, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(number >> ($0 * 8) & 255) }
    }
    func checksum(_ data: [UInt8]) -> Int {
        var value: UInt32 = .max
        for byte in data {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
        return Int(~value)
    }
    var head: [UInt8] = []
    for (name, value) in headers {
        head += bytes(name.utf8.count, 1)
        head += Array(name.utf8)
        head += [7]
        head += bytes(value.utf8.count, 2)
        head += Array(value.utf8)
    }
    var message = bytes(16 + head.count + payload.utf8.count, 4) + bytes(head.count, 4)
    message += bytes(checksum(message), 4)
    message += head + Array(payload.utf8)
    return message + bytes(checksum(message), 4)
}

private func event(_ type: String, _ payload: String) -> [UInt8] {
    frame([(":message-type", "event"), (":event-type", type), (":content-type", "application/json")], payload)
}

@Suite("Amazon's binary stream")
struct EventStreamTests {
    private static let two = event("a", #"{"x":1}"#) + frame([("b", "")], "")

    @Test("The checksum is the published one")
    func checksum() { #expect(CRC32.of(Array("123456789".utf8)) == 0xCBF4_3926) }

    @Test("Messages come out whole, however the bytes are cut", arguments: 1...Self.two.count)
    func cut(size: Int) throws {
        var parser = EventStreamParser(maxMessageBytes: 1024)
        var messages: [EventStreamMessage] = []
        for start in stride(from: 0, to: Self.two.count, by: size) {
            messages += try parser.push(Array(Self.two[start..<min(start + size, Self.two.count)]))
        }
        #expect(messages.map(\.headers[":event-type"]) == ["a", nil] && messages[0].payload == Array(#"{"x":1}"#.utf8))
        #expect(messages[1].headers == ["b": ""] && !parser.isWithinMessage)
    }

    @Test("A flipped bit is found, wherever it is", arguments: 0..<Self.two.count)
    func flipped(index: Int) {
        var bytes = Self.two
        bytes[index] ^= 0x10
        var parser = EventStreamParser(maxMessageBytes: 1024)
        let messages = try? parser.push(bytes)
        #expect(messages == nil)
    }

    @Test("Lengths are believed only with their checksum and within the bound")
    func lengths() throws {
        var parser = EventStreamParser(maxMessageBytes: 64)
        #expect(throws: WireFormatError.self) { try parser.push(event("a", String(repeating: "x", count: 100))) }
        var wild = EventStreamParser(maxMessageBytes: 64)
        #expect(throws: WireFormatError.self) { try wild.push(Array(repeating: 0xFF, count: 12)) }
    }

    @Test("Headers of every type are read over, and one that is cut off is an error")
    func headers() throws {
        let values: [(UInt8, [UInt8])] = [
            (0, []), (1, []), (2, [1]), (3, [0, 1]), (4, [0, 0, 0, 1]), (5, Array(repeating: 0, count: 8)),
            (6, [0, 2, 9, 9]), (8, Array(repeating: 0, count: 8)), (9, Array(repeating: 0, count: 16)),
        ]
        func message(_ head: [UInt8]) -> [UInt8] {
            // The checksums of `frame` are tested above; here they are the parser's own.
            func bytes(_ number: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(number >> $0 & 255) } }
            var bytesOfMessage = bytes(UInt32(16 + head.count)) + bytes(UInt32(head.count))
            bytesOfMessage += bytes(CRC32.of(bytesOfMessage))
            bytesOfMessage += head
            return bytesOfMessage + bytes(CRC32.of(bytesOfMessage))
        }
        var head: [UInt8] = []
        for (type, value) in values { head += [1, 0x68, type] + value }
        head += [1, 0x74, 7, 0, 1, 0x76]
        var parser = EventStreamParser(maxMessageBytes: 1024)
        #expect(try parser.push(message(head)).first?.headers == ["t": "v"])
        for head: [UInt8] in [[5, 0x68], [1, 0x68, 10], [1, 0x68, 7, 0, 9, 0x76], [1, 0x68]] {
            var parser = EventStreamParser(maxMessageBytes: 1024)
            #expect(throws: WireFormatError.self) { try parser.push(message(head)) }
        }
    }
}

@Suite("A Bedrock provider")
struct BedrockTests {
    private static let plain = #"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":50}"#
    private static let model = "anthropic.claude-3-haiku-20240307-v1:0"
    private static let newer = "us.anthropic.claude-opus-4-6-v1"

    private static func answer(isStream: Bool = true) -> ConverseAnswer {
        ConverseAnswer(isStream: isStream, providerRequestID: "r", maxEventBytes: 4096, model: "m", created: 1)
    }

    private static func with(
        _ script: [ScriptedPeer.Step], credentials: BedrockProvider.Credentials, key: Secret? = nil,
        _ work: (BedrockProvider, ScriptedPeer) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer(all: [script])
        defer { peer.stop() }
        let client = try CurlClient()
        let settings = ProviderSettings(name: "aws", baseURL: peer.url, apiKey: key)
        do {
            try await work(BedrockProvider(settings, credentials: credentials, client: client), peer)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    @Test(
        "The signature is right by another's arithmetic, with the model's colon encoded twice",
        arguments: [true, false])
    func signed(isStream: Bool) async throws {
        let keys = RequestSignature(
            region: "eu-central-1", service: "bedrock", accessKey: Secret("AKIDEXAMPLE"),
            secretKey: Secret("wJalrXUtnFEMI"), sessionToken: Secret("token+/="))
        let refused = #"{"message":"no wJalrXUtnFEMI here"}"#
        let script = [
            ScriptedPeer.Step.read,
            .send(
                "HTTP/1.1 403 X\r\nx-amzn-RequestId: id-9\r\nContent-Length: \(refused.utf8.count)\r\n\r\n\(refused)"),
        ]
        try await Self.with(script, credentials: .signature(keys)) { provider, peer in
            var call = PaidCall(
                model: ModelReference(provider: "aws", model: Self.model), body: Array(Self.plain.utf8),
                isStream: isStream, requestID: "req-7")
            call.headers = [(name: "anthropic-beta", value: "x")]
            let error = await #expect(throws: ProviderError.self) { _ = try await provider.open(call) }
            #expect(error?.status == 403 && error?.providerRequestID == "id-9")
            #expect(error?.message == "no [redacted] here")
            let sent = try #require(peer.requests.first)
            let action = isStream ? "converse-stream" : "converse"
            let path = "/model/anthropic.claude-3-haiku-20240307-v1%3A0/\(action)"
            #expect(sent.head.hasPrefix("POST \(path) HTTP/1.1"))
            #expect(sent.header("x-amz-security-token") == "token+/=")
            #expect(sent.header("authorization") == Self.expected(sent, path: path))
        }
    }

    /// The signature of a request as it arrived, by Amazon's description of version 4.
    private static func expected(_ sent: ScriptedPeer.Request, path: String) -> String {
        func hex(_ bytes: some Sequence<UInt8>) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
        let names = ["content-type", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]
        let digest = hex(SHA256.hash(data: Data(sent.body)))
        let lines = names.map { "\($0):\(sent.header($0) ?? "missing")" }
        let canonical =
            (["POST", path.replacing("%3A", with: "%253A"), ""] + lines + ["", names.joined(separator: ";"), digest])
            .joined(separator: "\n")
        let time = sent.header("x-amz-date") ?? ""
        let scope = "\(time.prefix(8))/eu-central-1/bedrock/aws4_request"
        let subject = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(hex(SHA256.hash(data: Data(canonical.utf8))))"
        var key = Data("AWS4wJalrXUtnFEMI".utf8)
        for part in [String(time.prefix(8)), "eu-central-1", "bedrock", "aws4_request", subject] {
            key = Data(HMAC<SHA256>.authenticationCode(for: Data(part.utf8), using: SymmetricKey(data: key)))
        }
        return "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\(scope), SignedHeaders=\(names.joined(separator: ";")), "
            + "Signature=\(hex(key))"
    }

    @Test("The signature of a given moment is the one that another program made")
    func constant() throws {
        let keys = RequestSignature(
            region: "us-east-1", service: "bedrock", accessKey: Secret("AKIDEXAMPLE"),
            secretKey: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
        let headers = keys.headers(
            host: "bedrock-runtime.us-east-1.amazonaws.com", path: "/model/a.b-v1%3A0/converse",
            contentType: "application/json", body: Array("{}".utf8), at: Date(timeIntervalSince1970: 1_796_083_200))
        #expect(headers.first { $0.name == "x-amz-date" }?.value == "20261201T000000Z")
        let signature = "Signature=e3da8974a0ad1c249ed50e708573542fcda6768c011bc0ae517d50c9e16f3218"
        #expect(headers.first?.value.hasSuffix(signature) == true, "\(headers)")
    }

    @Test("An API key of Bedrock's own is a bearer's, and nothing is signed")
    func bearer() async throws {
        let script = [ScriptedPeer.Step.read, ProvidersTests.answer(200, "{}")]
        try await Self.with(script, credentials: .key, key: Secret("ABSK-0123456789")) { provider, peer in
            _ = try await provider.open(
                PaidCall(
                    model: ModelReference(provider: "aws", model: "m"), body: Array(Self.plain.utf8), isStream: false,
                    requestID: "req-7"))
            let sent = try #require(peer.requests.first)
            #expect(sent.header("authorization") == "Bearer ABSK-0123456789" && sent.header("x-amz-date") == nil)
        }
    }

    @Test("A whole conversation is translated: turns alternate, results are the user's, a schema is text")
    func translation() throws {
        let body = """
            {"model":"m","max_tokens":9,"temperature":0.5,"top_p":1,"stop":"a","tool_choice":"required",
             "thinking":{"type":"enabled","budget_tokens":1024},
             "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],
             "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"string"}}},
             "messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"user","content":[
              {"type":"image_url","image_url":{"url":"data:image/jpeg;base64,QUJD"}}]},
              {"role":"assistant","content":"a","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"g"}],
               "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}}]},
              {"role":"tool","tool_call_id":"c1","content":"sunny"},{"role":"user","content":"v"}]}
            """
        let expected = """
            {"system":[{"text":"s"}],
             "messages":[{"role":"user","content":[{"text":"u"},{"image":{"format":"jpeg","source":{"bytes":"QUJD"}}}]},
              {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"g"}}},
               {"text":"a"},{"toolUse":{"toolUseId":"c1","name":"f","input":{"a":1}}}]},
              {"role":"user","content":[{"toolResult":{"toolUseId":"c1","content":[{"text":"sunny"}]}},{"text":"v"}]}],
             "inferenceConfig":{"maxTokens":9,"temperature":0.5,"topP":1,"stopSequences":["a"]},
             "toolConfig":{"tools":[
               {"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object"}}}}],
              "toolChoice":{"any":{}}},
             "outputConfig":{"textFormat":{"type":"json_schema",
              "structure":{"jsonSchema":{"schema":"{\\"type\\":\\"string\\"}","name":"n"}}}},
             "additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}
            """
        #expect(try object(ConverseRequest.body(Array(body.utf8), model: "m")) == object(expected.utf8))
    }

    @Test(
        "What has no equal there is named",
        arguments: [
            (#""seed":1"#, "seed"), (#""reasoning_effort":"low""#, "reasoning_effort"), (#""top_k":5"#, "top_k"),
            (#""response_format":{"type":"json_object"}"#, "response_format"),
            (#""presence_penalty":1"#, "presence_penalty"),
        ])
    func refused(field: String, param: String) {
        let error = #expect(throws: WireFormatError.self) {
            try ConverseRequest.body(Array((Self.plain.dropLast() + ",\(field)}").utf8), model: "m")
        }
        #expect(error?.param == param && error?.code == .untranslatable)
    }

    @Test(
        "Efforts are said in the words of the model's maker, thought is less than the answer",
        arguments: [
            ("eu.anthropic.claude-v1:0", 4000, #""thinking":{"type":"enabled","budget_tokens":3999}"#),
            ("anthropic.claude-v1:0", 90_000, #""thinking":{"type":"enabled","budget_tokens":8192}"#),
            ("anthropic.claude-haiku-4-5-20251001-v1:0", 1025, #""thinking":{"type":"enabled","budget_tokens":1024}"#),
            (newer, 50, #""thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}"#),
            ("openai.gpt-oss-120b-1:0", 4000, #""reasoning_effort":"medium""#),
        ])
    func effort(model: String, limit: Int, expected: String) throws {
        let body =
            #"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":\#(limit),"#
            + #""reasoning_effort":"medium"}"#
        let text = String(decoding: try ConverseRequest.body(Array(body.utf8), model: model), as: UTF8.self)
        #expect(text.contains(#""additionalModelRequestFields":{\#(expected)}"#), "\(text)")
    }

    @Test(
        "What Claude would refuse is named: a budget below its least, an effort that it has not, a blank stop text",
        arguments: [
            (model, #""reasoning_effort":"low""#, "reasoning_effort"), (model, #""reasoning_effort":"none""#, nil),
            (model, #""reasoning_effort":"max""#, "reasoning_effort"), (newer, #""reasoning_effort":"max""#, nil),
            (newer, #""reasoning_effort":"minimal""#, "reasoning_effort"), (newer, #""stop":"a""#, nil),
            (newer, #""stop":["a","\n"]"#, "stop"), ("amazon.nova-pro-v1:0", #""stop":"\n""#, nil),
        ] as [(String, String, String?)])
    func claude(model: String, field: String, param: String?) {
        let plain = Self.plain.replacing("50", with: "1024")
        do throws(WireFormatError) {
            _ = try ConverseRequest.body(Array((plain.dropLast() + ",\(field)}").utf8), model: model)
            #expect(param == nil)
        } catch {
            #expect(error.param == param && error.code == .untranslatable)
        }
    }

    @Test("Who is not to think is told so, if it might by itself; a hold too small for thought is no outage")
    func thoughtless() async throws {
        func body(_ effort: String) -> String { #"\#(Self.plain.dropLast()),"reasoning_effort":"\#(effort)"}"# }
        let sent = try ConverseRequest.body(Array(body("none").utf8), model: Self.newer)
        let text = String(decoding: sent, as: UTF8.self)
        #expect(text.contains(#""additionalModelRequestFields":{"thinking":{"type":"disabled"}}"#), "\(text)")
        try await Self.with([.read], credentials: .key) { provider, peer in
            let old = ModelReference(provider: "aws", model: Self.model)
            let call = PaidCall(model: old, body: Array(body("low").utf8), isStream: false, requestID: "r")
            let error = await #expect(throws: ProviderError.self) { _ = try await provider.open(call) }
            #expect(error?.status == 400 && peer.requests.isEmpty)
        }
    }

    @Test(
        "An effort beside the client's own thinking is not lost",
        arguments: [("high", #","output_config":{"effort":"high"}"#), ("none", "")])
    func effortBeside(effort: String, expected: String) throws {
        let thinking = #""thinking":{"type":"enabled","budget_tokens":1024}"#
        let body = #"\#(Self.plain.dropLast()),\#(thinking),"reasoning_effort":"\#(effort)"}"#
        let text = String(decoding: try ConverseRequest.body(Array(body.utf8), model: Self.model), as: UTF8.self)
        #expect(text.contains(#""additionalModelRequestFields":{\#(thinking)\#(expected)}"#), "\(text)")
    }

    @Test(
        "A call of which no arguments come has an empty object of them, and only such a call",
        arguments: [("", "{}"), (#"{\"a\":1}"#, #"{\"a\":1}"#)])
    func callInput(input: String, expected: String) {
        var answer = Self.answer()
        let start = #"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#
        let delta = #"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"\#(input)"}}}"#
        let stop = event("contentBlockStop", #"{"contentBlockIndex":0}"#)
        let piece = answer.push(event("contentBlockStart", start) + event("contentBlockDelta", delta) + stop)
        let said = String(decoding: piece.bytes, as: UTF8.self)
        #expect(said.contains(#""function":{"arguments":"\#(expected)"}"#), "\(said)")
        // The call's beginning has the word as well.
        #expect(said.components(separatedBy: #""arguments":"#).count == 3, "\(said)")
        #expect(answer.push(stop).bytes.isEmpty)
    }

    @Test("A stream becomes OpenAI's; its input does not count the cache, and the counts come behind the end")
    func streamed() throws {
        var answer = Self.answer()
        let usage = """
            {"usage":{"inputTokens":10,"outputTokens":12,"totalTokens":30,"cacheReadInputTokens":4,
            "cacheWriteInputTokens":5,"cacheDetails":[{"ttl":"5m","inputTokens":3},{"ttl":"1h","inputTokens":2}]}}
            """
        let bytes =
            event("messageStart", #"{"role":"assistant"}"#)
            + event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#)
            + event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"g"}}}"#)
            + event("contentBlockStop", #"{"contentBlockIndex":0}"#)
            + event("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"text":"Hi"}}"#)
            + event("contentBlockStart", #"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#)
            + event("contentBlockDelta", #"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\":"}}}"#)
            + event("contentBlockDelta", #"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"1}"}}}"#)
            + event("somethingNew", "{}") + event("messageStop", #"{"stopReason":"tool_use"}"#)
        var piece = answer.push(bytes)
        #expect(piece.fault == nil && piece.text == "Hi" && !answer.isDone && answer.result.usage == nil)
        piece.bytes += answer.push(event("metadata", usage)).bytes
        let said = String(decoding: piece.bytes, as: UTF8.self)
        #expect(answer.isDone && answer.result.finishReason == "tool_calls")
        #expect(said.contains(#"{"reasoning_content":"Hm"}"#))
        #expect(said.contains(#"{"thinking_blocks":[{"index":0,"type":"thinking","thinking":"Hm","signature":"g"}]}"#))
        #expect(said.contains(#""index":0,"id":"t1""#) && said.contains(#""arguments":"{\"a\":""#))
        #expect(said.contains(#""prompt_tokens":19,"completion_tokens":12"#) && said.hasSuffix("data: [DONE]\n\n"))
        let counts = try #require(answer.result.usage)
        #expect(counts.input == 19 && counts.cachedInput == 4 && counts.output == 12)
        #expect(counts.cacheWrite5m == 3 && counts.cacheWrite1h == 2)
    }

    @Test("row 10: an exception, an end without counts, a cut: none has counts that are relied on")
    func broken() {
        var failed = Self.answer()
        let exception = frame(
            [(":message-type", "exception"), (":exception-type", "throttlingException")], #"{"message":"slow down"}"#)
        let fault = failed.push(exception).fault
        #expect(fault?.contains("throttlingException: slow down") == true)

        var silent = Self.answer()
        _ = silent.push(event("messageStop", #"{"stopReason":"max_tokens"}"#))
        #expect(silent.finish().fault == nil)
        #expect(silent.result.usage == nil && silent.result.finishReason == "length")

        var cut = Self.answer()
        _ = cut.push(event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#))
        #expect(cut.finish().fault != nil)
        for usage in ["{}", #"{"inputTokens":1}"#, #"{"inputTokens":-1,"outputTokens":1}"#] {
            var odd = Self.answer()
            _ = odd.push(event("messageStop", "{}") + event("metadata", #"{"usage":\#(usage)}"#))
            #expect(odd.isDone && odd.result.usage == nil)
        }
        var zero = Self.answer()
        _ = zero.push(event("messageStop", "{}") + event("metadata", #"{"usage":{"inputTokens":0,"outputTokens":0}}"#))
        #expect(zero.result.usage?.input == 0 && zero.result.usage?.output == 0)
    }

    @Test("A body becomes OpenAI's")
    func whole() throws {
        var answer = Self.answer(isStream: false)
        let body = """
            {"output":{"message":{"role":"assistant","content":[
             {"reasoningContent":{"reasoningText":{"text":"Hm","signature":"g"}}},{"text":"Hi"},
             {"toolUse":{"toolUseId":"t1","name":"f","input":{"a":1}}}]}},"stopReason":"end_turn",
             "usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}
            """
        _ = answer.push(Array(body.utf8))
        let piece = answer.finish()
        let choices = try object(piece.bytes)["choices"] as? [NSDictionary]
        let message = try #require(choices?.first?["message"] as? NSDictionary)
        #expect(piece.text == "Hi" && message["content"] as? String == "Hi")
        #expect(message["reasoning_content"] as? String == "Hm")
        #expect((message["tool_calls"] as? [NSDictionary])?.first?["id"] as? String == "t1")
        #expect(answer.result.usage?.input == 3 && answer.result.finishReason == "stop")
    }
}
