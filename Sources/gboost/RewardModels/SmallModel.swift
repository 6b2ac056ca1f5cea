internal import ArgumentParser
internal import GatewayCore
internal import Inference
internal import Ledger
internal import Logging

/// An SLM as its files: a model, or an adapter over one. Of commands that need no database.
struct SmallModel: ParsableArguments, Sendable {
    @Option(name: [.customLong("slm"), .customLong("model-file")], help: "GGUF file of the SLM.") var file: String
    @Option(help: "GGUF file of a LoRA adapter over the SLM: both together are the SLM then.") var adapter: String?

    init() {}

    init(file: String, adapter: String? = nil) {
        (self.file, self.adapter) = (file, adapter)
    }

    /// What heads that belong to it name it by; see `BaseFiles.identity`.
    func identity() async throws -> String {
        let model = try await FileDigest.of(file).sha256
        guard let adapter else { return model }
        return BaseFiles.identity(model: model, adapter: try await FileDigest.of(adapter).sha256)
    }

    /// Runs `body` with the model in an engine host of its own. What the model fails is said in words.
    func run<R: Sendable>(_ body: (EngineModel) async throws -> R) async throws -> R {
        do {
            return try await running(body)
        } catch let error as LocalModelError {
            throw error.commandFailure
        }
    }

    private func running<R: Sendable>(_ body: (EngineModel) async throws -> R) async throws -> R {
        let quiet = Logger(label: "gboost") { _ in SwiftLogNoOpLogHandler() }
        let models = try EngineModels(settings: EngineSettings(), logger: quiet)
        do {
            let result = try await body(try await models.model(file: file, adapter: adapter))
            await models.shutdown()
            return result
        } catch {
            await models.shutdown()
            throw error
        }
    }
}

extension LocalModelError {
    /// The same for whoever runs a command.
    var commandFailure: CommandFailure {
        switch self {
        case .unavailable(let why), .unusablePattern(let why), .invalid(let why): CommandFailure(why)
        case .interrupted: CommandFailure("the model's engine stopped while it was answering")
        case .overloaded: CommandFailure("too many requests are waiting for the model")
        case .contextExceeded(let tokens, let limit):
            CommandFailure("a conversation has \(tokens) tokens; the model takes \(limit)")
        case .deadlineExceeded: CommandFailure("the model did not answer in the time that it was given")
        }
    }
}
