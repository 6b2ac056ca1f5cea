internal import Foundation
internal import GatewayCore

extension Engine {
    /// Turns a request into tokens and limits; what is wrong with it comes out here.
    func prepare(_ job: EngineJob) throws(LocalModelError) -> EngineWork {
        switch job.operation {
        case .draft(let request, let raw): return try prepare(job, request, raw: raw)
        case .score(let request): return try prepare(job, request)
        case .hiddenStates(let request): return try prepare(job, request)
        case .info, .ping, .end, .cancel: throw .invalid("not for the engine")
        }
    }

    private func prepare(
        _ job: EngineJob, _ request: DraftRequest, raw: String?
    ) throws(LocalModelError) -> EngineWork {
        guard request.maxTokens > 0 else { throw .invalid("a draft needs room for one token") }
        let prompt: [Int32]
        if let raw {
            prompt = model.tokenize(raw, addSpecial: true, parseSpecial: true)
        } else {
            prompt = try template.tokens(request.messages, tools: request.tools)
        }
        var answer: [Int32] = []
        for segment in request.answer { answer += try self.tokens(of: segment) }
        let tokens = prompt + answer
        try check(tokens)
        let limit = min(request.maxTokens, options.maxDraftTokens)
        let splitter = try StepSplitter(
            boundary: request.boundary, stops: request.stop, maxTokens: limit,
            answerBytes: request.stop.isEmpty
                ? [] : answer.suffix(StepSplitter.maxStopBytes).flatMap { model.piece($0) })
        let sampler = try sampler(request.sampling)
        return EngineWork(
            job: job, kind: .draft(Drafting(sampler: sampler, wantsHidden: request.wantsHidden, splitter: splitter)),
            session: request.session, tokens: tokens,
            reservation: min(maxSequence, tokens.count + limit + StepSplitter.maxExtraTokens))
    }

    private func prepare(_ job: EngineJob, _ request: ScoreRequest) throws(LocalModelError) -> EngineWork {
        let tokens =
            switch request.prompt {
            case .messages(let messages): try template.tokens(messages)
            case .parts(let parts): template.tokens(parts: parts)
            }
        try check(tokens)
        let good = model.tokenize(request.good, addSpecial: false, parseSpecial: false).first
        let bad = model.tokenize(request.bad, addSpecial: false, parseSpecial: false).first
        guard let good, let bad, good != bad else {
            throw .invalid("the good and the bad answer must begin with different tokens")
        }
        return EngineWork(
            job: job, kind: .score(good: good, bad: bad), session: request.session, tokens: tokens,
            reservation: tokens.count)
    }

    private func prepare(_ job: EngineJob, _ request: HiddenStatesRequest) throws(LocalModelError) -> EngineWork {
        var tokens = try template.tokens(request.messages)
        var positions: [Int] = []
        for step in request.steps {
            let more = try self.tokens(of: step)
            guard !more.isEmpty else { throw .invalid("a step without text has no last token") }
            tokens += more
            positions.append(tokens.count - 1)
        }
        guard !positions.isEmpty else { throw .invalid("no steps") }
        try check(tokens)
        guard positions.count * model.embeddingLength * 4 < HostFrame.maxBytes / 2 else {
            throw .invalid("too many steps in one request")
        }
        return EngineWork(
            job: job, kind: .probe(positions: positions), session: request.session, tokens: tokens,
            reservation: tokens.count)
    }

    private func tokens(of segment: AnswerSegment) throws(LocalModelError) -> [Int32] {
        switch segment {
        case .text(let text): return model.tokenize(text, addSpecial: false, parseSpecial: false)
        case .tokens(let tokens):
            guard tokens.allSatisfy({ model.isToken($0) }) else { throw .invalid("a token is not the model's") }
            return tokens
        }
    }

    private func check(_ tokens: [Int32]) throws(LocalModelError) {
        guard !tokens.isEmpty else { throw .invalid("the prompt is empty") }
        guard tokens.count < maxSequence else { throw .contextExceeded(tokens: tokens.count, limit: maxSequence) }
    }

    private func sampler(_ sampling: Sampling) throws(LocalModelError) -> TokenSampler? {
        guard sampling.temperature.isFinite, (0...5).contains(sampling.temperature) else {
            throw .invalid("temperature must be between 0 and 5")
        }
        guard sampling.topP > 0, sampling.topP <= 1 else { throw .invalid("top_p must be above 0 and at most 1") }
        if sampling.temperature == 0 { return nil }
        let parameters = SamplingParameters(
            temperature: Float(sampling.temperature), topP: Float(sampling.topP),
            topK: Int32(clamping: max(0, sampling.topK)), seed: sampling.seed)
        guard let sampler = TokenSampler(parameters) else { throw .unavailable("no memory for a sampler") }
        return sampler
    }
}
