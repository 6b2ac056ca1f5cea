import Foundation
import Testing

@testable import Inference

@Suite("What is kept of answers that were read")
struct ReadingMemoryTests {
    private static func reading(_ steps: Int) -> AnswerReading {
        AnswerReading(
            question: [0], steps: (0..<steps).map { .init(last: [Float($0)], mean: [0], likelihoods: .init()) })
    }

    private static func key(_ steps: [String], model: String = "m", session: UUID = UUID()) -> ReadingMemory.Key {
        .init(model: model, session: session, steps: steps)
    }

    @Test("The longest beginning is found, within the answer and the model alone")
    func longest() {
        let memory = ReadingMemory()
        let session = UUID()
        #expect(memory.longest(of: Self.key(["a"], session: session)) == nil)
        memory.keep(Self.reading(1), for: Self.key(["a"], session: session))
        memory.keep(Self.reading(2), for: Self.key(["a", "b"], session: session))
        for (steps, found) in [(["a", "b", "c"], 2), (["a", "b"], 2), (["a", "x", "c"], 1), (["a"], 1)] {
            #expect(memory.longest(of: Self.key(steps, session: session))?.steps.count == found)
        }
        #expect(memory.longest(of: Self.key(["x", "a"], session: session)) == nil)
        #expect(memory.longest(of: Self.key(["a", "b"])) == nil)
        #expect(memory.longest(of: Self.key(["a", "b"], model: "n", session: session)) == nil)
    }

    @Test("What was kept first goes first, so that the bound holds; what is larger than the bound is not kept")
    func bound() {
        let memory = ReadingMemory(maxBytes: 200)
        let keys = (0..<100).map { Self.key(["step \($0)"]) }
        for (index, key) in keys.enumerated() {
            memory.keep(Self.reading(1), for: key)
            memory.keep(Self.reading(1), for: key)
            #expect(memory.bytes <= 200 && memory.bytes > 0)
            #expect(memory.longest(of: key) != nil)
            if index >= 20 { #expect(memory.longest(of: keys[index - 20]) == nil) }
        }
        let bytes = memory.bytes
        memory.keep(Self.reading(50), for: Self.key(["large"]))
        #expect(memory.bytes == bytes)
    }
}
