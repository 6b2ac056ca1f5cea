internal import CLlama
internal import GatewayCore

/// Chooses the tokens of one draft: bias, penalties, grammar, and a chain of llama.cpp's samplers.
///
/// Penalties and grammar depend on the answer so far, so this holds state; it is made anew for every draft from the
/// answer that the request carries.
final class TokenSampler {
    /// nil: the largest logit, which the scan of the logits finds anyway.
    private let chain: UnsafeMutablePointer<llama_sampler>?
    private let grammar: UnsafeMutablePointer<llama_sampler>?

    /// - Parameter answer: tokens of the answer so far.
    /// - Throws: what is wrong with the sampling, by the field's name.
    init(_ sampling: Sampling, answer: [Int32], model: GGUFModel) throws(LocalModelError) {
        try Self.check(sampling, model)
        var grammar: UnsafeMutablePointer<llama_sampler>?
        if let text = try Self.grammar(sampling) {
            let name = sampling.jsonSchema == nil ? "grammar" : "\(SchemaBounds.field): the schema's grammar"
            if let problem = GrammarText.problem(text) { throw .invalid("\(name) \(problem)") }
            grammar = llama_sampler_init_grammar(model.vocabulary, text, "root")
            if grammar == nil { throw .invalid("\(name) is no GBNF with a rule \"root\"") }
        }
        let isPlain = sampling.temperature == 0 && sampling.logitBias.isEmpty && !Self.hasPenalties(sampling)
        chain = isPlain ? nil : Self.chain(sampling, model)
        self.grammar = grammar
        for token in answer {
            guard Self.allows(grammar, token) else { throw .invalid("grammar does not allow the answer so far") }
            accept(token)
        }
    }

    deinit {
        if let chain { llama_sampler_free(chain) }
        if let grammar { llama_sampler_free(grammar) }
    }

    /// The next token; nil where nothing can be chosen.
    ///
    /// With a grammar the choice is free at first, and only what the grammar refuses is chosen again among what it
    /// allows: the probabilities are the same, and asking it about the whole vocabulary costs milliseconds.
    func choose(
        _ logits: UnsafePointer<Float>, best: Int32, scratch: UnsafeMutableBufferPointer<llama_token_data>
    ) -> Int32? {
        guard let grammar else {
            guard let chain else { return best }
            let token = gboost_logits_sample(logits, Int32(scratch.count), chain, scratch.baseAddress)
            return token < 0 ? nil : token
        }
        var token = chain == nil ? best : pick(logits, scratch, among: nil)
        if !(token.map { Self.allows(grammar, $0) } ?? false) { token = pick(logits, scratch, among: grammar) }
        guard let token, Self.allows(grammar, token) else { return nil }
        accept(token)
        return token
    }

    private func accept(_ token: Int32) {
        // An end of the answer ends the draft: nothing is chosen after it.
        if let grammar { llama_sampler_accept(grammar, token) }
        if let chain { llama_sampler_accept(chain, token) }
    }

    /// Runs the chain without telling it what came out.
    private func pick(
        _ logits: UnsafePointer<Float>, _ scratch: UnsafeMutableBufferPointer<llama_token_data>,
        among grammar: UnsafeMutablePointer<llama_sampler>?
    ) -> Int32? {
        for index in scratch.indices {
            scratch[index] = llama_token_data(id: Int32(index), logit: logits[index], p: 0)
        }
        var candidates = llama_token_data_array(
            data: scratch.baseAddress, size: scratch.count, selected: -1, sorted: false)
        if let grammar { llama_sampler_apply(grammar, &candidates) }
        if let chain {
            llama_sampler_apply(chain, &candidates)
            guard candidates.selected >= 0, candidates.selected < Int64(candidates.size) else { return nil }
            return candidates.data[Int(candidates.selected)].id
        }
        let best = scratch.max { $0.logit < $1.logit }
        return best.flatMap { $0.logit > -.infinity ? $0.id : nil }
    }

    /// llama.cpp ends the process where a grammar is told a token that it does not allow.
    private static func allows(_ grammar: UnsafeMutablePointer<llama_sampler>?, _ token: Int32) -> Bool {
        guard let grammar else { return true }
        var one = llama_token_data(id: token, logit: 1, p: 0)
        return withUnsafeMutablePointer(to: &one) { pointer in
            var candidates = llama_token_data_array(data: pointer, size: 1, selected: -1, sorted: false)
            llama_sampler_apply(grammar, &candidates)
            return pointer.pointee.logit > -.infinity
        }
    }

    private static func grammar(_ sampling: Sampling) throws(LocalModelError) -> String? {
        guard let schema = sampling.jsonSchema else { return sampling.grammar }
        guard sampling.grammar == nil else { throw .invalid("response_format and grammar exclude each other") }
        try SchemaBounds.check(schema)
        return try JSONSchemaGrammar.gbnf(schema)
    }

    private static func hasPenalties(_ sampling: Sampling) -> Bool {
        sampling.penaltyWindow > 0
            && (sampling.repeatPenalty != 1 || sampling.frequencyPenalty != 0 || sampling.presencePenalty != 0)
    }

    private static func chain(_ sampling: Sampling, _ model: GGUFModel) -> UnsafeMutablePointer<llama_sampler>? {
        guard let chain = llama_sampler_chain_init(llama_sampler_chain_default_params()) else { return nil }
        if !sampling.logitBias.isEmpty {
            let biases = sampling.logitBias.sorted { $0.key < $1.key }
                .map { llama_logit_bias(token: $0.key, bias: Float($0.value)) }
            llama_sampler_chain_add(
                chain, llama_sampler_init_logit_bias(Int32(model.vocabularySize), Int32(biases.count), biases))
        }
        if hasPenalties(sampling) {
            llama_sampler_chain_add(
                chain,
                llama_sampler_init_penalties(
                    Int32(model.vocabularySize), Int32(sampling.penaltyWindow), Float(sampling.repeatPenalty),
                    Float(sampling.frequencyPenalty), Float(sampling.presencePenalty)))
        }
        if sampling.temperature == 0 {
            llama_sampler_chain_add(chain, llama_sampler_init_greedy())
            return chain
        }
        // top-k first: sorting the whole vocabulary for top-p costs 5 ms a token.
        llama_sampler_chain_add(chain, llama_sampler_init_top_k(Int32(clamping: sampling.topK)))
        if sampling.topP < 1 { llama_sampler_chain_add(chain, llama_sampler_init_top_p(Float(sampling.topP), 1)) }
        if sampling.minP > 0 { llama_sampler_chain_add(chain, llama_sampler_init_min_p(Float(sampling.minP), 1)) }
        llama_sampler_chain_add(chain, llama_sampler_init_temp(Float(sampling.temperature)))
        llama_sampler_chain_add(chain, llama_sampler_init_dist(sampling.seed))
        return chain
    }

    private static let maxBiases = 1024

    private static func check(_ sampling: Sampling, _ model: GGUFModel) throws(LocalModelError) {
        func require(_ condition: Bool, _ text: String) throws(LocalModelError) {
            if !condition { throw .invalid(text) }
        }
        try require((0...5).contains(sampling.temperature), "temperature must be between 0 and 5")
        try require(sampling.topP > 0 && sampling.topP <= 1, "top_p must be above 0 and at most 1")
        try require(sampling.topK >= 0, "top_k must not be negative")
        try require((0...1).contains(sampling.minP), "min_p must be between 0 and 1")
        try require(
            sampling.repeatPenalty > 0 && sampling.repeatPenalty <= 10,
            "repeat_penalty must be above 0 and at most 10")
        try require(
            (-2...2).contains(sampling.frequencyPenalty), "frequency_penalty must be between -2 and 2")
        try require((-2...2).contains(sampling.presencePenalty), "presence_penalty must be between -2 and 2")
        try require((0...8192).contains(sampling.penaltyWindow), "penalty_window must be between 0 and 8192")
        try require(
            sampling.logitBias.count <= maxBiases, "logit_bias may name at most \(maxBiases) tokens")
        for (token, bias) in sampling.logitBias {
            try require(model.isToken(token), "logit_bias names \(token), which is no token of the model")
            try require((-100...100).contains(bias), "logit_bias must be between -100 and 100")
        }
    }
}
