internal import GatewayCore
internal import Synchronization

/// Models that refused a question for its `temperature`, its `stop` or its `reasoning_effort`: for a while they are
/// asked without any of these.
///
/// For names that say nothing of the model, as a deployment's, and what is not known of a model by its name. To learn
/// one anew costs a refused call, which no provider charges for; and one that was taken for such a model by mistake, by
/// an error about something else, is asked as others are again.
final class PlainModels: Sendable {
    /// Of more than these the oldest is forgotten.
    static let most = 256
    /// How long one is remembered.
    static let time = Duration.seconds(3600)
    private let models = Mutex<[(model: ModelReference, until: ContinuousClock.Instant)]>([])

    func contains(_ model: ModelReference, now: ContinuousClock.Instant = .now) -> Bool {
        models.withLock { models in models.contains { $0.model == model && now < $0.until } }
    }

    /// False: it is known already.
    func add(_ model: ModelReference, now: ContinuousClock.Instant = .now) -> Bool {
        models.withLock { models in
            models.removeAll { $0.until <= now }
            guard !models.contains(where: { $0.model == model }) else { return false }
            if models.count == Self.most { models.removeFirst() }
            models.append((model, now + Self.time))
            return true
        }
    }
}

extension ProviderError {
    /// Statuses by which a provider says that a field is at fault.
    private static let fieldFaults: Set<Int> = [400, 422]
    /// `temperature`, `stop` and `reasoning_effort` in the words of the known formats.
    private static let wishes: Set<String> = [
        "temperature", "stop", "stop_sequences", "stopsequences", "reasoning_effort", "effort",
    ]
    private static let quotes: Set<Character> = ["'", "\"", "`"]

    /// The request was refused, and `temperature`, `stop` or `reasoning_effort` is named as the reason: by the field
    /// that the provider gives, else by one that its message names as such. The message may repeat what a user wrote,
    /// where such a word says nothing.
    var namesWish: Bool {
        guard code == .status, let status, Self.fieldFaults.contains(status) else { return false }
        if let parameter, !parameter.isEmpty { return Self.isWish(parameter.prefix { $0 != "[" }) }
        let text = message.lowercased()
        return text.split(whereSeparator: { !Self.isPartOfName($0) }).contains { word in
            Self.isNamed(word, in: text) && Self.isWish(word)
        }
    }

    private static func isPartOfName(_ character: Character) -> Bool {
        character.isLetter || character == "_" || character == "."
    }

    /// Whether a word is in quotes, or the first one ("stop_sequences: each must …"), or the last one behind a colon
    /// ("Unrecognized request argument supplied: stop").
    private static func isNamed(_ word: Substring, in text: String) -> Bool {
        guard word.startIndex > text.startIndex else { return true }
        let before = text[..<word.startIndex]
        guard word.endIndex < text.endIndex else { return before.hasSuffix(": ") }
        guard let quote = before.last else { return false }
        return quotes.contains(quote) && text[word.endIndex] == quote
    }

    /// Whether a field's name or path ends in one of the words.
    private static func isWish(_ path: Substring) -> Bool {
        path.lowercased().split(separator: ".").last.map { wishes.contains(String($0)) } ?? false
    }
}
