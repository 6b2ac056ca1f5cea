internal import GatewayCore
internal import Synchronization

/// Models that refused a question for its `temperature`, its `stop` or its `reasoning_effort`: for a while they are
/// asked without any of these.
///
/// For names that say nothing of the model, as a deployment's, and what is not known of a model by its name. To learn
/// one anew costs a refused call, which no provider charges for; and one that was taken for such a model by mistake, by
/// an error about something else, is asked as others are again.
final class SamplingRefusals: Sendable {
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
    /// Those that nobody writes who does not mean the field.
    private static let names: Set<String> = ["stop_sequences", "stopsequences", "reasoning_effort"]
    private static let quotes: Set<Character> = ["'", "\"", "`"]

    /// The request was refused, and `temperature`, `stop` or `reasoning_effort` is named as the reason: by the field
    /// that the provider gives, else by one that its message names as such. The message may repeat what a user wrote,
    /// where such a word says nothing.
    var namesWish: Bool {
        guard code == .status, let status, Self.fieldFaults.contains(status) else { return false }
        // LiteLLM's proxies write Python's word for nothing.
        if let parameter, !parameter.isEmpty, parameter.lowercased() != "none" {
            return Self.isWish(parameter.prefix { $0 != "[" })
        }
        let text = message.lowercased()
        return text.split(whereSeparator: { !Self.isPartOfName($0) }).contains { word in
            Self.isWish(word) && Self.isNamed(word, in: text)
        }
    }

    private static func isPartOfName(_ character: Character) -> Bool {
        character.isLetter || character == "_" || character == "."
    }

    /// Whether a word is a field's own, or stands as one: in quotes; first ("temperature: must …"); last behind a colon
    /// ("Unrecognized request argument supplied: stop"); before "field" or "parameter", or behind the latter.
    private static func isNamed(_ word: Substring, in text: String) -> Bool {
        if names.contains(word.split(separator: ".").last.map { String($0) } ?? "") { return true }
        let (before, after) = (text[..<word.startIndex], text[word.endIndex...])
        if before.isEmpty || after.hasPrefix(" field") || after.hasPrefix(" parameter") { return true }
        if before.hasSuffix("parameter ") || before.hasSuffix(": ") && after.allSatisfy({ ".\n ".contains($0) }) {
            return true
        }
        guard let quote = before.last, let end = after.first else { return false }
        return quotes.contains(quote) && end == quote
    }

    /// Whether a field's name or path ends in one of the words.
    private static func isWish(_ path: Substring) -> Bool {
        path.lowercased().split(separator: ".").last.map { wishes.contains(String($0)) } ?? false
    }
}
