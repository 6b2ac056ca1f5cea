import Testing
import WireFormat

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

    @Test("More than the bound is passed on rather than kept; the chunk that finishes comes last, with the facts")
    func bound() {
        let filler = Self.content + String(repeating: ": comment\n\n", count: StreamTail.maxKeptBytes / 11 + 1)
        let (passed, end) = Self.run([Self.finish, filler])
        #expect(passed == filler)
        #expect(end == Self.finish.replacing("}]}", with: #"}],"gboost":{}}"#) + Self.done)
    }

    /// Whether it stands in `bytes`, and once only.
    private static func isOnce(_ text: String, in bytes: [UInt8]) -> Bool {
        guard let first = bytes.position(of: Array(text.utf8), from: 0) else { return false }
        return bytes.position(of: Array(text.utf8), from: first + 1) == nil
    }

    @Test(
        "However long the usage is, whatever is in it twice: there is one end mark, and one object of the gateway's",
        arguments: [true, false], [true, false])
    func oddUsage(isLong: Bool, wantsUsage: Bool) {
        let odd =
            isLong ? #""x":"\#(String(repeating: "x", count: StreamTail.maxKeptBytes))""# : #""prompt_tokens":1"#
        let usage = Self.usage.replacing(#""prompt_tokens":1"#, with: #""prompt_tokens":1,"# + odd)
        for reads in [
            [Self.content, Self.finish, usage, Self.done], [Self.content, Self.finish, usage + Self.done],
            [Self.content + Self.finish, usage, Self.done], [Self.content + Self.finish + usage + Self.done],
        ] {
            var tail = StreamTail(choices: 1, wantsUsage: wantsUsage)
            let passed = reads.flatMap { tail.pass(Array($0.utf8)) }
            let end = tail.finish(gboost: Array("{}".utf8))
            let all = passed + end
            #expect(passed.starts(with: Self.content.utf8))
            #expect(all.suffix(Self.done.utf8.count).elementsEqual(Self.done.utf8))
            for mark in [Self.done, #""gboost":{}"#, "finish_reason\": \"stop"] { #expect(Self.isOnce(mark, in: all)) }
            #expect(Self.isOnce(#""usage""#, in: all) == wantsUsage)
        }
    }

    @Test("An end mark behind text in one read is taken off too, though nothing finished")
    func doneAlone() {
        let (passed, end) = Self.run([Self.content + Self.content + Self.content + Self.done])
        #expect(passed == Self.content + Self.content + Self.content && end == Self.done)
    }

    @Test("The last event may lack its blank line")
    func unended() {
        let (passed, end) = Self.run([Self.content, String(Self.finish.dropLast(2))])
        #expect(passed == Self.content && end.contains(#""gboost":{}"#) && end.hasSuffix(Self.done))
    }
}
