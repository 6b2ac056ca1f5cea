extension ProviderTraits {
    /// How the names of OpenAI's reasoning models begin.
    private static let reasoning = ["gpt-5", "o1", "o3", "o4"]

    /// Whether a name is of one of OpenAI's reasoning models, behind whatever path.
    private static func isReasoning(_ model: String) -> Bool {
        var name = (model.split(separator: "/").last ?? "").lowercased()
        // What was trained further says so first.
        if name.hasPrefix("ft:") { name.removeFirst(3) }
        return reasoning.contains { name.hasPrefix($0) }
    }

    /// Whether a model, by its name at its provider, is not known to refuse a chat for its `temperature` or its `stop`.
    ///
    /// OpenAI's reasoning models refuse both. Claude on Bedrock refuses white space as `stop`, which is what divides
    /// steps, and newer Claudes any temperature.
    package static func takesWishes(_ model: String) -> Bool {
        !isReasoning(model) && !model.contains("anthropic.")
    }

    /// Whether a model, by its name at its provider, is known to think before it writes though nobody asked it to,
    /// within the bound of what it writes.
    package static func thinks(_ model: String) -> Bool {
        if isReasoning(model) { return true }
        let name = (model.split(separator: "/").last ?? "").lowercased()
        return name.hasPrefix("gemini-3") || name.hasPrefix("gemini-2.5") && !name.contains("lite")
    }

    /// Whether chats with a model are bounded by `max_completion_tokens` though the client named no bound.
    package func prefersMaxCompletionTokens(for model: String) -> Bool {
        prefersMaxCompletionTokens || takesMaxCompletionTokens && Self.isReasoning(model)
    }
}
