internal import Inference

extension GatewayConfiguration {
    /// Why a model can never be in memory, by its file's header; nil where it can.
    func oversize(_ header: GGUFFile) -> String? {
        let bytes = header.hostBytes(contextTokens: inference.contextTokens)
        guard bytes > inference.memoryBytes else { return nil }
        return "takes \(bytes >> 20) MiB in memory, and inference.memory_bytes allows \(inference.memoryBytes >> 20): "
            + "it is never loaded"
    }

    /// What to do about it.
    static let oversizeRemedy = "raise inference.memory_bytes, lower inference.context_tokens, or use a smaller model"
}
