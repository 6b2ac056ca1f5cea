import Testing

@testable import WireFormat

@Suite("The rest of an answer, read along while it is written")
struct RestStreamTests {
    private static func prompt(_ accepted: [String], separator: String? = "\n") -> EscalationPrompt {
        EscalationPrompt(
            model: "m", messages: [.init(role: "user", content: "q")], acceptedSteps: accepted, separator: separator,
            maxTokens: 100)
    }

    /// What goes out after each piece, and at the end.
    private static func played(
        _ pieces: [String], accepted: [String] = [], separator: String? = "\n", stop: [String] = []
    ) -> [String] {
        var stream = RestStream(prompt(accepted, separator: separator), stop: stop)
        var out = pieces.map { stream.take($0) }
        out.append(stream.finish(.stopped))
        #expect(stream.text == out.joined())
        return out
    }

    @Test("Text goes out as it comes; white space and what may be the mark of the end wait")
    func passes() {
        #expect(
            Self.played(["  The", " sum is", " 3.\n", "Answer: 3\n"]) == ["The", " sum is", " 3.", "\nAnswer: 3", ""])
        #expect(Self.played(["Answer: 3 ", "[E", "ND]", "\n"]) == ["Answer: 3", "", "", "", ""])
        #expect(Self.played(["Answer: 3 ", "[E", "ven]"]) == ["Answer: 3", "", " [Even]", ""])
        #expect(Self.played(["See [END] in", " it"]) == ["See [END] in", " it", ""])
        #expect(Self.played(["", " \n", ""]) == ["", "", "", ""])
    }

    @Test("A stop string of the client's ends it, wherever the pieces part")
    func stops() {
        #expect(Self.played(["One. ST", "OP two"], stop: ["STOP"]) == ["One.", " ", ""])
        #expect(Self.played(["One. ST", "ILL two"], stop: ["STOP"]) == ["One.", " STILL two", ""])
        #expect(Self.played(["a", "b", "c"], stop: ["c", "bc"]) == ["a", "", "", ""])
        #expect(Self.played(["Q", ": two"], accepted: ["One.\n"], stop: ["\nQ:"]) == ["", "", ""])
        #expect(Self.played(["Q", "uite."], accepted: ["One.\n"], stop: ["\nQ:"]) == ["", "Quite.", ""])
    }

    @Test("Where the accepted steps end within a line, words are not glued together")
    func seam() {
        #expect(Self.played(["is", " 3."], accepted: ["The sum"]) == [" is", " 3.", ""])
        #expect(Self.played([" ", "\n is 3."], accepted: ["The sum"]) == ["", " \n is 3.", ""])
        #expect(Self.played(["4."], accepted: ["x = 1"]) == ["4.", ""])
        #expect(Self.played(["The sum\n", "is 3."], accepted: ["The sum"]) == ["", "\nis 3.", ""])
        #expect(Self.played(["The", " sum"], accepted: ["The sum"]) == ["", "", ""])
    }

    @Test(
        "Accepted steps that are restated first are left out; as soon as it is clear that they are not, nothing waits")
    func restated() {
        let accepted = ["One.\n", "Two.\n"]
        #expect(
            Self.played(["One.\nTw", "o.\n\nThree.", " Four."], accepted: accepted) == ["", "Three.", " Four.", ""])
        #expect(Self.played(["Two.", "\n", "Three."], accepted: accepted) == ["", "", "Three.", ""])
        #expect(Self.played(["On", "ly three."], accepted: accepted) == ["", "Only three.", ""])
        #expect(Self.played(["One.\n", "Three."], accepted: accepted) == ["", "One.\nThree.", ""])
        #expect(Self.played(["Two.[END]", "\n"], accepted: accepted) == ["", "", ""])
        #expect(Self.played(["One.\nTwo.\n"], accepted: accepted) == ["", ""])
        #expect(Self.played(["One", "."], accepted: ["One. "], separator: nil) == ["", "", ""])
        #expect(Self.played(["One", ". Two."], accepted: ["One. "], separator: nil) == ["", "One. Two.", ""])
    }

    @Test(
        "The client's own beginning is not said again, whole or its last line, however the reply is cut to pieces",
        arguments: [
            ("The sum is", "The sum is 3.", " 3."), ("The sum is", "  The sum is\n3.", "\n3."),
            ("The sum is", "3.", " 3."), ("The sum is", "The sum of", " The sum of"),
            ("The sum is", "The sum is", ""), ("Yes.\nThe sum", "The sum is 3.", " is 3."),
            ("Yes.\nThe sum", "Yes.\nThe sum is 3.", " is 3."), ("{", #"{"a":1}"#, #""a":1}"#), ("(", "(B)", "B)"),
            // These may be meant.
            ("1", "15", "15"), ("[", "[1],[2]]", "[1],[2]]"), ("ha", "haha", " haha"),
        ])
    func opening(begun: String, reply: String, expected: String) {
        var prompt = Self.prompt([begun])
        prompt.opening = begun
        for size in 1...reply.count {
            var stream = RestStream(prompt, stop: [])
            var rest = reply[...]
            var out = ""
            while !rest.isEmpty {
                out += stream.take(String(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            out += stream.finish(.stopped)
            #expect(out == expected && stream.text == expected, "\(size)")
        }
        let whole: EscalationReply = expected.isEmpty ? .refused(.empty) : .rest(expected)
        #expect(prompt.clean(reply, ask: .rest, finish: .stopped) == whole)
    }

    @Test("What a provider's filter let through ends the answer, also where one step was asked for")
    func filtered() {
        let finish = EscalationPrompt.Finish(reason: "content_filter")
        for ask in EscalationPrompt.Ask.allCases {
            for separator in [String?.none, "\n"] {
                let prompt = Self.prompt(["One.\n"], separator: separator)
                #expect(prompt.clean("Two, but", ask: ask, finish: finish) == .rest("Two, but"))
                #expect(prompt.clean(" ", ask: ask, finish: finish) == .refused(.empty))
            }
        }
        var stream = RestStream(Self.prompt(["One.\n"]), stop: [])
        let said = stream.take("Two, but") + stream.finish(finish)
        #expect(said == "Two, but")
    }

    @Test("Past its bound of bytes nothing goes out, in whole characters; a stop string behind it was not met")
    func bound() {
        for (most, second) in [(7, ""), (8, ""), (9, "é"), (13, "é Two"), (14, "é Two ")] {
            var stream = RestStream(Self.prompt([]), stop: ["STOP"], mostBytes: most)
            var out = ["One. é", "é Two STOP", " more"].map { stream.take($0) }
            out.append(stream.finish(.stopped))
            #expect(out == ["One. é", second, "", ""] && stream.text == out.joined())
            #expect(stream.isCut == (most < 14) && stream.stop == (most < 14 ? nil : "STOP"))
        }
        var whole = RestStream(Self.prompt([]), stop: [], mostBytes: 4)
        let said = whole.take("One.") + whole.take(" \n") + whole.finish(.stopped)
        #expect(said == "One." && !whole.isCut)
        // One that is known at its end only.
        var late = RestStream(Self.prompt(["One.\n"]), stop: [], mostBytes: 2)
        let parts = [late.take("One"), late.finish(.stopped)]
        #expect(parts == ["", "On"] && late.isCut && late.text == "On")
    }

    @Test(
        "However a reply is cut to pieces, the client reads what the whole reply would have been",
        arguments: UInt64(0)..<40)
    func agrees(seed: UInt64) {
        for number in UInt64(0)..<100 { agrees(SeededGenerator(seed: seed * 100 + number)) }
    }

    private func agrees(_ generator: SeededGenerator) {
        var random = generator
        let words = [
            "One.", "Two.", "Three", "four", "Answer: 3", "[END]", "[EN", " ", "  ", "\n", "é", "🙂", "ST", "OP",
        ]
        let accepted = [
            ["One.\n", "Two.\n"], ["One.\n"], [], ["Two.\n", "One.\n", "Two.\n"], ["One.\n", "Two"],
            ["One.\n", "Two#"],
        ][Int.random(in: 0..<6, using: &random)]
        let separator: String? = Bool.random(using: &random) ? "\n" : nil
        let stop = Bool.random(using: &random) ? ["STOP", "STO", "#ST"] : []
        var reply = Bool.random(using: &random) ? accepted.joined() : ""
        for _ in 0..<Int.random(in: 0..<12, using: &random) { reply += words.randomElement(using: &random) ?? "" }
        var pieces: [String] = []
        var rest = reply[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...5, using: &random)
            pieces.append(String(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        let out = Self.played(pieces, accepted: accepted, separator: separator, stop: stop).joined()
        var whole = ""
        let prompt = Self.prompt(accepted, separator: separator)
        if case .rest(let text) = prompt.clean(reply, ask: .rest, finish: .stopped) {
            whole = prompt.cut(text, at: stop)?.text ?? text
        }
        #expect(Self.lines(out) == Self.lines(whole), "\(pieces), \(accepted), \(String(describing: separator))")
    }

    /// Blank lines behind restated steps are nobody's.
    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map(String.init).filter { !$0.allSatisfy(\.isWhitespace) }
    }
}
