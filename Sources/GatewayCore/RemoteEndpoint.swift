internal import Foundation

/// Where a model is asked that another server holds: `http://host:8000/v1#name`, as it is registered in the place of a
/// file.
///
/// Between address and name may stand, as a query: `key=env:GBOOST_REMOTE_…`, where its key is to be found;
/// `reward=pooling` or `reward=score`, for a reward model that is not asked in words; `step=…`, what stands behind
/// each step there.
package struct RemoteEndpoint: Hashable, Sendable {
    /// How a reward model gives its rewards, other than by the words of an answer.
    package enum Reward: String, Hashable, Sendable, CaseIterable {
        /// vLLM's `/pooling`: a probability for each step.
        case pooling
        /// vLLM's `/score`: one for question and answer.
        case score
    }

    /// Keys of other servers are in variables of these names alone: whoever may register a model would else have any
    /// secret of the gateway's sent to a server of his own.
    package static let keyPrefix = "env:GBOOST_REMOTE_"
    /// Of Qwen's reward models.
    package static let usualStepMark = "<extra_0>"

    /// Up to and with the version.
    package var baseURL: String
    /// The model's name there.
    package var model: String
    /// A reference to its key; nil: it wants none.
    package var key: String?
    package var reward: Reward?
    package var stepMark = usualStepMark

    package init(baseURL: String, model: String) {
        self.baseURL = baseURL
        self.model = model
    }

    /// Whether a text is a URL rather than a file's path.
    package static func isMeant(_ text: String) -> Bool { text.hasPrefix("http://") || text.hasPrefix("https://") }

    /// Nil: a file's path. Throws for what is meant as a URL and is none that can be used.
    package static func parse(_ text: String) throws(LocalModelError) -> RemoteEndpoint? {
        guard isMeant(text) else { return nil }
        guard let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty else {
            throw .invalid("\(text.prefix(200)) is no URL")
        }
        guard parts.user == nil, parts.password == nil else { throw .invalid("a model's URL holds no password") }
        guard let model = parts.fragment, !model.isEmpty else {
            throw .invalid("\(text.prefix(200)) does not name its model: http://host:8000/v1#MODEL")
        }
        var endpoint = RemoteEndpoint(baseURL: String(text.prefix { $0 != "#" && $0 != "?" }), model: model)
        for item in parts.queryItems ?? [] { try endpoint.take(item.name, item.value ?? "") }
        return endpoint
    }

    private mutating func take(_ name: String, _ value: String) throws(LocalModelError) {
        switch name {
        case "key":
            // What was meant as a key is not repeated.
            guard value.hasPrefix(Self.keyPrefix), value.count > Self.keyPrefix.count else {
                throw .invalid("key: the key of another server is named as \(Self.keyPrefix)…, never given itself")
            }
            key = value
        case "reward":
            guard let kind = Reward(rawValue: value) else {
                let known = Reward.allCases.map(\.rawValue).joined(separator: ", ")
                throw .invalid("reward: '\(value.prefix(40))' is not one of: \(known)")
            }
            reward = kind
        case "step":
            guard !value.isEmpty, value.utf8.count <= 64 else { throw .invalid("step: has 1 to 64 bytes") }
            stepMark = value
        default: throw .invalid("a model's URL has no '\(name.prefix(40))': there are key, reward and step")
        }
    }
}
