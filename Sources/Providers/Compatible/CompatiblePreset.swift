package import GatewayCore

/// What is known of APIs that speak OpenAI's formats, each with its own ways. Base URLs as their makers document them.
package enum CompatiblePreset: String, Hashable, Sendable, CaseIterable {
    case openai, mistral, groq, deepseek, openrouter, together, fireworks, xai, gemini, vllm, ollama
    case llamaServer = "llama-server"

    /// Up to and with the version.
    package var baseURL: String {
        switch self {
        case .openai: "https://api.openai.com/v1"
        case .mistral: "https://api.mistral.ai/v1"
        case .groq: "https://api.groq.com/openai/v1"
        case .deepseek: "https://api.deepseek.com/v1"
        case .openrouter: "https://openrouter.ai/api/v1"
        case .together: "https://api.together.xyz/v1"
        case .fireworks: "https://api.fireworks.ai/inference/v1"
        case .xai: "https://api.x.ai/v1"
        case .gemini: "https://generativelanguage.googleapis.com/v1beta/openai"
        case .vllm: "http://127.0.0.1:8000/v1"
        case .ollama: "http://127.0.0.1:11434/v1"
        case .llamaServer: "http://127.0.0.1:8080/v1"
        }
    }

    /// How its requests differ.
    package var traits: ProviderTraits {
        var traits = ProviderTraits()
        // The newer word, which OpenAI's reasoning models insist on; the others know the older one alone, or both.
        traits.takesMaxCompletionTokens = self == .openai || self == .groq
        traits.prefersMaxCompletionTokens = traits.takesMaxCompletionTokens
        // Mistral refuses what it does not know, and states the usage at every stream's end.
        traits.takesStreamOptions = self != .mistral
        // For those of its models that want it, by their names.
        traits.signsCalls = self == .gemini
        traits.passesCacheMarks = self == .openrouter
        // The others go on, want a field of their own for it and refuse it without, or say nothing of it.
        traits.continuesAnswers = self != .openai && self != .vllm
        return traits
    }

    /// What it serves besides chat completions; a request for anything else is refused here.
    package var endpoints: Set<PaidEndpoint> {
        switch self {
        case .openai: [.chatCompletions, .completions, .embeddings, .responses]
        case .vllm, .llamaServer, .ollama: [.chatCompletions, .completions, .embeddings, .responses]
        case .together, .fireworks: [.chatCompletions, .completions, .embeddings]
        case .mistral, .gemini: [.chatCompletions, .embeddings]
        case .groq, .xai, .openrouter: [.chatCompletions, .responses]
        case .deepseek: [.chatCompletions]
        }
    }
}
