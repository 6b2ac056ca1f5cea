internal import CLlama
internal import GatewayCore

/// One LoRA adapter in memory. Used by the engine's thread only.
final class LoraAdapter {
    /// Never used again for another one: what was evaluated with an adapter is only of use with the same.
    let id: Int64
    let path: String
    let bytes: Int64
    let pointer: OpaquePointer
    /// Jobs that need it.
    var users = 0
    var lastUsed: UInt64 = 0

    init(id: Int64, path: String, model: GGUFModel) throws(ModelFailure) {
        let file = try GGUFFile(checking: path, for: .adapter)
        guard let pointer = llama_adapter_lora_init(model.pointer, path) else {
            throw ModelFailure("\(path) cannot be used: it is no LoRA adapter of this model")
        }
        guard llama_adapter_get_alora_n_invocation_tokens(pointer) == 0 else {
            llama_adapter_lora_free(pointer)
            throw ModelFailure("\(path) cannot be used: adapters that begin within a prompt are not supported")
        }
        self.id = id
        self.path = path
        self.pointer = pointer
        bytes = file.tensorBytes
    }

    deinit { llama_adapter_lora_free(pointer) }
}

/// The adapters over one model: loaded when a job needs them, the least recently used ones freed for others.
final class AdapterTable {
    private let context: InferenceContext
    private let limits: (count: Int, bytes: Int64)
    private var adapters: [String: LoraAdapter] = [:]
    private var nextID: Int64 = 0
    private var uses: UInt64 = 0
    private(set) var loads: UInt64 = 0
    private(set) var evictions: UInt64 = 0

    init(context: InferenceContext, count: Int, bytes: Int64) {
        self.context = context
        limits = (count, bytes)
    }

    var count: Int { adapters.count }
    var bytes: Int64 { adapters.values.reduce(0) { $0 + $1.bytes } }

    func adapter(id: Int64) -> LoraAdapter? { adapters.values.first { $0.id == id } }

    /// The adapter for one more job, which must be given back.
    func take(_ path: String) throws(LocalModelError) -> LoraAdapter {
        let adapter: LoraAdapter
        if let known = adapters[path] {
            adapter = known
        } else {
            // One that can never fit takes nobody's place.
            let size = (try? GGUFFile(checking: path, for: .adapter))?.tensorBytes ?? 0
            guard size <= limits.bytes else {
                throw .unavailable("\(path) is larger than all adapters of a model may be together")
            }
            if adapters.count >= limits.count { try evict() }
            nextID += 1
            do throws(ModelFailure) { adapter = try LoraAdapter(id: nextID, path: path, model: context.model) } catch {
                throw .unavailable(error.description)
            }
            loads += 1
            while bytes + adapter.bytes > limits.bytes { try evict() }
            adapters[path] = adapter
        }
        adapter.users += 1
        uses += 1
        adapter.lastUsed = uses
        return adapter
    }

    func giveBack(_ adapter: LoraAdapter) { adapter.users -= 1 }

    private func evict() throws(LocalModelError) {
        let idle = adapters.values.filter { $0.users == 0 }.min { $0.lastUsed < $1.lastUsed }
        guard let idle else { throw .overloaded(retryAfterSeconds: 1) }
        context.forget(idle)
        adapters.removeValue(forKey: idle.path)
        evictions += 1
    }
}
