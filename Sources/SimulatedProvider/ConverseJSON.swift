internal import NIOCore

/// The answers of Amazon's `Converse`, written by hand: JSON for a body, binary messages for a stream.
///
/// Within this type a stream's events are lines, "name, tab, JSON"; `encoded` frames them.
struct ConverseJSON: WireJSON {
    var model: String
    private static let signature = "c2ltdWxhdGVk"

    private static func string(_ text: String) -> String { ChatJSON.string(text) }
    private static func line(_ name: String, _ json: String) -> String { "\(name)\t\(json)\n" }

    /// What was read from the cache or written to it is not among the input.
    private static func json(_ usage: SimulatedUsage) -> String {
        let write = usage.cacheWrite5m + usage.cacheWrite1h
        let hour = #",{"ttl":"1h","inputTokens":\#(usage.cacheWrite1h)}"#
        let details = #"{"ttl":"5m","inputTokens":\#(usage.cacheWrite5m)}\#(usage.cacheWrite1h > 0 ? hour : "")"#
        return #"{"inputTokens":\#(usage.input - usage.cached - write),"outputTokens":\#(usage.output),"#
            + #""totalTokens":\#(usage.input + usage.output),"cacheReadInputTokens":\#(usage.cached),"#
            + #""cacheWriteInputTokens":\#(write)\#(write > 0 ? #","cacheDetails":[\#(details)]"# : "")}"#
    }

    func first(_ usage: SimulatedUsage?, isStale: Bool) -> String {
        // Counts come at the end alone; what is stale here is an event that nobody knows.
        Self.line("messageStart", #"{"role":"assistant"}"#)
            + (isStale ? Self.line("usageEstimate", #"{"usage":{"inputTokens":7,"outputTokens":11}}"#) : "")
    }

    func events(_ pieces: [SimulatedReply.Piece]) -> [String] {
        var block = -1
        var kind = ""
        return pieces.map { piece in
            var event = ""
            func open(_ name: String, _ start: String? = nil) {
                guard kind != name else { return }
                event += stop(block, kind)
                block += 1
                kind = name
                if let start {
                    event += Self.line(
                        "contentBlockStart", #"{"contentBlockIndex":\#(block),"start":{"toolUse":\#(start)}}"#)
                }
            }
            switch piece {
            case .thinking(let text):
                open("thinking")
                event += delta(block, #"{"reasoningContent":{"text":\#(Self.string(text))}}"#)
            case .text(let text):
                open("text")
                event += delta(block, #"{"text":\#(Self.string(text))}"#)
            case .tool(let index, let name):
                open("tool \(index)", #"{"toolUseId":"tooluse_\#(index)","name":\#(Self.string(name))}"#)
            case .arguments(_, let text): event += delta(block, #"{"toolUse":{"input":\#(Self.string(text))}}"#)
            }
            return event
        }
    }

    private func delta(_ block: Int, _ json: String) -> String {
        Self.line("contentBlockDelta", #"{"contentBlockIndex":\#(block),"delta":\#(json)}"#)
    }

    private func stop(_ block: Int, _ kind: String) -> String {
        guard block >= 0 else { return "" }
        let mark =
            kind == "thinking" ? delta(block, #"{"reasoningContent":{"signature":"\#(Self.signature)"}}"#) : ""
        return mark + Self.line("contentBlockStop", #"{"contentBlockIndex":\#(block)}"#)
    }

    /// There are no counts before the end: an event that is not known.
    func midway(_ usage: SimulatedUsage) -> String {
        Self.line("usageEstimate", #"{"usage":\#(Self.json(usage))}"#)
    }

    var garbage: String { Self.line("contentBlockDelta", #"{"delta":{"te"#) }

    func end(_ reply: SimulatedReply, usage: SimulatedUsage?, isInChoices: Bool) -> String {
        var kinds: [String] = []
        for piece in reply.pieces {
            switch piece {
            case .thinking: if kinds.last != "thinking" { kinds.append("thinking") }
            case .text: if kinds.last != "text" { kinds.append("text") }
            case .tool: kinds.append("tool")
            case .arguments: break
            }
        }
        let counts = usage.map { #""usage":\#(Self.json($0)),"# } ?? ""
        return stop(kinds.count - 1, kinds.last ?? "")
            + Self.line("messageStop", #"{"stopReason":"\#(Self.reason(reply))"}"#)
            + Self.line("metadata", #"{\#(counts)"metrics":{"latencyMs":1}}"#)
    }

    private static func reason(_ reply: SimulatedReply) -> String {
        switch reply.finishReason {
        case "length": "max_tokens"
        case "tool_calls": "tool_use"
        default: "end_turn"
        }
    }

    func whole(_ reply: SimulatedReply, usage: SimulatedUsage?) -> String {
        var blocks: [String] = []
        if !reply.thinking.isEmpty {
            let text = #"{"text":\#(Self.string(reply.thinking)),"signature":"\#(Self.signature)"}"#
            blocks.append(#"{"reasoningContent":{"reasoningText":\#(text)}}"#)
        }
        if !reply.text.isEmpty { blocks.append(#"{"text":\#(Self.string(reply.text))}"#) }
        for (index, call) in reply.tools.enumerated() {
            let tool =
                #"{"toolUseId":"tooluse_\#(index)","name":\#(Self.string(call.name)),"#
                + #""input":\#(SimulatedReply.object(call.arguments))}"#
            blocks.append(#"{"toolUse":\#(tool)}"#)
        }
        return #"{"output":{"message":{"role":"assistant","content":[\#(blocks.joined(separator: ","))]}},"#
            + #""stopReason":"\#(Self.reason(reply))"\#(usage.map { #","usage":\#(Self.json($0))"# } ?? ""),"#
            + #""metrics":{"latencyMs":1}}"#
    }

    static func error(_ message: String) -> String { #"{"message":\#(string(message))}"# }

    // MARK: Frames

    /// The lines as messages in Amazon's binary form.
    func encoded(_ text: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        for line in text.split(separator: "\n") {
            let halves = line.split(separator: "\t", maxSplits: 1)
            if halves.count == 2 { Self.frame(String(halves[0]), Array(halves[1].utf8), to: &buffer) }
        }
        return buffer
    }

    private static func frame(_ name: String, _ payload: [UInt8], to buffer: inout ByteBuffer) {
        var headers: [UInt8] = []
        for (key, value) in [
            (":event-type", name), (":content-type", "application/json"), (":message-type", "event"),
        ] {
            headers += [UInt8(key.utf8.count)] + Array(key.utf8) + [7]
            headers += [UInt8(value.utf8.count >> 8), UInt8(value.utf8.count & 0xFF)] + Array(value.utf8)
        }
        var message = bytes(UInt32(16 + headers.count + payload.count)) + bytes(UInt32(headers.count))
        message += bytes(checksum(message))
        message += headers + payload
        message += bytes(checksum(message))
        buffer.writeBytes(message)
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(number >> $0 & 0xFF) }
    }

    /// CRC-32, bit by bit: on purpose not the gateway's own, whose mistakes it would share.
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var value = ~UInt32(0)
        for byte in bytes {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
        return ~value
    }
}
