internal import Foundation

/// Settings of one engine host process, as arguments of `gboost engine-host`.
package struct EngineHostOptions: Hashable, Sendable {
    /// Path of the GGUF file.
    package var model: String
    /// Path of the Unix socket to listen on.
    package var socket: String
    /// Threads of llama.cpp. One core is left to the gateway and to PostgreSQL: with a busy neighbour, two threads
    /// on two cores are several times slower than one.
    package var threads = max(1, ProcessInfo.processInfo.activeProcessorCount - 1)
    /// Cells of context for all sequences together.
    package var contextTokens = 8192
    /// Sequences that are worked on at the same time.
    package var sequences = 16
    /// Sequences beyond these, which keep what tenants may come back to. Both together at most 256.
    package var keptSequences = 48
    /// Tokens evaluated by one decode: cancellation and the watchdog's progress wait for no longer than that.
    package var batchTokens = 512
    /// Prompt tokens in one decode while other sequences generate: what the next token of these waits for.
    package var promptChunk = 64
    /// Outputs in one decode beyond one a sequence (hidden states at the ends of given steps).
    package var extraOutputs = 48
    /// Requests of one tenant that may wait for a sequence.
    package var maxQueued = 64
    /// Requests of all tenants together that may wait for a sequence.
    package var maxQueuedTotal = 1024
    /// Most tokens drafted for one request.
    package var maxDraftTokens = 4096
    package var niceness: Int32 = 5
    /// Most bytes of memory that the host may have of its own, the mapped model not counted; 0: no limit.
    package var memoryLimit = 0
    /// Files and directories that the host may read beside its model.
    package var readable: [String] = []
    /// Adapters over the model that are in memory, and what they may take.
    package var adapters = 64
    package var adapterMebibytes = 1024

    package init(model: String, socket: String) {
        self.model = model
        self.socket = socket
    }

    /// Reads the arguments that `arguments` writes.
    package init(arguments: [String]) throws {
        var values: [String: String] = [:]
        var readable: [String] = []
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else {
                throw ModelFailure("engine-host: \(name) is not an option with a value")
            }
            if name == "--read" { readable.append(value) } else { values[String(name.dropFirst(2))] = value }
        }
        guard let model = values.removeValue(forKey: "model"), let socket = values.removeValue(forKey: "socket") else {
            throw ModelFailure("engine-host needs --model FILE and --socket PATH")
        }
        self.init(model: model, socket: socket)
        self.readable = readable
        for (name, key) in Self.numbers {
            guard let text = values.removeValue(forKey: name) else { continue }
            guard let value = Int(text), value > 0 else { throw ModelFailure("engine-host: --\(name) needs a number") }
            self[keyPath: key] = value
        }
        if let name = values.keys.sorted().first { throw ModelFailure("engine-host: unknown option --\(name)") }
    }

    /// Arguments behind `engine-host`.
    package var arguments: [String] {
        ["--model", model, "--socket", socket] + readable.flatMap { ["--read", $0] }
            + Self.numbers.filter { self[keyPath: $0.key] > 0 }.flatMap {
                ["--\($0.name)", String(self[keyPath: $0.key])]
            }
    }

    nonisolated(unsafe) private static let numbers: [(name: String, key: WritableKeyPath<Self, Int>)] = [
        ("threads", \.threads), ("context", \.contextTokens), ("sequences", \.sequences),
        ("batch", \.batchTokens), ("prompt-chunk", \.promptChunk), ("queue", \.maxQueued),
        ("queue-total", \.maxQueuedTotal), ("kept-sequences", \.keptSequences), ("draft-tokens", \.maxDraftTokens),
        ("memory-limit", \.memoryLimit),
        ("adapters", \.adapters), ("adapter-mebibytes", \.adapterMebibytes),
    ]
}
