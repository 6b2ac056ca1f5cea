import Foundation
import Testing

@testable import GatewayCore

@Suite("Where steps end")
struct StepSplitterTests {
    /// Pushes pieces until the step ends.
    private func split(
        _ pieces: [String], _ boundary: StepBoundary?, stops: [String] = [], max: Int = 100, before: String = ""
    ) throws -> StepSplitter.Verdict {
        var splitter = try StepSplitter(
            boundary: boundary, stops: stops, maxTokens: max, answerBytes: Array(before.utf8))
        for piece in pieces {
            let verdict = try splitter.push(Array(piece.utf8))
            if verdict != .more { return verdict }
        }
        return splitter.finish()
    }

    @Test("A newline ends a step, with the whole token that brings it")
    func newline() throws {
        #expect(try split(["a", " b", ".\n", "c"], .newline) == .ends(.boundary, tokens: 3, text: "a b.\n"))
        #expect(try split(["a", "\n\nb", "c"], .newline) == .ends(.boundary, tokens: 2, text: "a\n\nb"))
    }

    @Test("Leading white space belongs to the step, and makes none by itself")
    func leading() throws {
        #expect(try split(["\n", "\n", " ", "a", "\n"], .newline) == .ends(.boundary, tokens: 5, text: "\n\n a\n"))
        #expect(try split(["\n\n", "a", "\n", "b"], .blankLine) == .ends(.answer, tokens: 4, text: "\n\na\nb"))
        #expect(try split(["\r\n", "\n"], .newline) == .ends(.answer, tokens: 2, text: "\r\n\n"))
    }

    @Test("A blank line may hold blanks and arrive in pieces")
    func blankLine() throws {
        #expect(try split(["a", "\n", " \t", "\n", "b"], .blankLine) == .ends(.boundary, tokens: 4, text: "a\n \t\n"))
        #expect(try split(["a", "\n", "b", "\n"], .blankLine) == .ends(.answer, tokens: 4, text: "a\nb\n"))
        #expect(try split(["a\r\n", "\r\n", "b"], .blankLine) == .ends(.boundary, tokens: 2, text: "a\r\n\r\n"))
    }

    @Test("A pattern ends a step with its match")
    func pattern() throws {
        #expect(
            try split(["One", " two", ".", " Three", "."], .pattern(#"\. "#))
                == .ends(.boundary, tokens: 4, text: "One two. Three"))
        #expect(try split([" ", " ", "a", ";", "b"], .pattern(";|\\s")) == .ends(.boundary, tokens: 4, text: "  a;"))
    }

    @Test("A pattern is found in a long step as in a short one", arguments: ["[.!?]\\s", "(?:;|\\. )", "\\w+\\. "])
    func longStep(_ pattern: String) throws {
        let words = Array(repeating: "word ", count: 400)
        #expect(
            try split(words + ["end", ". ", "more"], .pattern(pattern), max: 1000)
                == .ends(.boundary, tokens: 402, text: words.joined() + "end. "))
    }

    @Test("A pattern that backtracks without end is refused in time")
    func endlessPattern() throws {
        let clock = ContinuousClock()
        let time = clock.measure {
            // Nobody who asks is to blame for what a route was saved with.
            #expect(throws: LocalModelError.unusablePattern("the step pattern '(a+)+$' takes too long to match")) {
                try split([String(repeating: "a", count: 60) + "!"], .pattern("(a+)+$"))
            }
        }
        #expect(time < .seconds(5))
    }

    @Test("Stop strings end the answer before them, wherever they fall")
    func stops() throws {
        #expect(try split(["ab", "cd", "ef"], nil, stops: ["de"]) == .ends(.answer, tokens: 1, text: "abc"))
        #expect(try split(["x", "END", "y"], nil, stops: ["END"]) == .ends(.answer, tokens: 1, text: "x"))
        // It began in the step before.
        #expect(try split(["D", "y"], nil, stops: ["END"], before: "some EN") == .ends(.answer, tokens: 0, text: ""))
        // It lies in the answer as a whole: nothing of this step.
        #expect(try split(["y"], nil, stops: ["N"], before: "END") == .ends(.answer, tokens: 1, text: "y"))
        // A boundary that may be the beginning of one waits, and holds if it is not.
        #expect(try split(["a", "\n", "Q", ":"], .newline, stops: ["\nQ:"]) == .ends(.answer, tokens: 1, text: "a"))
        #expect(
            try split(["a", "\n", "Q", "?"], .newline, stops: ["\nQ:"]) == .ends(.boundary, tokens: 2, text: "a\n"))
        #expect(throws: LocalModelError.self) { try split([], nil, stops: Array(repeating: "x", count: 17)) }
    }

    @Test("It is known at which stop string a step ended; of two that begin together it is the first")
    func whichStop() throws {
        let cases: [(text: String, stop: String?)] = [("xEND", "END"), ("x#END", "#"), ("x\n", nil)]
        for (text, stop) in cases {
            var splitter = try StepSplitter(boundary: .newline, stops: ["zz", "END", "EN", "#"], maxTokens: 9)
            let verdict = try splitter.push(Array(text.utf8))
            #expect(verdict != .more && splitter.stop == stop)
        }
    }

    @Test("A draft of an engine host that does not say where it stopped is read")
    func olderDraft() throws {
        let json = """
            {"text":"a","tokens":[1],"logProbabilities":[-0.5],"hidden":[],"end":"answer","promptTokens":3,\
            "reusedTokens":0}
            """
        let draft = try JSONDecoder().decode(StepDraft.self, from: Data(json.utf8))
        #expect(draft.text == "a" && draft.stop == nil)
    }

    @Test("A step is never cut inside a character")
    func characters() throws {
        let bytes = Array("ok🍎".utf8)
        var splitter = try StepSplitter(boundary: nil, stops: [], maxTokens: 3)
        #expect(try splitter.push(Array(bytes[..<2])) == .more)
        #expect(try splitter.push([bytes[2]]) == .more)
        #expect(try splitter.push([bytes[3]]) == .more)
        #expect(try splitter.push([bytes[4]]) == .more)
        #expect(try splitter.push([bytes[5]]) == .ends(.length, tokens: 5, text: "ok🍎"))
        // Bytes that never become a character are not waited for without end.
        var broken = try StepSplitter(boundary: nil, stops: [], maxTokens: 1)
        var verdict = StepSplitter.Verdict.more
        var pushed = 0
        while verdict == .more, pushed < 50 {
            verdict = try broken.push([0xF0])
            pushed += 1
        }
        #expect(pushed == 1 + StepSplitter.maxExtraTokens)
    }

    @Test("Steps together are the text, for any cut into tokens", arguments: 0..<20)
    func reassembly(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let alphabet = ["a", "b", "\n", "\n\n", " ", ". ", "é", "🍎", "\t"]
        let text = (0..<200).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
        var rest = Array(text.utf8)[...]
        var steps: [String] = []
        while !rest.isEmpty {
            var splitter = try StepSplitter(boundary: .blankLine, stops: [], maxTokens: 1000)
            var ends: [Int] = []
            var position = rest.startIndex
            var verdict = StepSplitter.Verdict.more
            while verdict == .more, position < rest.endIndex {
                let end = min(rest.endIndex, position + Int.random(in: 1...4, using: &random))
                verdict = try splitter.push(Array(rest[position..<end]))
                position = end
                ends.append(end)
            }
            if verdict == .more { verdict = splitter.finish() }
            guard case .ends(let end, let tokens, let step) = verdict else { break }
            steps.append(step)
            if end == .boundary { #expect(step.contains { !$0.isWhitespace }) }
            rest = rest[ends[tokens - 1]...]
        }
        #expect(steps.joined() == text)
    }
}
