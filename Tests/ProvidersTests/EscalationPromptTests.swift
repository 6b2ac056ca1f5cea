import Testing
import WireFormat

@Suite("The question put to a general LLM")
struct EscalationPromptTests {
    private func prompt(steps: [String], separator: String? = "\n") -> EscalationPrompt {
        EscalationPrompt(
            model: "big",
            messages: [.init(role: "system", content: "Be brief."), .init(role: "user", content: "2+3*4?")],
            acceptedSteps: steps, separator: separator, maxTokens: 64, temperature: 0)
    }

    @Test("stays byte-identical up to the last accepted step")
    func stablePrefix() {
        let steps = ["3*4 = 12\n", "2+12 = 14\n", "So 14.\n"]
        for count in 0..<steps.count {
            let shorter = prompt(steps: Array(steps.prefix(count))).messages(for: .step)
            let longer = prompt(steps: Array(steps.prefix(count + 1))).messages(for: .rest)
            #expect(shorter.dropLast() == longer.dropLast())
            let prefix = "2+3*4?\n\n\(EscalationPrompt.stepsHeading)\n" + steps.prefix(count).joined()
            #expect(shorter.last?.content.hasPrefix(prefix) == true)
            #expect(longer.last?.content.hasPrefix(prefix) == true)
        }
    }

    @Test("can be taken apart again", arguments: EscalationPrompt.Ask.allCases)
    func partsRoundTrip(ask: EscalationPrompt.Ask) {
        let made = prompt(steps: ["a\n", "b\n"]).messages(for: ask)
        #expect(
            EscalationPrompt.parts(ofLastMessage: made[1].content)
                == .init(question: "2+3*4?", steps: "a\nb\n", ask: ask))
        #expect(EscalationPrompt.parts(ofLastMessage: "2+3*4?") == nil)
    }

    @Test("a question that quotes the layout is not mistaken for it")
    func quotedLayout() {
        let quoted = "What is \n\n\(EscalationPrompt.stepsHeading)\nfor?"
        let made = EscalationPrompt(
            model: "m", messages: [.init(role: "user", content: quoted)], acceptedSteps: [], separator: "\n",
            maxTokens: 1
        ).messages(for: .step)
        #expect(EscalationPrompt.parts(ofLastMessage: made[0].content)?.question == quoted)
    }

    @Test("the rest of an answer that has no step yet is the client's own question, and costs no more")
    func fromTheBeginning() {
        for steps in [[], [""]] {
            let prompt = prompt(steps: steps)
            #expect(prompt.messages(for: .rest) == prompt.messages)
            #expect(prompt.messages(for: .step) != prompt.messages)
        }
        #expect(prompt(steps: ["3*4 = 12\n"]).messages(for: .rest).last?.content.hasPrefix("2+3*4?\n\n###") == true)
    }

    @Test("a conversation that ends with the assistant gets a user message")
    func endsWithAssistant() {
        let made = EscalationPrompt(
            model: "m", messages: [.init(role: "user", content: "q"), .init(role: "assistant", content: "a")],
            acceptedSteps: [], separator: nil, maxTokens: 1
        ).messages(for: .rest)
        #expect(made.map(\.role) == ["user", "assistant", "user"])
        #expect(made[1].content == "a")
    }

    @Test("the body is the exact JSON")
    func body() {
        let prompt = EscalationPrompt(
            model: "b\"ig", messages: [.init(role: "user", content: "a\\b\u{1}\té\n")], acceptedSteps: [],
            separator: "\n\n", maxTokens: 64, temperature: 0.5)
        let content =
            "a\\\\b\\u0001\\té\\n\\n\\n\(EscalationPrompt.stepsHeading)\\n\\n\\n"
            + "\(EscalationPrompt.taskHeading)\\n\(EscalationPrompt.nextStepInstruction)"
        let expected =
            #"{"model":"b\"ig","messages":[{"role":"user","content":""# + content
            + #""}],"max_tokens":64,"temperature":0.5,"stop":["\n\n"],"#
            + #""stream":true,"stream_options":{"include_usage":true}}"#
        #expect(String(decoding: prompt.body(for: .step, stream: true), as: UTF8.self) == expected)
        let rest = String(decoding: prompt.body(for: .rest, stream: false), as: UTF8.self)
        #expect(!rest.contains("\"stop\"") && !rest.contains("\"stream\""))
    }

    @Test("the client's stop strings go with the client's own question only, and no more than providers take")
    func clientStop() {
        func stop(_ ask: EscalationPrompt.Ask, steps: [String] = [], sendsStop: Bool = true) -> String? {
            var prompt = prompt(steps: steps)
            prompt.clientStop = ["", "a", "b", "c", "d", "e"]
            prompt.sendsStop = sendsStop
            let body = String(decoding: prompt.body(for: ask, stream: true), as: UTF8.self)
            return body.firstMatch(of: /"stop":(\[[^\]]*\])/).map { String($0.1) }
        }
        #expect(stop(.rest) == #"["a","b","c","d"]"# && stop(.rest, steps: [""]) == #"["a","b","c","d"]"#)
        #expect(stop(.rest, steps: ["3*4 = 12\n"]) == nil && stop(.rest, sendsStop: false) == nil)
        #expect(stop(.step) == #"["\n"]"# && stop(.step, sendsStop: false) == nil)
    }
}

@Suite("What comes back from a general LLM")
struct EscalationReplyTests {
    private let prompt = EscalationPrompt(
        model: "m", messages: [], acceptedSteps: ["3*4 = 12\n", "2+12 = 14\n"], separator: "\n", maxTokens: 9)

    @Test("a step is trimmed and gets its separator back")
    func plainStep() {
        #expect(prompt.clean("\n So  14.", ask: .step, finish: .stopped) == .step("So  14.\n"))
    }

    @Test("nothing is refused as empty", arguments: ["", " \n\t", "[END]", "\n[END] "])
    func empty(reply: String) {
        #expect(prompt.clean(reply, ask: .step, finish: .stopped) == .refused(.empty))
        #expect(prompt.clean(reply, ask: .rest, finish: .stopped) == .refused(.empty))
    }

    @Test("an accepted step said again is refused, whatever its layout", arguments: ["3*4 = 12", " 2+12  = 14\n"])
    func repetition(reply: String) {
        #expect(prompt.clean(reply, ask: .step, finish: .stopped) == .refused(.repetition))
        let free = EscalationPrompt(
            model: "m", messages: [], acceptedSteps: prompt.acceptedSteps, separator: nil, maxTokens: 9)
        #expect(free.clean(reply, ask: .step, finish: .cut) == .refused(.repetition))
    }

    @Test("restated steps are dropped from the front")
    func restated() {
        #expect(
            prompt.clean("3*4 = 12\n2+12 = 14\nSo 14.", ask: .rest, finish: .stopped) == .rest("So 14."))
        #expect(prompt.clean("2+12 = 14\nSo 14.\nDone", ask: .step, finish: .cut) == .step("So 14.\n"))
    }

    @Test("a whole solution given for a step is the rest")
    func wholeSolution() {
        #expect(
            prompt.clean("So 14.\n\nThe answer is 14.", ask: .step, finish: .stopped)
                == .rest("So 14.\n\nThe answer is 14."))
        #expect(prompt.clean("The answer is 14. [END]", ask: .step, finish: .stopped) == .rest("The answer is 14."))
    }

    @Test("ended by itself, in the words of several vendors", arguments: ["stop", "eos"])
    func ended(reason: String) {
        let finish = EscalationPrompt.Finish(reason: reason)
        #expect(prompt.clean("So 14.", ask: .step, finish: finish) == .step("So 14.\n"))
        #expect(prompt.clean("Then.\nSo 14.", ask: .step, finish: finish) == .rest("Then.\nSo 14."))
        #expect(EscalationPrompt.Finish(reason: "length") == .cut && EscalationPrompt.Finish(reason: nil) == .cut)
    }

    @Test("one step cut short stays open, with or without a separator to close it by")
    func cutOpen() {
        #expect(prompt.clean(" So it is ", ask: .step, finish: .cut) == .cut("So it is "))
        #expect(prompt.clean("2+12 = 14\nSo 1", ask: .step, finish: .cut) == .cut("So 1"))
        #expect(prompt.clean("So 14.\n", ask: .step, finish: .cut) == .step("So 14.\n"))
        #expect(prompt.clean("So 14. [END]", ask: .step, finish: .cut) == .rest("So 14."))
        let free = EscalationPrompt(model: "m", messages: [], acceptedSteps: ["1\n"], separator: nil, maxTokens: 9)
        #expect(free.clean("So 1", ask: .step, finish: .cut) == .cut("So 1"))
        #expect(free.clean("So 14.", ask: .step, finish: .stopped) == .step("So 14."))
    }

    @Test("a reply to an answer that stops within a line neither glues words nor parts numbers")
    func seam() {
        let cases: [(accepted: String, reply: String, added: String)] = [
            ("The sum", "is 3.", " is 3."), ("The sum", "\n is 3.", "\n is 3."), ("The sum ", " is 3.", "is 3."),
            ("x = 1", "4.", "4."), ("x", "1", " 1"), ("f(", "x)", "x)"), ("x = 1", ".5", ".5"),
            ("答案是", "三。", "三。"), ("The sum", "The sum\nis 3.", "\nis 3."), ("", " is 3.", "is 3."),
        ]
        for (accepted, reply, added) in cases {
            let prompt = EscalationPrompt(
                model: "m", messages: [], acceptedSteps: [accepted], separator: "\n", maxTokens: 9)
            #expect(prompt.clean(reply, ask: .rest, finish: .stopped) == .rest(added))
            #expect(prompt.clean(reply, ask: .step, finish: .stopped) == .step(added + "\n"))
        }
    }

    @Test("a stop string may begin in the accepted steps; one that lies in them was let pass")
    func stops() {
        #expect(prompt.cut("Q: two", at: ["", "\nQ:"]).map { [$0.text, $0.stop] } == ["", "\nQ:"])
        #expect(prompt.cut("Two. Q:", at: ["\nQ:", "Q", "wo"]).map { [$0.text, $0.stop] } == ["T", "wo"])
        #expect(prompt.cut("Two.", at: ["14.\n", " = 14\n", "=", ""])?.stop == nil)
    }

    @Test("several steps cut short are one step")
    func cutShort() {
        #expect(prompt.clean("So 14.\nThe ans", ask: .step, finish: .cut) == .step("So 14.\n"))
    }
}
