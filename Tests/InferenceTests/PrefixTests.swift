import Foundation
import GatewayCore
import Inference
import Testing

extension ModelTests {
    @Suite("What is kept for the next request")
    struct PrefixTests {
        static let system = String(
            repeating: "You are a careful assistant of the Meridian bakery who answers in one short sentence. ",
            count: 5)
        static let canary = "The secret word of this conversation is XYLOPHONE-7391."

        private static func request(
            _ messages: [ChatMessage], session: UUID = UUID(), maxTokens: Int = 12
        ) -> DraftRequest {
            DraftRequest(
                session: session, messages: messages, answer: [], sampling: Sampling(), maxTokens: maxTokens,
                boundary: nil, wantsHidden: false)
        }

        private static func conversation(_ system: String, _ question: String) -> [ChatMessage] {
            [ChatMessage(role: "system", content: system), ChatMessage(role: "user", content: question)]
        }

        @Test("A tenant reaches another's prefix neither by its counters nor by its text")
        func isolation() async throws {
            try await EngineFixture.withModel { model, supervisor in
                var (a, b) = (model, model)
                a.scope.tenant = 1
                b.scope.tenant = 2
                let secret = Self.conversation(Self.system + Self.canary, "What is the secret word?")
                let public_ = Self.conversation(Self.system, "What is the secret word?")
                let before = try await b.draft(Self.request(public_))
                let first = try await a.draft(Self.request(secret))
                #expect(first.reusedTokens == 0)
                let again = try await a.draft(Self.request(secret))
                #expect(again.reusedTokens == again.promptTokens && again.text == first.text)
                // The same prompt to the letter, from another tenant: nothing is found, everything is evaluated.
                let evaluated = try await supervisor.currentStatus().evaluatedTokens
                let other = try await b.draft(Self.request(secret, maxTokens: 1))
                // Its own system prompt is all that the other tenant finds, up to where the secret begins.
                #expect(other.reusedTokens <= before.promptTokens && other.promptTokens > before.promptTokens)
                let new = try await supervisor.currentStatus().evaluatedTokens - evaluated
                #expect(Int(new) == other.promptTokens - other.reusedTokens)
                var c = model
                c.scope.tenant = 3
                #expect(try await c.draft(Self.request(secret, maxTokens: 1)).reusedTokens == 0)
                // And what a tenant is told does not depend on what others said.
                let after = try await b.draft(Self.request(public_))
                #expect(after.text == before.text && !after.text.contains("XYLOPHONE"))
                for _ in 0..<3 { _ = try await a.draft(Self.request(secret)) }
                #expect(try await b.draft(Self.request(public_)).text == before.text)
            }
        }

        @Test("What another tenant has in the cells changes no bit of an answer")
        func influence() async throws {
            var drafts: [StepDraft] = []
            for seed in [3, 5] {
                try await EngineFixture.withModel { model, _ in
                    var (a, b) = (model, model)
                    a.scope.tenant = 1
                    b.scope.tenant = 2
                    // As many tokens in either host, for sums to be formed in the same order, but not the same ones.
                    var other = Self.request([ChatMessage(role: "user", content: "Hi")], maxTokens: 1)
                    other.answer = [.tokens((0..<200).map { Int32(1000 + ($0 * seed * 37) % 5000) })]
                    _ = try await a.draft(other)
                    drafts.append(try await b.draft(Self.request(Self.conversation(Self.system, "Who are you?"))))
                }
            }
            #expect(drafts[0].tokens == drafts[1].tokens)
            #expect(drafts[0].logProbabilities == drafts[1].logProbabilities)
        }

        @Test("The system prompt of another request, and the conversation's next turn, are not evaluated again")
        func turns() async throws {
            let model = try await EngineFixture.sharedModel()
            let session = UUID()
            let question = Self.conversation(Self.system, "When do you open?")
            let first = try await model.draft(Self.request(question, session: session, maxTokens: 40))
            #expect(first.reusedTokens == 0)
            await model.end(session: session)
            let other = try await model.draft(Self.request(Self.conversation(Self.system, "Do you sell rye bread?")))
            #expect(other.reusedTokens > other.promptTokens * 3 / 4 && other.reusedTokens < other.promptTokens)
            let next =
                question + [
                    ChatMessage(role: "assistant", content: first.text),
                    ChatMessage(role: "user", content: "And on Sundays?"),
                ]
            let turn = try await model.draft(Self.request(next))
            #expect(turn.reusedTokens >= first.promptTokens)
            // A session's end kept what it had last; so is what the first turn's answer was.
            print("next turn: \(turn.reusedTokens) of \(turn.promptTokens) tokens were there")
        }

        @Test("Greedy text is the same, bit for bit, whether its beginning was there or not")
        func equality() async throws {
            var settings = try EngineFixture.settings()
            settings.batchTokens = 64
            var deviation = Float(0)
            for question in ["When do you open?"] {
                let messages = Self.conversation("You are a baker.", question)
                let empty = try await EngineFixture.sharedModel().draft(Self.request(messages, maxTokens: 1))
                    .promptTokens
                // Tokens of an answer make prompts of any length: two whole batches, and then some.
                func request(_ tokens: Int, maxTokens: Int = 16) -> DraftRequest {
                    var request = Self.request(messages, maxTokens: maxTokens)
                    request.answer = [.tokens((0..<(tokens - empty)).map { Int32(1000 + ($0 * 37) % 5000) })]
                    return request
                }
                // In hosts of their own: where in the cells a sequence lies changes the order of sums as well.
                var drafts: [StepDraft] = []
                for beginning in [0, 128, 140] {
                    try await EngineFixture.withModel(settings) { model, _ in
                        if beginning > 0 { _ = try await model.draft(request(beginning, maxTokens: 1)) }
                        let draft = try await model.draft(request(158))
                        #expect(draft.reusedTokens == beginning)
                        drafts.append(draft)
                    }
                }
                let (fresh, reusing, shifted) = (drafts[0], drafts[1], drafts[2])
                #expect(reusing.tokens == fresh.tokens && reusing.logProbabilities == fresh.logProbabilities)
                // Cut elsewhere the sums are formed in another order: equal up to rounding only.
                deviation = max(deviation, abs(shifted.logProbabilities[0] - fresh.logProbabilities[0]))
            }
            print("kept prefix, prompt cut elsewhere: first log p within \(deviation)")
            #expect(deviation < 0.3)
        }

        @Test("Eight candidates cost their prompt once, and greedy ones are the lone draft")
        func candidates() async throws {
            try await EngineFixture.withModel { model, supervisor in
                var model = model
                let request = Self.request(Self.conversation(Self.system, "Name three kinds of bread."))
                model.scope.tenant = 1
                let lone = try await model.draft(request)
                model.scope.tenant = 2
                let before = try await supervisor.currentStatus()
                let greedy = try await model.drafts(request, candidates: 8)
                let after = try await supervisor.currentStatus()
                let evaluated = Int(after.evaluatedTokens - before.evaluatedTokens)
                // The last token of each is not evaluated: nobody has asked for what follows it.
                #expect(evaluated == lone.promptTokens + greedy.reduce(0) { $0 + $1.tokens.count - 1 })
                #expect(greedy.count == 8 && greedy.allSatisfy { $0.tokens == greedy[0].tokens })
                #expect(greedy[0].promptTokens == lone.promptTokens && greedy[0].reusedTokens == 0)
                #expect(greedy.dropFirst().allSatisfy { $0.reusedTokens == lone.promptTokens })
                #expect(greedy[0].text == lone.text)
                var warm = request
                warm.sampling = Sampling(temperature: 1.3, topK: 0, seed: 3)
                let drafts = try await model.drafts(warm, candidates: 8)
                #expect(Set(drafts.map(\.text)).count > 4)
                let alone = try await model.draft(warm)
                #expect(alone.tokens.first == drafts[0].tokens.first)
                await #expect(throws: LocalModelError.self) { _ = try await model.drafts(request, candidates: 17) }
            }
        }

        @Test("A tenant that floods loses its own prefixes, not another's")
        func eviction() async throws {
            var settings = try EngineFixture.settings()
            settings.contextTokens = 512
            settings.sequences = 2
            try await EngineFixture.withModel(settings) { model, supervisor in
                var (noisy, polite) = (model, model)
                noisy.scope.tenant = 1
                polite.scope.tenant = 2
                let own = Self.request(Self.conversation(Self.system, "When do you open?"), maxTokens: 4)
                _ = try await polite.draft(own)
                for index in 0..<7 {
                    let text = "\(index) " + String(repeating: "noise \(index) ", count: 16)
                    _ = try await noisy.draft(Self.request([ChatMessage(role: "user", content: text)], maxTokens: 1))
                }
                let status = try await supervisor.currentStatus()
                #expect(status.cached < 8, "nothing had to make way")
                let again = try await polite.draft(own)
                #expect(again.reusedTokens >= again.promptTokens - 1)
            }
        }

        @Test("What is kept makes way for work, oldest first, and running work never fails for want of cells")
        func room() async throws {
            var settings = try EngineFixture.settings()
            settings.contextTokens = 512
            settings.sequences = 4
            try await EngineFixture.withModel(settings) { model, supervisor in
                var reused = 0
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for index in 0..<16 {
                        var own = model
                        own.scope.tenant = Int64(index % 3)
                        let request = Self.request(
                            Self.conversation("\(index % 5) " + Self.system.prefix(172), "Question \(index)?"),
                            maxTokens: 12)
                        group.addTask { [own] in try await own.draft(request).reusedTokens }
                    }
                    for try await count in group { reused += count }
                }
                let status = try await supervisor.currentStatus()
                #expect(status.cellsUsed <= 512 && status.active == 0 && status.queued == 0)
                #expect(status.prefixLookups == 16 && status.reusedTokens == UInt64(reused))
                print("16 requests in 512 cells: \(status.prefixHits) hits, \(reused) tokens reused")
            }
        }
    }
}
