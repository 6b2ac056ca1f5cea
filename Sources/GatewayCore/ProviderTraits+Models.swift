extension ProviderTraits {
    /// How the names of OpenAI's reasoning models begin.
    private static let reasoning = ["gpt-5", "o1", "o3", "o4"]
    /// And of those among them that take no effort.
    private static let effortless = ["o1-mini", "o1-preview"]

    /// A model's own name, behind whatever path; of one that was trained further the name of what it was.
    private static func name(of model: String) -> String {
        var name = (model.split(separator: "/").last ?? "").lowercased()
        // What was trained further says so first, and by whom behind its name.
        if name.hasPrefix("ft:") { name.removeFirst(3) }
        return String(name.prefix { $0 != ":" })
    }

    /// Whether a name begins like those of OpenAI's reasoning models.
    private static func isReasoning(_ model: String) -> Bool {
        let name = name(of: model)
        return reasoning.contains { name.hasPrefix($0) }
    }

    /// Whether one of a name's words, which hyphens divide, is this one.
    private static func has(_ word: String, in model: String) -> Bool {
        name(of: model).split(separator: "-").contains { $0 == word }
    }

    /// Whether a model, by its name at its provider, is not known to refuse a chat for its `temperature` or its `stop`.
    ///
    /// OpenAI's reasoning models refuse both; of the chat models that are named like them (gpt-5-chat) it is not known.
    /// Claude on Bedrock refuses white space as `stop`, which is what divides steps, and newer Claudes any temperature.
    package static func takesWishes(_ model: String) -> Bool {
        !isReasoning(model) && !model.contains("anthropic.")
    }

    /// Whether a model, by its name at its provider, is known to think before it writes though nobody asked it to,
    /// within the bound of what it writes.
    package static func thinks(_ model: String) -> Bool {
        // OpenAI's chat models answer at once.
        if isReasoning(model) { return !has("chat", in: model) }
        let name = name(of: model)
        return name.hasPrefix("gemini-3") || name.hasPrefix("gemini-2.5") && !name.contains("lite")
    }

    /// How hard a model that thinks unasked is asked to think; nil: it takes no such word, or only "high" (gpt-5-pro).
    package static func effort(for model: String) -> String? {
        guard thinks(model) else { return nil }
        let name = name(of: model)
        let refuses = has("pro", in: model) || effortless.contains { name.hasPrefix($0) }
        return isReasoning(model) && refuses ? nil : "low"
    }

    /// Whether chats with a model are bounded by `max_completion_tokens` though the client named no bound.
    package func prefersMaxCompletionTokens(for model: String) -> Bool {
        prefersMaxCompletionTokens || takesMaxCompletionTokens && Self.isReasoning(model)
    }
}
