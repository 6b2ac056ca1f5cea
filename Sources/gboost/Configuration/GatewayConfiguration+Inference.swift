internal import Foundation
package import Inference

extension GatewayConfiguration {
    /// What the engine hosts may use.
    package struct Inference: Hashable, Sendable {
        /// Most that all engine hosts together may hold of models and caches.
        package var memoryBytes: Int64
        package var threads: Int
        package var contextTokens: Int
        /// Answers that one engine host works on at once.
        package var maxSequences: Int
        /// Sequences beyond these, which keep what tenants may come back to.
        package var keptSequences: Int
        /// Tokens of one decode, and prompt tokens of it while anything generates.
        package var batchTokens: Int
        package var promptChunk: Int
        /// Requests of one tenant that may wait in a host, and callers that may wait for models to be in memory.
        package var maxQueued: Int
        package var maxWaiting: Int
        /// Most bytes of memory of a host's own, mapped model files not counted; 0: no limit.
        package var hostMemoryBytes: Int
        /// Adapters over one model in memory, and what they may take.
        package var maxAdapters: Int
        package var adapterBytes: Int
        /// The longest that one draft or reading may take in a host, its wait included; 0: no limit.
        package var deadlineSeconds: Double
        /// How long a caller waits for a model to be in memory, and a model for others to fall idle.
        package var loadSeconds: Double
        package var evictionSeconds: Double
        /// A host that does not answer, or makes no progress, for so long is ended.
        package var silenceSeconds: Double
        package var stallSeconds: Double
        /// Shares of tenants in a host, by name; 1 for those that are not named.
        package var weights: [String: Int]
        /// Program that engine hosts run; nil: this one.
        package var executable: String?
    }

    static func inference(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Inference {
        let information = ProcessInfo.processInfo
        // Three quarters: PostgreSQL, the gateway and the page cache want the rest.
        let memory = Int64(clamping: information.physicalMemory / 4 * 3)
        // One core stays free: with a busy neighbour a thread for every core is slower than one fewer.
        let threads = max(1, information.activeProcessorCount - 1)
        enum Hosts: String, CaseIterable { case perModel = "per-model" }
        _ = try layers.choice("inference.hosts", default: Hosts.perModel)
        return Inference(
            memoryBytes: try layers.integer("inference.memory_bytes", in: 1_048_576...Int64.max, default: memory),
            threads: try layers.integer("inference.threads", in: 1...1024, default: threads),
            contextTokens: try layers.integer("inference.context_tokens", in: 128...1_048_576, default: 4096),
            maxSequences: try layers.integer("inference.max_sequences", in: 1...256, default: 8),
            // llama.cpp has room for 256 of both; a host takes fewer of these then.
            keptSequences: try layers.integer("inference.kept_sequences", in: 1...255, default: 48),
            batchTokens: try layers.integer("inference.batch_tokens", in: 32...8192, default: 512),
            promptChunk: try layers.integer("inference.prompt_chunk", in: 1...8192, default: 64),
            maxQueued: try layers.integer("inference.max_queued", in: 1...1024, default: 64),
            maxWaiting: try layers.integer("inference.max_waiting", in: 1...65_536, default: 256),
            hostMemoryBytes: try layers.integer("inference.host_memory_bytes", in: 0...Int.max, default: 0),
            maxAdapters: try layers.integer("inference.max_adapters", in: 1...4096, default: 64),
            adapterBytes: try layers.integer("inference.adapter_bytes", in: 1_048_576...Int.max, default: 1 << 30),
            deadlineSeconds: try layers.seconds("inference.deadline_seconds", in: 0...86_400, default: 0),
            loadSeconds: try layers.seconds("inference.load_seconds", in: 1...3600, default: 30),
            evictionSeconds: try layers.seconds("inference.eviction_seconds", in: 0...600, default: 2),
            silenceSeconds: try layers.seconds("inference.silence_seconds", in: 1...600, default: 5),
            stallSeconds: try layers.seconds("inference.stall_seconds", in: 1...3600, default: 30),
            weights: try weights(&layers),
            executable: try layers.text("inference.executable"))
    }

    /// `acme=3, globex=2`.
    private static func weights(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> [String: Int] {
        let key = "inference.weights"
        guard let text = try layers.text(key) else { return [:] }
        var weights: [String: Int] = [:]
        for part in text.split(separator: ",") {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false)
            let name = pair[0].trimmingCharacters(in: .whitespaces)
            guard pair.count == 2, !name.isEmpty, weights[name] == nil,
                let weight = Int(pair[1].trimmingCharacters(in: .whitespaces)), (1...1000).contains(weight)
            else {
                throw layers.failure(
                    key, "'\(part.prefix(60))' is not a tenant and its weight, each named once: acme=3, globex=2")
            }
            weights[name] = weight
        }
        return weights
    }

    /// As the engine takes them.
    package var engineSettings: EngineSettings {
        var settings = EngineSettings()
        if let executable = inference.executable { settings.executable = executable }
        settings.threads = inference.threads
        settings.contextTokens = inference.contextTokens
        settings.sequences = inference.maxSequences
        settings.keptSequences = inference.keptSequences
        settings.batchTokens = inference.batchTokens
        settings.promptChunk = min(inference.promptChunk, inference.batchTokens)
        settings.maxQueued = inference.maxQueued
        settings.maxWaiting = inference.maxWaiting
        settings.hostMemoryLimit = inference.hostMemoryBytes
        settings.adapters = inference.maxAdapters
        settings.adapterMebibytes = inference.adapterBytes >> 20
        settings.memoryBytes = inference.memoryBytes
        settings.deadline = inference.deadlineSeconds > 0 ? .seconds(inference.deadlineSeconds) : nil
        settings.readinessLimit = .seconds(inference.loadSeconds)
        settings.evictionPatience = .seconds(inference.evictionSeconds)
        settings.silenceLimit = .seconds(inference.silenceSeconds)
        settings.stallLimit = .seconds(inference.stallSeconds)
        return settings
    }
}
