internal import CLlama
internal import Foundation
internal import Glibc

/// One llama.cpp context: the cells of all sequences, and the batch that is being put together.
///
/// Guards what llama.cpp answers with an abort: more tokens or outputs than reserved, logits of a token that was no
/// output, ids out of range. Used by the engine's thread only.
final class InferenceContext {
    /// llama.cpp's own limit.
    static let maxSequences = 256

    /// A decode that llama.cpp refused.
    struct DecodeFailure: Error { var code: Int32 }

    let model: GGUFModel
    let batchCapacity: Int
    let outputCapacity: Int
    let sequences: Int
    private(set) var totalCells = 0
    private(set) var count = 0
    private(set) var outputs = 0
    /// True where the next decode shall keep hidden states of its outputs.
    var wantsHidden = false
    private var pointer: OpaquePointer?
    private var adapterID: Int64?
    private var batch: llama_batch
    private let tap = HiddenTap()
    /// Batch index of each output, in order: row numbers of the hidden states.
    private var outputIndices: [Int] = []
    private let scratch: UnsafeMutableBufferPointer<llama_token_data>

    init(model: GGUFModel, options: EngineHostOptions) throws(ModelFailure) {
        self.model = model
        // Models without parts hold a state for every sequence, used or not.
        let kept = model.hasParts ? options.keptSequences : min(options.keptSequences, options.sequences)
        sequences = min(Self.maxSequences, options.sequences + kept)
        batchCapacity = options.batchTokens
        outputCapacity = options.sequences + options.extraOutputs
        batch = llama_batch_init(Int32(options.batchTokens), 0, 1)
        scratch = .allocate(capacity: model.vocabularySize)
        var parameters = llama_context_default_params()
        parameters.n_ctx = UInt32(options.contextTokens)
        parameters.n_seq_max = UInt32(sequences)
        parameters.n_batch = UInt32(options.batchTokens)
        parameters.n_ubatch = UInt32(min(512, options.batchTokens))
        // The default reserves logits for a whole micro-batch.
        parameters.n_outputs_max = UInt32(outputCapacity)
        parameters.n_threads = Int32(options.threads)
        parameters.n_threads_batch = Int32(options.threads)
        parameters.kv_unified = true
        parameters.pooling_type = LLAMA_POOLING_TYPE_NONE
        parameters.no_perf = true
        parameters.cb_eval_user_data = Unmanaged.passUnretained(tap).toOpaque()
        parameters.cb_eval = { tensor, isAsking, raw in
            guard let tensor, let raw else { return true }
            return Unmanaged<HiddenTap>.fromOpaque(raw).takeUnretainedValue().see(tensor, isAsking: isAsking)
        }
        pointer = llama_init_from_model(model.pointer, parameters)
        guard let pointer else {
            throw ModelFailure("no memory for \(options.contextTokens) tokens of context, or the model is unsupported")
        }
        totalCells = Int(llama_n_ctx(pointer))
    }

    deinit {
        if let pointer { llama_free(pointer) }
        llama_batch_free(batch)
        scratch.deallocate()
    }

    /// Evaluates one token and checks that numbers come out of it and that hidden states can be tapped.
    func prove() throws(ModelFailure) {
        begin()
        let bos = llama_vocab_bos(model.vocabulary)
        add(model.isToken(bos) ? bos : 0, position: 0, sequence: 0, isOutput: true)
        wantsHidden = true
        do { try decode() } catch { throw ModelFailure("the model cannot be evaluated (\(error))") }
        guard !scan(at: 0).isBad, let hidden = hidden(at: 0), hidden.allSatisfy(\.isFinite) else {
            throw ModelFailure("the model evaluates to no numbers, or its hidden states cannot be read")
        }
        remove(sequence: 0, from: 0)
    }

    func begin() {
        count = 0
        outputs = 0
        wantsHidden = false
        outputIndices.removeAll(keepingCapacity: true)
    }

    var room: Int { batchCapacity - count }
    var outputRoom: Int { outputCapacity - outputs }

    /// Appends a token to the batch; returns its index there.
    @discardableResult
    func add(_ token: Int32, position: Int, sequence: Int, isOutput: Bool) -> Int {
        precondition(count < batchCapacity && sequence < sequences && model.isToken(token), "batch misuse")
        precondition(!isOutput || outputs < outputCapacity, "more outputs than reserved")
        batch.token[count] = token
        batch.pos[count] = Int32(position)
        batch.n_seq_id[count] = 1
        batch.seq_id[count]?[0] = Int32(sequence)
        batch.logits[count] = isOutput ? 1 : 0
        if isOutput {
            outputIndices.append(count)
            outputs += 1
        }
        count += 1
        return count - 1
    }

    func decode() throws {
        batch.n_tokens = Int32(count)
        tap.begin(isWanted: wantsHidden)
        let code = llama_decode(pointer, batch)
        tap.end()
        guard code == 0 else { throw DecodeFailure(code: code) }
    }

    /// Logits of an output, valid until the next decode.
    func logits(at index: Int) -> UnsafePointer<Float>? {
        guard outputIndices.contains(index) else { return nil }
        return UnsafePointer(llama_get_logits_ith(pointer, Int32(index)))
    }

    func scan(at index: Int) -> LogitsScan {
        logits(at: index).map { LogitsScan($0, count: model.vocabularySize) } ?? .bad
    }

    /// Chooses a token; nil where there is nothing to choose.
    func sample(_ logits: UnsafePointer<Float>, best: Int32, with sampler: TokenSampler) -> Int32? {
        let token = sampler.choose(logits, best: best, scratch: scratch)
        return token.flatMap { model.isToken($0) ? $0 : nil }
    }

    /// Hidden state of an output of the last decode, if that decode kept them.
    func hidden(at index: Int) -> [Float]? {
        guard let row = outputIndices.firstIndex(of: index) else { return nil }
        let width = model.embeddingLength
        guard tap.rows.count == outputs * width else { return nil }
        return Array(tap.rows[(row * width)..<((row + 1) * width)])
    }

    /// Lays an adapter over the model for the decodes to come, or none. Costs nothing where it is there already.
    func use(_ adapter: LoraAdapter?) throws {
        guard adapter?.id != adapterID else { return }
        var pointers = adapter.map { [Optional($0.pointer)] } ?? []
        var scales = [Float](repeating: 1, count: pointers.count)
        let code = llama_set_adapters_lora(pointer, &pointers, pointers.count, &scales)
        guard code == 0 else { throw DecodeFailure(code: code) }
        adapterID = adapter?.id
    }

    /// Takes an adapter away that is about to be freed: another may come to lie where it was.
    func forget(_ adapter: LoraAdapter) {
        guard adapterID == adapter.id else { return }
        try? use(nil)
    }

    /// Drops a sequence's cells from a position on. False: the model cannot forget a part (recurrent models).
    @discardableResult
    func remove(sequence: Int, from position: Int) -> Bool {
        llama_memory_seq_rm(llama_get_memory(pointer), Int32(sequence), Int32(position), -1)
    }

    /// Shares the first `length` cells of a sequence with another one, which must be empty.
    func share(from source: Int, to target: Int, length: Int) {
        llama_memory_seq_cp(llama_get_memory(pointer), Int32(source), Int32(target), 0, Int32(length))
    }
}

/// Copies the rows of the tensor behind the final norm: hidden states of the outputs, without computing any more.
private final class HiddenTap {
    private(set) var rows: [Float] = []
    private var isWanted = false

    func begin(isWanted: Bool) {
        self.isWanted = isWanted
        rows.removeAll(keepingCapacity: true)
    }

    func end() { isWanted = false }

    func see(_ tensor: UnsafeMutablePointer<ggml_tensor>, isAsking: Bool) -> Bool {
        guard isWanted, strcmp(ggml_get_name(tensor), "result_norm") == 0 else { return !isAsking }
        if isAsking { return true }
        guard tensor.pointee.type == GGML_TYPE_F32 else { return true }
        let count = Int(ggml_nelements(tensor))
        let start = rows.count
        rows.append(contentsOf: repeatElement(0, count: count))
        rows.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            ggml_backend_tensor_get(tensor, base + start, 0, count * MemoryLayout<Float>.size)
        }
        return true
    }
}

/// What one pass over a row of logits finds.
struct LogitsScan {
    var best: Int32
    var logSumExp: Float
    /// NaN, infinite or nothing at all: the model is broken, no token may be chosen.
    var isBad: Bool

    static let bad = LogitsScan(best: -1, logSumExp: 0, isBad: true)
}

extension LogitsScan {
    init(_ logits: UnsafePointer<Float>, count: Int) {
        let scan = gboost_logits_scan(logits, Int32(count))
        self.init(best: scan.best, logSumExp: scan.log_sum_exp, isBad: scan.is_bad != 0)
    }
}
