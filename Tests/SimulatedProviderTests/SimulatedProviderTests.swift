import Curl
import Foundation
import GatewayTesting
import HTTPTypes
import SimulatedProvider
import Testing
import WireFormat

struct SimulatedProviderTests {
    static let problems = WordProblemGenerator.problems(60, seed: 21)
    static let streaming = #","stream":true,"stream_options":{"include_usage":true}"#

    @Test("answers word problems, and bills what it reports")
    func answersAndBills() async throws {
        try await ProviderHarness.with { provider in
            for (number, problem) in Self.problems.prefix(20).enumerated() {
                let answer = try await provider.ask(
                    problem.question, more: number.isMultiple(of: 2) ? Self.streaming : "",
                    headers: ["x-request-id": "r-\(number)"])
                #expect(answer.status == 200 && answer.isDone && answer.finishReason == "stop")
                #expect(answer.text == problem.solution)
                let usage = try #require(answer.usages.only)
                #expect(usage.prompt_tokens == (problem.question.utf8.count + 3) / 4)
                #expect(usage.completion_tokens == (problem.solution.utf8.count + 3) / 4)
                // On disk before the answer ended.
                let line = try #require(try provider.lines.last)
                #expect(line.requestID == "r-\(number)" && line.call == number + 1 && line.finished)
                #expect(line.inputTokens == usage.prompt_tokens && line.outputTokens == usage.completion_tokens)
                #expect(line.nanoUSD == Int64(usage.prompt_tokens * 10_000 + usage.completion_tokens * 30_000))
            }
            #expect(try provider.lines.count == 20)
        }
    }

    @Test("a price that is no whole nano-dollar is rounded up once")
    func roundsUp() {
        let model = SimulatedModel(name: "m", inputPicoPerToken: 150, outputPicoPerToken: 601, accuracy: 1)
        #expect(model.nanoUSD(inputTokens: 1, outputTokens: 1) == 1)
        #expect(model.nanoUSD(inputTokens: 10, outputTokens: 10) == 8)
        #expect(model.nanoUSD(inputTokens: 0, outputTokens: 0) == 0)
        #expect(model.nanoUSD(inputTokens: .max, outputTokens: .max) == 6_926_752_399_677_936_632)
        #expect(SimulatedModel.large.nanoUSD(inputTokens: .max, outputTokens: 1) == nil)
    }

    @Test("a stream without include_usage has no usage; its text equals the answer's without a stream")
    func streamEqualsWhole() async throws {
        try await ProviderHarness.with { provider in
            for problem in Self.problems.prefix(10) {
                for more in ["", #","max_tokens":9"#, #","stop":["\n"]"#, #","stop":"Answer","max_tokens":30"#] {
                    let whole = try await provider.ask(problem.question, more: more)
                    let stream = try await provider.ask(problem.question, more: more + #","stream":true"#)
                    #expect(stream.text == whole.text && stream.finishReason == whole.finishReason)
                    #expect(stream.usages.isEmpty && stream.isDone && whole.usages.count == 1)
                }
            }
        }
    }

    @Test("stop ends the answer before the stop text; max_tokens cuts it with finish reason length")
    func stopAndLength() async throws {
        let problem = Self.problems[5]
        try await ProviderHarness.with { provider in
            let step = try await provider.ask(problem.question, more: #","stop":["\n"]"#)
            #expect(step.text == problem.goldSteps[0] && step.finishReason == "stop")
            for limit in 1...12 {
                let cut = try await provider.ask(problem.question, more: #","max_tokens":\#(limit)"#)
                #expect(cut.text == String(problem.solution.prefix(limit * 4)) && cut.finishReason == "length")
                #expect(cut.usages.last?.completion_tokens == limit)
            }
        }
    }

    @Test("goes on after accepted steps: one step, or the rest; a wrong step is worked out again")
    func escalations() async throws {
        let problem = try #require(Self.problems.first { $0.difficulty == 4 })
        let gold = problem.goldSteps.map { $0 + "\n" }
        var random = SplitMix64(seed: 2)
        let wrong = problem.corrupted(step: 1, using: &random) + "\n"
        let rest = (problem.goldSteps.dropFirst() + [problem.answerLine]).joined(separator: "\n")
        let cases: [(steps: [String], ask: EscalationPrompt.Ask, reply: String)] = [
            ([], .rest, problem.solution),
            ([gold[0]], .rest, rest),
            ([gold[0], wrong], .rest, rest),
            ([], .step, problem.goldSteps[0]),
            ([gold[0]], .step, problem.goldSteps[1]),
            ([gold[0], wrong], .step, problem.goldSteps[1]),
            (gold, .step, problem.answerLine + EscalationPrompt.endMark),
        ]
        try await ProviderHarness.with { provider in
            for (steps, ask, reply) in cases {
                let prompt = EscalationPrompt(
                    model: "sim-large", messages: [.init(role: "user", content: problem.question)],
                    acceptedSteps: steps, separator: "\n", maxTokens: 400)
                let body = String(decoding: prompt.body(for: ask, stream: true), as: UTF8.self)
                let answer = Answer(try await provider.send(.post, "/v1/chat/completions", body: body))
                #expect(answer.text == reply)
            }
        }
    }

    @Test("the share of right answers is the accuracy, the same for the same seed", arguments: [0.0, 0.6, 1.0])
    func accuracy(share: Double) async throws {
        let problems = WordProblemGenerator.problems(400, seed: 8)
        try await ProviderHarness.with {
            $0.accuracy = share
        } _: { provider in
            var right = 0
            for problem in problems {
                let body = #"{"model":"sim-large","messages":[{"role":"user","content":"\#(problem.question)"}]}"#
                let answer = Answer(try await provider.send(.post, "/v1/chat/completions", body: body))
                if problem.isCorrect(answer.text) { right += 1 }
            }
            // Four standard deviations of the binomial distribution.
            let spread = 4 * (400 * share * (1 - share)).squareRoot()
            #expect((Double(right) - 400 * share).magnitude <= spread, "\(right)")
            let again = try await provider.ask(problems[7].question)
            #expect(try await provider.ask(problems[7].question).text == again.text)
        }
    }

    @Test("other texts get a fixed short answer; models are listed and differ in price")
    func cannedAndModels() async throws {
        try await ProviderHarness.with { provider in
            let answer = try await provider.ask("Hello there")
            #expect(!answer.text.isEmpty)
            #expect(try await provider.ask("Bye").text == answer.text)
            let models = try await provider.send(.get, "/v1/models")
            let list = models.body
            for name in ["sim-large", "sim-medium", "sim-small"] { #expect(list.contains("\"\(name)\"")) }
            _ = try await provider.ask("Hello there", model: "sim-small")
            let lines = try provider.lines
            #expect(lines[0].outputTokens == lines[2].outputTokens && lines[0].nanoUSD > lines[2].nanoUSD)
        }
    }

    @Test("wrong keys, unknown models and malformed or large bodies are refused and not charged")
    func refusals() async throws {
        try await ProviderHarness.with {
            $0.apiKey = "secret"
            $0.maxBodyBytes = 2_000
        } _: { provider in
            let key = ["authorization": "Bearer secret"]
            #expect(try await provider.ask("Hi").status == 401)
            #expect(try await provider.ask("Hi", headers: ["authorization": "Bearer other"]).status == 401)
            #expect(try await provider.send(.get, "/v1/models").status.code == 401)
            #expect(try await provider.ask("Hi", model: "nope", headers: key).status == 404)
            #expect(try await provider.ask(String(repeating: "a", count: 3_000), headers: key).status == 413)
            for more in [#","max_tokens":0"#, #","n":2"#, #","stop":["a","b","c","d","e"]"#, #","stream":3"#] {
                #expect(try await provider.ask("Hi", more: more, headers: key).status == 400)
            }
            let body = try await provider.send(.post, "/v1/chat/completions", body: "{", headers: key)
            #expect(body.status.code == 400)
            #expect(try provider.lines.isEmpty)
            #expect(try await provider.ask("Hi", headers: key).status == 200)
        }
    }

    @Test("OpenAI's reasoning models refuse a temperature and stop texts by name, and charge nothing for that")
    func reasoningModels() async throws {
        try await ProviderHarness.with {
            $0.models.append(
                SimulatedModel(name: "gpt-5-sim", inputPicoPerToken: 1, outputPicoPerToken: 1, accuracy: 1))
        } _: { provider in
            for (more, field) in [
                (#","temperature":0"#, "'temperature'"), (#","stop":["\n"],"temperature":1"#, "'stop'"),
            ] {
                let refused = try await provider.ask("Hi", model: "gpt-5-sim", more: more)
                #expect(refused.status == 400 && refused.body.contains(field))
                #expect(try await provider.ask("Hi", more: more).status == 200)
            }
            #expect(try provider.lines.allSatisfy { $0.model == "sim-large" })
            #expect(try await provider.ask("Hi", model: "gpt-5-sim").status == 200)
        }
    }

    @Test("the bill goes on after a restart, and drops a line that a crash cut off")
    func billSurvivesRestart() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bill-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "bill.jsonl")
        try await ProviderHarness.with(bill: file) { _ = try await $0.ask("One") }
        try (Data(contentsOf: file) + Data(#"{"call":2,"mod"#.utf8)).write(to: file)
        try await ProviderHarness.with(bill: file) { provider in
            _ = try await provider.ask("Two")
            #expect(try provider.lines.map(\.call) == [1, 2])
            #expect(provider.server.bill.totals.charged == 2)
        }
    }

    @Test("concurrent calls all have their line")
    func concurrentBill() async throws {
        try await ProviderHarness.with { provider in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask { _ = try await provider.ask("Hi", headers: ["x-request-id": "\(number)"]) }
                }
                try await group.waitForAll()
            }
            let lines = try provider.lines
            #expect(Set(lines.map(\.requestID)).count == 40 && Set(lines.map(\.call)) == Set(1...40))
            let totals = provider.server.bill.totals
            #expect(totals.nanoUSD == lines.reduce(0) { $0 + $1.nanoUSD } && totals.charged == 40)
        }
    }
}

extension Array {
    /// The element of an array of one.
    var only: Element? { count == 1 ? first : nil }
}
