internal import Foundation

/// A provider as `gboost.yaml` is to name it.
struct ImportedProvider: Hashable, Sendable, Encodable {
    var name: String
    var kind: String
    var preset: String?
    var baseURL: String?
    /// A reference, never a secret.
    var apiKey: String?
    private(set) var firstByteSeconds: String?
    private(set) var totalSeconds: String?
    /// Whether a model of it has no timeout of its own.
    var isOpen = false

    enum CodingKeys: String, CodingKey {
        case name
        case kind
        case preset
        case baseURL = "base_url"
        case apiKey = "api_key"
        case firstByteSeconds = "first_byte_seconds"
        case totalSeconds = "total_seconds"
    }

    init(name: String, kind: String, preset: String?, baseURL: String?, apiKey: String?) {
        self.name = name
        self.kind = kind
        self.preset = preset
        self.baseURL = baseURL
        self.apiKey = apiKey
    }

    /// Has calls end by a timeout of LiteLLM's, which is of a whole call, its beginning included. Of several models'
    /// the longest.
    /// - Returns: what is to be said of that; nil: nothing.
    mutating func end(after text: String) -> String? {
        guard let seconds = Double(text), (0.1...86_400).contains(seconds) else {
            return "is not between 0.1 and 86400 seconds"
        }
        let known = totalSeconds.flatMap { Double($0) }
        if seconds > known ?? 0 {
            totalSeconds = text
            firstByteSeconds = seconds > 3600 ? "3600" : text
        }
        let isOther = known != nil && known != seconds
        return isOther ? "a provider has one timeout here: the longest of its models' is taken" : nil
    }

    /// Leaves it without a timeout, as one of its models is: that one's calls would be cut off.
    /// - Returns: what is to be said of that; nil: nothing.
    mutating func leaveOpen() -> String? {
        guard isOpen, totalSeconds != nil else { return nil }
        (totalSeconds, firstByteSeconds) = (nil, nil)
        return "a provider has one timeout here, and not all of its models have one there: none is taken"
    }

    /// "  - { name: openai, kind: openai, … }"
    var yaml: String {
        var text = "  - { name: \(name), kind: \(kind)"
        if let preset { text += ", preset: \(preset)" }
        if let baseURL { text += ", base_url: \(Self.quoted(baseURL))" }
        if let apiKey { text += ", api_key: \(Self.quoted(apiKey))" }
        if let firstByteSeconds { text += ", first_byte_seconds: \(firstByteSeconds)" }
        if let totalSeconds { text += ", total_seconds: \(totalSeconds)" }
        return text + " }\n"
    }

    static func quoted(_ text: String) -> String {
        "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }
}

/// What LiteLLM's names of vendors are here.
enum LiteLLMVendor {
    private static let presets = [
        "mistral": "mistral", "groq": "groq", "deepseek": "deepseek", "openrouter": "openrouter", "xai": "xai",
        "gemini": "gemini", "together_ai": "together", "fireworks_ai": "fireworks", "hosted_vllm": "vllm",
        "vllm": "vllm", "ollama": "ollama", "ollama_chat": "ollama",
    ]
    /// Served by somebody whom only `api_base` names.
    private static let unnamed: Set<String> = [
        "openai_like", "custom_openai", "litellm_proxy", "lm_studio", "llamafile",
    ]
    /// Want no key unless one is given.
    private static let open: Set<String> = ["hosted_vllm", "vllm", "ollama", "ollama_chat", "lm_studio", "llamafile"]

    static func isKnown(_ vendor: String) -> Bool { provider(vendor) != nil }

    /// Kind and preset; nil: nothing here speaks that vendor's wire.
    static func provider(_ vendor: String) -> (kind: String, preset: String?)? {
        if vendor == "text-completion-openai" { return ("openai", nil) }
        if let preset = presets[vendor] { return ("compatible", preset) }
        if unnamed.contains(vendor) { return ("compatible", nil) }
        guard let kind = GatewayConfiguration.ProviderKind(rawValue: vendor), kind != .engine, kind != .compatible
        else { return nil }
        return (kind.rawValue, nil)
    }

    static func needsBase(_ vendor: String) -> Bool { unnamed.contains(vendor) || vendor == "azure" }

    /// Where LiteLLM looks for a key that nobody names.
    static func usualKey(_ vendor: String) -> String? {
        guard !open.contains(vendor), !unnamed.contains(vendor) else { return nil }
        let name = vendor == "text-completion-openai" ? "openai" : vendor == "together_ai" ? "togetherai" : vendor
        return "env:\(name.uppercased())_API_KEY"
    }

    /// As our configuration wants it.
    static func base(_ text: String, vendor: String) -> String {
        var base = text
        while base.hasSuffix("/") { base.removeLast() }
        switch vendor {
        case "anthropic": return base.hasSuffix("/v1") ? String(base.dropLast(3)) : base
        case "ollama", "ollama_chat": return base.hasSuffix("/v1") ? base : base + "/v1"
        default: return base
        }
    }
}
