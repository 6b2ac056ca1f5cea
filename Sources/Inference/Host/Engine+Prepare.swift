internal import Foundation
internal import GatewayCore

extension Engine {
    /// Turns a request into tokens and limits; what is wrong with it comes out here.
    func prepare(_ job: EngineJob, id: EngineScheduler.JobID) throws(LocalModelError) -> EngineWork {
        for text in job.operation.texts { try check(text) }
        let (session, lanes) =
            switch job.operation {
            case .draft(let request, let draft): (request.session, try lanes(request, draft))
            case .score(let request): (request.session, try lanes(request))
            case .hiddenStates(let request): (request.session, try lanes(request))
            case .read(let request): (request.session, [try readingLane(request)])
            case .info, .ping, .end, .cancel: throw LocalModelError.invalid("not for the engine")
            }
        return EngineWork(id: id, job: job, session: session, lanes: lanes)
    }

    private func lanes(_ request: DraftRequest, _ draft: DraftOptions) throws(LocalModelError) -> [EngineLane] {
        guard request.maxTokens > 0 else { throw .invalid("a draft needs room for one token") }
        guard (1...options.sequences).contains(draft.candidates) else {
            throw .invalid("candidates must be between 1 and \(options.sequences)")
        }
        guard draft.candidates == 1 || !draft.isStreamed && draft.dictated == nil else {
            throw .invalid("one candidate can be streamed, or dictated")
        }
        let prompt: [Int32]
        if let raw = draft.raw {
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
        if let dictated = draft.dictated {
            let drafting = Drafting(
                sampler: try TokenSampler(request.sampling, answer: [], model: model),
                wantsHidden: request.wantsHidden, isStreamed: false, splitter: splitter)
            return [try dictatedLane(drafting, prompt: tokens, dictated, limit: limit)]
        }
        var lanes: [EngineLane] = []
        for index in 0..<draft.candidates {
            var sampling = request.sampling
            // Candidates differ by their seeds alone; the first is what the draft would be by itself.
            sampling.seed &+= UInt32(index) &* 0x9E37_79B9
            let drafting = Drafting(
                sampler: try TokenSampler(sampling, answer: answer, model: model), wantsHidden: request.wantsHidden,
                isStreamed: draft.isStreamed, splitter: splitter)
            lanes.append(
                EngineLane(
                    kind: .draft(drafting), tokens: tokens,
                    reservation: min(maxSequence, tokens.count + limit + StepSplitter.maxExtraTokens)))
        }
        return lanes
    }

    private func lanes(_ request: ScoreRequest) throws(LocalModelError) -> [EngineLane] {
        let good = model.tokenize(request.good, addSpecial: false, parseSpecial: false).first
        let bad = model.tokenize(request.bad, addSpecial: false, parseSpecial: false).first
        guard let good, let bad, good != bad else {
            throw .invalid("the good and the bad answer must begin with different tokens")
        }
        guard (1...options.sequences).contains(request.prompts.count) else {
            throw .invalid("prompts to score must be 1 to \(options.sequences)")
        }
        var lanes: [EngineLane] = []
        for prompt in request.prompts {
            let tokens =
                switch prompt {
                case .messages(let messages): try template.tokens(messages)
                case .parts(let parts): template.tokens(parts: parts)
                }
            try check(tokens)
            lanes.append(EngineLane(kind: .score(good: good, bad: bad), tokens: tokens, reservation: tokens.count))
        }
        return lanes
    }

    private func lanes(_ request: HiddenStatesRequest) throws(LocalModelError) -> [EngineLane] {
        let frame = request.frame ?? HeadFrame()
        guard (frame.before + frame.marker + frame.between).allSatisfy({ model.isToken($0) }) else {
            throw .invalid("a token of the frame is not the model's")
        }
        var prefix = try opening(request, frame)
        for segment in request.answer { prefix += try self.tokens(of: segment) + frame.marker + frame.between }
        guard !request.steps.isEmpty else { throw .invalid("no steps") }
        guard request.steps.count * model.embeddingLength * 4 < HostFrame.maxBytes / 2 else {
            throw .invalid("too many steps in one request")
        }
        guard !request.areCandidates || request.steps.count <= options.sequences else {
            throw .invalid("candidates must be 1 to \(options.sequences)")
        }
        var lanes: [EngineLane] = []
        var tokens = prefix
        var positions: [Int] = []
        for step in request.steps {
            let more = try self.tokens(of: step)
            guard !more.isEmpty else { throw .invalid("a step without text has no last token") }
            tokens += more + frame.marker
            positions.append(tokens.count - 1)
            guard request.areCandidates else {
                tokens += frame.between
                continue
            }
            try check(tokens)
            lanes.append(EngineLane(kind: .probe(positions: positions), tokens: tokens, reservation: tokens.count))
            tokens = prefix
            positions = []
        }
        if request.areCandidates { return lanes }
        // What would lead to another step is read by nobody.
        tokens.removeLast(tokens.count - 1 - (positions.last ?? tokens.count - 1))
        try check(tokens)
        return [EngineLane(kind: .probe(positions: positions), tokens: tokens, reservation: tokens.count)]
    }

    /// What stands before the first step.
    private func opening(_ request: HiddenStatesRequest, _ frame: HeadFrame) throws(LocalModelError) -> [Int32] {
        guard !frame.before.isEmpty else { return try template.tokens(request.messages) }
        let question = request.messages.filter { $0.role != "system" }.map(\.content).joined(separator: "\n\n")
        return frame.before
            + model.tokenize(question + frame.behindQuestion, addSpecial: false, parseSpecial: false)
    }

    func tokens(of segment: AnswerSegment) throws(LocalModelError) -> [Int32] {
        switch segment {
        case .text(let text): return model.tokenize(text, addSpecial: false, parseSpecial: false)
        case .tokens(let tokens):
            guard tokens.allSatisfy({ model.isToken($0) }) else { throw .invalid("a token is not the model's") }
            return tokens
        }
    }

    /// Refuses before it is read what cannot fit, whatever its tokens are: reading it takes time and memory.
    private func check(_ text: String) throws(LocalModelError) {
        let (bytes, longest) = (text.utf8.count, model.longestPiece)
        guard bytes > maxSequence * longest else { return }
        throw .contextExceeded(tokens: max(maxSequence + 1, bytes / longest), limit: maxSequence)
    }

    func check(_ tokens: [Int32]) throws(LocalModelError) {
        guard !tokens.isEmpty else { throw .invalid("the prompt is empty") }
        guard tokens.count < maxSequence else { throw .contextExceeded(tokens: tokens.count, limit: maxSequence) }
    }
}

extension HostRequest.Operation {
    /// Text that becomes tokens, piece by piece; what templates tend to leave out is not among it.
    fileprivate var texts: [String] {
        switch self {
        case .draft(let request, let draft):
            (draft.raw.map { [$0] } ?? request.messages.map(\.content)) + request.answer.compactMap(\.written)
        case .score(let request):
            request.prompts.flatMap { prompt -> [String] in
                switch prompt {
                case .messages(let messages): messages.map(\.content)
                case .parts(let parts): parts.map(\.text)
                }
            }
        case .hiddenStates(let request), .read(let request):
            request.messages.map(\.content) + (request.answer + request.steps).compactMap(\.written)
        case .info, .ping, .end, .cancel: []
        }
    }
}

extension AnswerSegment {
    fileprivate var written: String? { if case .text(let text) = self { text } else { nil } }
}
