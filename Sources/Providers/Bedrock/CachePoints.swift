internal import GatewayCore

/// Which of a client's marks Bedrock is told of.
///
/// Clients of Anthropic's send marks to whatever model they are pointed at. Bedrock refuses a whole request for one
/// mark that its model does not know: there they are left out, and the prompt costs what it would without them. So they
/// are where the price has no rate for what is written to a cache and costs more than plain input.
enum CachePoints {
    /// Anthropic's bound, and Amazon's.
    private static let most = 4
    /// Claudes that are older than the marks, or knew them in a preview only.
    private static let without = [
        "claude-v", "claude-instant", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", "claude-3-5-sonnet",
    ]
    /// Claudes that keep prompts for the usual time alone.
    private static let withoutHour = ["claude-3", "claude-opus-4-2025", "claude-sonnet-4-2025", "claude-opus-4-1-"]

    /// The last ones where there are too many: each stands for all of the prompt before it.
    static func chosen(
        _ chat: CanonicalChat, of writes: CacheWrites
    ) -> [CanonicalChat.Place: CanonicalChat.CacheMark] {
        let isNova = chat.model.contains("amazon.nova")
        // Nova's writes cost what plain input does.
        guard isNova || writes != .none && isKept(chat.model) else { return [:] }
        let knowsHour = writes == .hour && !isNova && !withoutHour.contains { chat.model.contains($0) }
        let places = chat.marks.keys.filter { isSent($0, of: chat, isNova: isNova) }.sorted().suffix(most)
        var chosen: [CanonicalChat.Place: CanonicalChat.CacheMark] = [:]
        for place in places { chosen[place] = knowsHour ? chat.marks[place] : .usual }
        return chosen
    }

    /// An application's profile does not say whose model is behind it: there the client is believed.
    private static func isKept(_ model: String) -> Bool {
        if model.contains("application-inference-profile/") { return true }
        return model.contains("anthropic.") && !without.contains { model.contains($0) }
    }

    /// Tools that may not be called are not sent at all; Nova knows marks on plain text and images only.
    private static func isSent(_ place: CanonicalChat.Place, of chat: CanonicalChat, isNova: Bool) -> Bool {
        switch place {
        case .system: return true
        case .tool: return !isNova && chat.choice != CanonicalChat.Choice.none
        case .item(let turn, let index):
            guard isNova else { return true }
            switch chat.turns[turn] {
            case .user: return true
            case .assistant(let parts, _, _): return index < parts.count
            case .result: return false
            }
        }
    }
}
