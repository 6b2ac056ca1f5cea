import Testing

@testable import GatewayServer

@Suite("The end of a provider's stream is kept back, everything before it is not")
struct StreamTailTests {
    static let content = #"data: {"choices":[{"index":0,"delta":{"content":"\"finish_reason\":\"stop\""}}]}"# + "\n\n"
    static let finish = #"data: {"choices":[{"index":0,"delta":{},"finish_reason": "stop"}]}"# + "\n\n"
    static let usage = #"data: {"choices":[],"usage":{"prompt_tokens":1}}"# + "\n\n"
    static let done = "data: [DONE]\n\n"

    private static func run(_ reads: [String], choices: Int = 1, wantsUsage: Bool = false) -> (String, String) {
        var tail = StreamTail(choices: choices, wantsUsage: wantsUsage)
        let passed = reads.flatMap { tail.pass(Array($0.utf8)) }
        let end = tail.finish(gboost: Array("{}".utf8))
        return (String(decoding: passed, as: UTF8.self), String(decoding: end, as: UTF8.self))
    }

    @Test("Text that only looks like the end passes")
    func looksLikeTheEnd() {
        let (passed, end) = Self.run([Self.content, Self.content])
        #expect(passed == Self.content + Self.content)
        #expect(end == Self.done)
    }

    @Test("Text in the same read as the end is not delayed")
    func sameRead() {
        let (passed, end) = Self.run([Self.content + Self.finish + Self.usage + Self.done])
        #expect(passed == Self.content)
        #expect(end.contains(#""gboost":{}"#) && end.contains("stop") && !end.contains("usage"))
        #expect(end.hasSuffix(Self.done))
    }

    @Test("A usage chunk that was asked for carries the gateway's facts")
    func usageChunk() {
        let (_, end) = Self.run([Self.content, Self.finish, Self.usage, Self.done], wantsUsage: true)
        #expect(end.hasPrefix(Self.finish))
        #expect(end.contains(#""usage":{"prompt_tokens":1},"gboost":{}"#))
    }

    @Test("With two choices the first one's end does not stop the second")
    func twoChoices() {
        let (passed, _) = Self.run([Self.finish, Self.content, Self.finish, Self.done], choices: 2)
        #expect(passed == Self.finish + Self.content)
    }

    @Test("More than the bound is passed on rather than kept")
    func bound() {
        let filler = Self.content + String(repeating: ": comment\n\n", count: StreamTail.maxKeptBytes / 11 + 1)
        let (passed, _) = Self.run([Self.finish, filler])
        #expect(passed == Self.finish + filler)
    }
}
