import Foundation
import GatewayCore
import Inference
import Synchronization
import Testing

extension ModelTests {
    @Suite("How tokens are chosen")
    struct SamplingTests {
        static let question = "Write the word banana ten times, one a line."

        private static func sampling(_ temperature: Double = 0, _ change: (inout Sampling) -> Void) -> Sampling {
            var sampling = Sampling(temperature: temperature, topK: 0, seed: 11)
            change(&sampling)
            return sampling
        }

        @Test("What leaves one token to choose is greedy", arguments: ["top_k", "top_p", "min_p"])
        func single(kind: String) async throws {
            let model = try await EngineFixture.sharedModel()
            let sampling = Self.sampling(1.5) {
                switch kind {
                case "top_k": $0.topK = 1
                case "top_p": $0.topP = 1e-6
                default: $0.minP = 1
                }
            }
            // One token each: the second draft goes on from the logits that the first has left, to the bit.
            for question in [Self.question, "Name a colour.", "What is 2 + 2?", "Tell me a story."] {
                let greedy = try await model.draft(DraftRequest(asking: question, maxTokens: 1))
                let same = try await model.draft(DraftRequest(asking: question, maxTokens: 1, sampling: sampling))
                #expect(same.tokens == greedy.tokens)
            }
        }

        @Test("A seed chooses the same token again, and others choose others")
        func seeds() async throws {
            let model = try await EngineFixture.sharedModel()
            func draft(_ seed: UInt32) async throws -> [Int32] {
                try await model.draft(
                    DraftRequest(
                        asking: Self.question, maxTokens: 1, sampling: Self.sampling(2) { $0.seed = seed })
                ).tokens
            }
            var chosen: Set<[Int32]> = []
            for seed in UInt32(1)...8 {
                let first = try await draft(seed)
                #expect(try await draft(seed) == first)
                chosen.insert(first)
            }
            #expect(chosen.count > 2)
        }

        @Test("Tokens come as often as they are probable")
        func distribution() async throws {
            let model = try await EngineFixture.sharedModel()
            var first: [Int32: Int] = [:]
            var probability: [Int32: Double] = [:]
            let draws = 512
            for round in 0..<(draws / 16) {
                let drafts = try await model.drafts(
                    DraftRequest(
                        asking: "Name a colour.", maxTokens: 1, sampling: Self.sampling(1) { $0.seed = UInt32(round) }),
                    candidates: 16)
                for draft in drafts {
                    guard let token = draft.tokens.first else { continue }
                    first[token, default: 0] += 1
                    probability[token] = exp(Double(draft.logProbabilities[0]))
                }
            }
            let often = probability.filter { $0.value * Double(draws) > 20 }
            #expect(!often.isEmpty)
            for (token, p) in often {
                let deviation = (Double(draws) * p * (1 - p)).squareRoot()
                let difference = Double(first[token] ?? 0) - Double(draws) * p
                #expect(abs(difference) < 4.5 * deviation, "token \(token): \(first[token] ?? 0) times, p \(p)")
            }
        }

        @Test("A bias forbids the best token, and makes another certain")
        func bias() async throws {
            let model = try await EngineFixture.sharedModel()
            let greedy = try await model.draft(DraftRequest(asking: Self.question, maxTokens: 8))
            let best = try #require(greedy.tokens.first)
            let without = try await model.draft(
                DraftRequest(
                    asking: Self.question, maxTokens: 8, sampling: Self.sampling { $0.logitBias = [best: -100] }))
            #expect(!without.tokens.contains(best))
            let other = try #require(without.tokens.first)
            let forced = try await model.draft(
                DraftRequest(
                    asking: Self.question, maxTokens: 3, sampling: Self.sampling { $0.logitBias = [other: 100] }))
            #expect(forced.tokens == [other, other, other])
        }

        @Test("Penalties keep an answer from repeating itself, across its steps", arguments: ["repeat", "frequency"])
        func penalties(kind: String) async throws {
            let model = try await EngineFixture.sharedModel()
            let sampling = Self.sampling {
                if kind == "repeat" { $0.repeatPenalty = 2 } else { $0.frequencyPenalty = 2 }
            }
            let answer = [AnswerSegment.text("banana\nbanana\nbanana\nbanana\nbanana\n")]
            let plain = try await model.draft(DraftRequest(asking: Self.question, answer: answer, maxTokens: 8))
            #expect(plain.text.contains("banana"))
            let penalized = try await model.draft(
                DraftRequest(asking: Self.question, answer: answer, maxTokens: 8, sampling: sampling))
            #expect(!penalized.text.contains("banana"))
        }

        @Test("A grammar holds from the answer's beginning, greedy or not, over steps", arguments: [0, 1.2])
        func grammar(temperature: Double) async throws {
            let model = try await EngineFixture.sharedModel()
            let sampling = Self.sampling(temperature) {
                $0.grammar = #"""
                    root ::= "{\"year\": " [1-9] [0-9] [0-9] [0-9] ", \"city\": \"" [A-Z] [a-z]{2,8} "\"}"
                    """#
            }
            var answer: [AnswerSegment] = []
            var text = ""
            for _ in 0..<40 {
                let step = try await model.draft(
                    DraftRequest(
                        asking: "When did the Olympic games take place, and where? Answer in JSON.", answer: answer,
                        maxTokens: 4, sampling: sampling))
                text += step.text
                answer.append(.tokens(step.tokens))
                if step.end == .answer { break }
            }
            #expect(text.wholeMatch(of: /\{"year": [1-9]\d{3}, "city": "[A-Z][a-z]{2,8}"\}/) != nil, "\(text)")
        }

        @Test(
            "A grammar that is none is refused by name",
            arguments: [
                "", "rot ::= \"a\"", "root ::= root \"a\"", "root ::= (((\"a\"", "root ::= \"a\"\0",
                "root ::= " + String(repeating: "(", count: 5000) + "\"a\"" + String(repeating: ")", count: 5000),
                "root ::= " + String(repeating: "\"a\" ", count: 20000), "root ::= [", "root ::= other",
                "root ::= ((\"a\"{2000}){2000}){2000}",
            ])
        func badGrammar(text: String) async throws {
            let model = try await EngineFixture.sharedModel()
            await #expect {
                _ = try await model.draft(
                    DraftRequest(asking: "Hi", maxTokens: 4, sampling: Self.sampling { $0.grammar = text }))
            } throws: { error in
                guard case LocalModelError.invalid(let text) = error else { return false }
                return text.contains("grammar")
            }
        }

        @Test("An answer that the grammar does not allow is refused, and the engine lives on")
        func illegalAnswer() async throws {
            let model = try await EngineFixture.sharedModel()
            let sampling = Self.sampling { $0.grammar = "root ::= [0-9]+" }
            await #expect(throws: LocalModelError.invalid("grammar does not allow the answer so far")) {
                _ = try await model.draft(
                    DraftRequest(asking: "Hi", answer: [.text("12x")], maxTokens: 4, sampling: sampling))
            }
            let draft = try await model.draft(
                DraftRequest(asking: "Hi", answer: [.text("12")], maxTokens: 4, sampling: sampling))
            #expect(draft.text.allSatisfy { $0.isNumber })
        }

        @Test("What is out of range is refused by its name")
        func ranges() async throws {
            let model = try await EngineFixture.sharedModel()
            let wrong: [(String, (inout Sampling) -> Void)] = [
                ("temperature", { $0.temperature = 6 }),
                ("top_p", { $0.topP = 0 }), ("top_k", { $0.topK = -1 }), ("min_p", { $0.minP = 1.1 }),
                ("repeat_penalty", { $0.repeatPenalty = 0 }), ("frequency_penalty", { $0.frequencyPenalty = -3 }),
                ("presence_penalty", { $0.presencePenalty = 2.5 }), ("penalty_window", { $0.penaltyWindow = 9000 }),
                ("logit_bias", { $0.logitBias = [1 << 30: 1] }), ("logit_bias", { $0.logitBias = [5: 101] }),
                ("logit_bias", { $0.logitBias = [-1: 1] }),
            ]
            for (name, change) in wrong {
                await #expect {
                    _ = try await model.draft(DraftRequest(asking: "Hi", sampling: Self.sampling(0, change)))
                } throws: { error in
                    guard case LocalModelError.invalid(let text) = error else { return false }
                    return text.contains(name)
                }
            }
        }

        @Test("Streamed text is the draft's text in whole characters, without a part of a stop string")
        func streaming() async throws {
            let model = try await EngineFixture.sharedModel()
            let emoji = [AnswerSegment.text(String(repeating: "🍎🍐🍊🍋🍌🍉🍇🍓🫐🍈🍒🍑", count: 3))]
            let plain = try await model.draft(DraftRequest(asking: "Repeat emoji.", answer: emoji, maxTokens: 24))
            let stop = String(plain.text.suffix(3))
            for stops in [[], [stop]] {
                let pieces = Mutex<[String]>([])
                let draft = try await model.stream(
                    DraftRequest(asking: "Repeat emoji.", answer: emoji, maxTokens: 24, stop: stops)
                ) { piece in pieces.withLock { $0.append(piece) } }
                let sent = pieces.withLock { $0 }
                #expect(sent.count > 2 && sent.joined() == draft.text)
                #expect(sent.allSatisfy { !$0.isEmpty && !$0.contains("\u{FFFD}") })
                #expect(stops.isEmpty || !draft.text.contains(stop))
            }
        }

        @Test("A draft that is not done in its time is ended, whether it waits or runs")
        func deadline() async throws {
            let model = try await EngineFixture.sharedModel()
            await #expect(throws: LocalModelError.deadlineExceeded) {
                _ = try await model.within(.milliseconds(300)).draft(
                    DraftRequest(
                        asking: "Count from one to a thousand in words.", maxTokens: 2000,
                        sampling: Self.sampling { $0.grammar = "root ::= [a-z ]+" }))
            }
            _ = try await model.within(.seconds(60)).draft(DraftRequest(asking: "Hi", maxTokens: 1))
        }
    }
}
