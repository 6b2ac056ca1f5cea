package import Foundation
package import GatewayCore
internal import WireFormat

/// An SLM that another server holds (vLLM, llama-server, or anything that speaks OpenAI's chat completions), in the
/// place of an engine host.
///
/// Steps are cut here, as they come: when one is whole the answer is given up, and the next step goes on from the text
/// so far as a message of the assistant's that is not finished. Hidden states are not to be had from it.
package struct RemoteModel: SmallLanguageModel {
    private static let maxTokens = 4096
    /// Bound of a step; the server's own is in tokens.
    private static let maxCharacters = 65_536
    /// Of English text, about.
    private static let bytesPerToken = 4

    private let provider: any PaidProvider
    private let model: ModelReference

    /// - Parameter provider: its transport. What it sends is not paid for: there is no hold and no price.
    package init(provider: any PaidProvider, model: String) {
        self.provider = provider
        self.model = ModelReference(provider: provider.name, model: model)
    }

    package func draft(_ request: DraftRequest) async throws -> StepDraft {
        guard !request.wantsHidden else {
            throw LocalModelError.unavailable(
                "\(model.model) is held by another server, which gives no hidden states: use a PRM of kind tokens")
        }
        let answer = try Self.text(of: request.answer)
        var splitter = try StepSplitter(
            boundary: request.boundary, stops: request.stop, maxTokens: Self.maxCharacters,
            answerBytes: Array(answer.utf8))
        let exchange = try await open(Self.body(request, model.model, answer: answer), isStream: true)
        do {
            var verdict = StepSplitter.Verdict.more
            // By characters: the next step goes on from a text, which may be cut anywhere, and what arrives together is
            // not what was drafted together.
            while verdict == .more, let chunk = try await exchange.next() {
                for character in chunk.text where verdict == .more {
                    verdict = try splitter.push(Array(String(character).utf8))
                }
            }
            let result = await exchange.result
            // Absurd counts would overflow the answer's sums.
            let usage = result.usage.flatMap { $0.isPossible ? $0 : nil }
            let isWhole = verdict == .more
            if isWhole { verdict = result.finishReason == "length" ? splitter.exhaust() : splitter.finish() }
            await exchange.cancel()
            guard case .ends(let end, _, let text) = verdict else { throw LocalModelError.interrupted }
            // Only a whole answer comes with counts: a step that was cut is given up before they are sent.
            let counted = usage.flatMap { $0.input > 0 ? $0 : nil }
            let promptBytes = request.messages.reduce(answer.utf8.count) { $0 + $1.content.utf8.count }
            var draft = StepDraft(
                text: text, tokens: [], logProbabilities: [], hidden: [], end: end,
                promptTokens: counted.map { Int(clamping: $0.input) } ?? Self.estimate(bytes: promptBytes),
                reusedTokens: Int(clamping: counted?.cachedInput ?? 0))
            draft.stop = splitter.stop
            let estimate = Self.estimate(bytes: text.utf8.count)
            draft.remoteTokens = isWhole ? Int(clamping: usage?.output ?? Int64(estimate)) : estimate
            return draft
        } catch {
            await exchange.cancel()
            throw Self.localError(error)
        }
    }

    package func end(session: UUID) async {}

    private static func estimate(bytes: Int) -> Int { (bytes + bytesPerToken - 1) / bytesPerToken }

    /// The most probable first tokens of an answer, with the natural logarithms of their probabilities.
    package func firstTokens(_ messages: [ChatMessage]) async throws -> [(token: String, logProbability: Double)] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("model", model.model)
        Self.write(messages, to: &writer)
        writer.member("max_tokens", 1)
        writer.member("temperature", 0)
        writer.member("logprobs", true)
        writer.member("top_logprobs", 20)
        writer.endObject()
        let exchange = try await open(writer.bytes, isStream: false)
        do {
            var body: [UInt8] = []
            while let chunk = try await exchange.next() { body += chunk.bytes }
            let choice = try JSONDocument(body).root["choices"]?.elements.first
            let first = choice?["logprobs"]?["content"]?.elements.first
            return (first?["top_logprobs"]?.elements ?? []).compactMap { entry in
                guard let token = entry["token"]?.string, let value = entry["logprob"]?.double else { return nil }
                return (token, value)
            }
        } catch {
            await exchange.cancel()
            throw Self.localError(error)
        }
    }

    private func open(_ body: [UInt8], isStream: Bool) async throws(LocalModelError) -> any PaidExchange {
        var call = PaidCall(model: model, body: body, isStream: isStream, requestID: UUID().text)
        // What is not streamed is one token.
        call.isBrief = true
        do { return try await provider.open(call) } catch { throw Self.localError(error) }
    }

    // MARK: The request

    private static func text(of answer: [AnswerSegment]) throws(LocalModelError) -> String {
        var text = ""
        for segment in answer {
            guard case .text(let piece) = segment else {
                throw .invalid("an answer that another model has begun in tokens cannot go on here")
            }
            text += piece
        }
        return text
    }

    private static func body(_ request: DraftRequest, _ model: String, answer: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("model", model)
        let begun = answer.isEmpty ? [] : [ChatMessage(role: "assistant", content: answer)]
        write(request.messages + begun, to: &writer)
        writer.member("stream", true)
        writer.key("stream_options")
        writer.beginObject()
        writer.member("include_usage", true)
        writer.endObject()
        writer.member("max_tokens", Int64(min(request.maxTokens, maxTokens)))
        writer.key("temperature")
        writer.double(request.sampling.temperature)
        writer.key("top_p")
        writer.double(request.sampling.topP)
        writer.member("seed", Int64(request.sampling.seed))
        write(request.sampling, to: &writer)
        if !answer.isEmpty {
            // vLLM's names; llama-server goes on from an assistant's last message by itself.
            writer.member("continue_final_message", true)
            writer.member("add_generation_prompt", false)
        }
        writer.endObject()
        return writer.bytes
    }

    /// What not every server knows is sent only where it was asked for.
    private static func write(_ sampling: Sampling, to writer: inout JSONWriter) {
        func number(_ name: String, _ value: Double, unless usual: Double) {
            guard value != usual else { return }
            writer.key(name)
            writer.double(value)
        }
        let usual = Sampling()
        if sampling.topK != usual.topK { writer.member("top_k", Int64(sampling.topK)) }
        number("min_p", sampling.minP, unless: usual.minP)
        // vLLM's name and llama-server's.
        number("repetition_penalty", sampling.repeatPenalty, unless: usual.repeatPenalty)
        number("repeat_penalty", sampling.repeatPenalty, unless: usual.repeatPenalty)
        number("frequency_penalty", sampling.frequencyPenalty, unless: usual.frequencyPenalty)
        number("presence_penalty", sampling.presencePenalty, unless: usual.presencePenalty)
        if !sampling.logitBias.isEmpty {
            writer.key("logit_bias")
            writer.beginObject()
            for (token, bias) in sampling.logitBias.sorted(by: { $0.key < $1.key }) {
                writer.key(String(token))
                writer.double(bias)
            }
            writer.endObject()
        }
        guard let schema = sampling.jsonSchema else { return }
        writer.key("response_format")
        writer.beginObject()
        writer.member("type", "json_schema")
        writer.key("json_schema")
        writer.beginObject()
        writer.member("name", "answer")
        writer.key("schema")
        writer.raw(schema.utf8)
        writer.endObject()
        writer.endObject()
    }

    private static func write(_ messages: [ChatMessage], to writer: inout JSONWriter) {
        writer.key("messages")
        writer.beginArray()
        for message in messages {
            writer.beginObject()
            writer.member("role", message.role)
            writer.member("content", message.content)
            writer.endObject()
        }
        writer.endArray()
    }

    private static func localError(_ error: any Error) -> LocalModelError {
        if let error = error as? LocalModelError { return error }
        guard let failure = error as? ProviderError else { return .interrupted }
        switch (failure.code, failure.status) {
        case (.unreachable, _): return .unavailable(failure.message)
        case (.status, 429), (.status, 503):
            return .overloaded(retryAfterSeconds: failure.retryAfterSeconds ?? 1)
        case (.status, 400), (.status, 422): return .invalid(failure.message)
        case (.status, 401), (.status, 403), (.status, 404): return .unavailable(failure.message)
        // It answered: nothing was interrupted. Its words may repeat the prompt, and this goes to the log.
        case (.status, let status):
            return .unavailable("the server that holds the model answered with status \(status ?? 0)")
        default: return .interrupted
        }
    }
}
