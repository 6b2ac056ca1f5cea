import Curl
import Foundation
import GatewayTesting
import HTTPTypes
import SimulatedProvider
import Testing

struct SimulatedFaultTests {
    static let problem = WordProblemGenerator.problems(4, seed: 77)[3]
    static let streaming = SimulatedProviderTests.streaming

    private func ask(_ provider: ProviderHarness, _ fault: String, stream: Bool = true) async throws -> Answer {
        try await provider.ask(
            Self.problem.question, more: stream ? Self.streaming : "", headers: ["x-sim-fault": fault])
    }

    @Test("a fault that is not known, or has wrong arguments, is named in the error")
    func parseErrors() {
        for text in ["explode", "latency", "latency:x", "latency:99999999", "hang:1", "drop", "500:1:2", "", "429:-1"] {
            #expect(throws: SimulatedFault.ParseError.self) { try SimulatedFault(parsing: text) }
        }
        let error = #expect(throws: SimulatedFault.ParseError.self) { try SimulatedFault(parsing: "explode") }
        #expect(error?.description.contains("\"explode\"") == true && error?.description.contains("head-only") == true)
    }

    @Test("faults are read with arguments and what they match, one or a list")
    func parses() throws {
        let refusal = try SimulatedFault(parsing: "429:2:7@sim-large")
        #expect(refusal == .init(.refuse(status: 429, times: 2, retryAfterSeconds: 7), match: "sim-large"))
        #expect(try SimulatedFault.list("hang, latency:5@x").map(\.kind) == [.hang, .latency(milliseconds: 5)])
    }

    @Test("refusals come as often as asked, with retry-after, and are not charged")
    func refuses() async throws {
        try await ProviderHarness.with {
            $0.faults = [.init(.refuse(status: 429, times: 2, retryAfterSeconds: 7), match: "sim-large")]
        } _: { provider in
            #expect(try await provider.ask("Hi", model: "sim-small").status == 200)
            for _ in 0..<2 {
                let refused = try await provider.ask("Hi")
                #expect(refused.status == 429 && refused.headers[.retryAfter] == "7")
            }
            #expect(try await provider.ask("Hi").status == 200)
            #expect(try await ask(provider, "500").status == 500)
            #expect(try await ask(provider, "503").headers[.retryAfter] == "1")
            #expect(try provider.lines.count == 2)
            #expect(try await ask(provider, "nonsense").status == 400)
        }
    }

    @Test("faults can be set while it runs, and calls are counted")
    func admin() async throws {
        try await ProviderHarness.with { provider in
            let set = try await provider.send(.post, "/sim/faults", body: #"{"faults":["500:1@apples"]}"#)
            #expect(set.status.code == 200)
            #expect(try await provider.ask("pears").status == 200)
            #expect(try await provider.ask("apples").status == 500)
            #expect(try await provider.ask("apples").status == 200)
            let bad = try await provider.send(.post, "/sim/faults", body: #"{"faults":["explode"]}"#)
            #expect(bad.status.code == 400)
            let calls = try await provider.send(.get, "/sim/calls").body
            #expect(calls.contains(#""calls":3"#) && calls.contains(#""charged":2"#))
        }
    }

    @Test("a dropped connection is charged for what was generated", arguments: [true, false])
    func drops(stream: Bool) async throws {
        try await ProviderHarness.with { provider in
            await #expect(throws: (any Error).self) { _ = try await ask(provider, "drop:3", stream: stream) }
            await #expect(throws: (any Error).self) { _ = try await ask(provider, "drop:0", stream: stream) }
            await #expect(throws: (any Error).self) { _ = try await ask(provider, "head-only", stream: stream) }
            let lines = try provider.lines
            #expect(lines.map(\.finished) == [false, false, false])
            let words = Self.problem.solution.split(separator: " ").prefix(3).joined(separator: " ")
            #expect(lines.map(\.outputTokens) == [(words.utf8.count + 3) / 4, 0, 0])
            #expect(lines.allSatisfy { $0.inputTokens == (Self.problem.question.utf8.count + 3) / 4 })
        }
    }

    @Test("usage faults change the report, never the text")
    func usageFaults() async throws {
        let tokens = (Self.problem.solution.utf8.count + 3) / 4
        try await ProviderHarness.with { provider in
            let missing = try await ask(provider, "no-usage")
            #expect(missing.usages.isEmpty && missing.isDone)
            let missingWhole = try await ask(provider, "no-usage", stream: false)
            #expect(missingWhole.usages.isEmpty)
            let twice = try await ask(provider, "usage-twice")
            #expect(twice.usages.count == 2 && twice.usages[1].completion_tokens == tokens)
            #expect(twice.usages[0].completion_tokens < tokens)
            let within = try await ask(provider, "usage-with-choices")
            #expect(within.usages.count == 1)
            #expect(within.chunks.contains { $0.usage != nil && !$0.choices.isEmpty })
            let zero = try await ask(provider, "zero-usage")
            #expect(zero.usages == [.init(prompt_tokens: 0, completion_tokens: 0)])
            for answer in [missing, missingWhole, twice, within, zero] { #expect(answer.text == Self.problem.solution) }
            #expect(try provider.lines.allSatisfy { $0.outputTokens == tokens && $0.finished })
        }
    }

    @Test("an overcharge reports and bills more than max_tokens")
    func overcharges() async throws {
        try await ProviderHarness.with { provider in
            let answer = try await provider.ask(
                "Hi", more: #","max_tokens":8"#, headers: ["x-sim-fault": "overcharge:100"])
            #expect(answer.usages.last?.completion_tokens == 108)
            #expect(try provider.lines.last?.outputTokens == 108)
        }
    }

    @Test("garbage stands in the middle of a stream, or instead of the body", arguments: [true, false])
    func garbage(stream: Bool) async throws {
        try await ProviderHarness.with { provider in
            let answer = try await ask(provider, "garbage", stream: stream)
            let events = answer.body.components(separatedBy: "\n\n").filter { !$0.isEmpty && $0 != "data: [DONE]" }
            let readable = events.filter {
                (try? JSONSerialization.jsonObject(with: Data($0.dropFirst(stream ? 6 : 0).utf8))) != nil
            }
            #expect(readable.count == events.count - 1)
            #expect(try provider.lines.last?.finished == true)
        }
    }

    @Test("delays are waited for", arguments: ["latency:120", "first-byte:120", "trickle:20"])
    func delays(fault: String) async throws {
        try await ProviderHarness.with { provider in
            let clock = ContinuousClock()
            let start = clock.now
            let answer = try await ask(provider, fault)
            #expect(clock.now - start >= .milliseconds(120))
            #expect(answer.text == Self.problem.solution)
        }
    }

    @Test("an answer after which the connection is closed says so, and no other does")
    func closes() async throws {
        try await ProviderHarness.with { (provider) async throws in
            for fault in ["first-byte:1", "trickle:1", "500", "nonsense"] {
                #expect(try await ask(provider, fault).headers[.connection] == nil, "\(fault)")
            }
            for fault in ["latency:1", "latency:1,500", "latency:x"] {
                #expect(try await ask(provider, fault).headers[.connection] == "close", "\(fault)")
            }
            #expect(try await provider.ask("Hi").headers[.connection] == nil)
        }
        try await ProviderHarness.with {
            $0.faults = [.init(.latency(milliseconds: 1), match: "pears")]
        } _: { (provider) async throws in
            // Whether the fault is its own is only known once the body was read.
            for text in ["apples", "pears"] {
                #expect(try await provider.ask(text).headers[.connection] == "close")
            }
        }
    }

    @Test("a hanging call ends when the caller leaves, and when the server stops; it is not charged")
    func hangs() async throws {
        try await ProviderHarness.with { provider in
            let call = hanging(provider)
            while provider.server.bill.totals.calls < 1 { try await Task.sleep(for: .milliseconds(5)) }
            call.cancel()
            try await untilIdle(provider)
            // This one hangs into the shutdown at the end of the test.
            let other = hanging(provider)
            defer { other.cancel() }
            while provider.server.bill.totals.calls < 2 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(try provider.lines.isEmpty)
        }
    }

    @Test("a caller that leaves is charged for what was generated until then")
    func callerLeaves() async throws {
        try await ProviderHarness.with { provider in
            let question = Self.problem.question
            let body = #"{"model":"sim-large","messages":[{"role":"user","content":"\#(question)"}],"stream":true}"#
            await provider.client.begin(
                "/v1/chat/completions", body: body, headers: ["x-sim-fault": "trickle:40"], parts: 3
            ).value
            try await untilIdle(provider)
            let line = try #require(try provider.lines.only)
            #expect(!line.finished && line.outputTokens > 0)
            #expect(line.outputTokens < (Self.problem.solution.utf8.count + 3) / 4)
        }
    }

    private func hanging(_ provider: ProviderHarness) -> Task<Void, Never> {
        let body = #"{"model":"sim-large","messages":[{"role":"user","content":"Hi"}]}"#
        return provider.client.begin("/v1/chat/completions", body: body, headers: ["x-sim-fault": "hang"])
    }

    /// Waits until no call runs.
    private func untilIdle(_ provider: ProviderHarness) async throws {
        for _ in 0..<6000 {
            let calls = try await provider.send(.get, "/sim/calls").body
            if calls.contains(#""in_flight":0"#) { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("a call still runs")
    }
}
