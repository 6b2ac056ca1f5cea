import GatewayCore
import Testing
import WireFormat

@testable import Providers

/// Usage that an OpenAI-compatible provider states with every chunk: vLLM and others do where a client asks for it.
@Suite("Counts so far are not counts of the whole")
struct RunningUsageTests {
    private static func chunk(_ tokens: Int, finish: String? = nil) -> SSEEvent {
        let reason = finish.map { "\"\($0)\"" } ?? "null"
        let usage = #"{"prompt_tokens":10,"completion_tokens":\#(tokens),"total_tokens":\#(10 + tokens)}"#
        let choice = #"{"index":0,"delta":{"content":"x"},"finish_reason":\#(reason)}"#
        return SSEEvent(raw: [], data: Array(#"{"choices":[\#(choice)],"usage":\#(usage)}"#.utf8))
    }

    @Test("a stream that breaks between has no usage; at its end the last counts are it")
    func running() throws {
        var reader = OpenAIReader(providerRequestID: nil)
        for tokens in 1...3 { _ = try reader.read(Self.chunk(tokens)) }
        #expect(reader.result.usage == nil)
        var broken = reader
        _ = try broken.read(SSEEvent(raw: [], data: Array(#"{"error":{"message":"no more"}}"#.utf8)))
        #expect(broken.result.usage == nil)
        _ = try reader.read(Self.chunk(4, finish: "stop"))
        #expect(reader.result.usage?.output == 4)
    }

    @Test("zeros at the end are what was said last: no charge is worked out from them, nor from counts before")
    func zeros() throws {
        var reader = OpenAIReader(providerRequestID: nil)
        _ = try reader.read(Self.chunk(3, finish: "stop"))
        let zero = #"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#
        _ = try reader.read(SSEEvent(raw: [], data: Array(zero.utf8)))
        let usage = try #require(reader.result.usage)
        #expect(!usage.isCredible)
    }

    @Test("the end mark, or a chunk with usage alone, is an end as well")
    func ends() throws {
        var marked = OpenAIReader(providerRequestID: nil)
        _ = try marked.read(Self.chunk(2))
        _ = try marked.read(SSEEvent(raw: [], data: Array("[DONE]".utf8)))
        #expect(marked.result.usage?.output == 2)
        var alone = OpenAIReader(providerRequestID: nil)
        let usage = #"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#
        _ = try alone.read(SSEEvent(raw: [], data: Array(usage.utf8)))
        #expect(alone.result.usage?.output == 5)
    }
}
