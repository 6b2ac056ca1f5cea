package import Curl
package import GatewayCore

/// Settings of one paid API over HTTP.
package struct ProviderSettings: Sendable {
    /// How the key is presented.
    package enum KeyHeader: Hashable, Sendable {
        /// `Authorization: Bearer …`
        case bearer
        /// A header of this name that holds nothing else.
        case named(String)
    }

    /// As the configuration and model references name it.
    package var name: String
    /// Up to and with the version, e.g. "https://host/v1"; a slash at its end does not matter.
    package var baseURL: String
    /// nil: no key is sent.
    package var apiKey: Secret?
    package var keyHeader = KeyHeader.bearer
    /// Behind every path, with its question mark; empty for none.
    package var query = ""
    package var traits = ProviderTraits()
    /// What an API of OpenAI's formats serves.
    package var endpoints: Set<PaidEndpoint> = [.chatCompletions, .completions, .embeddings, .responses]
    /// Of one call; the total bounds an answer that never ends.
    package var timeouts = CurlTimeouts(
        connect: .seconds(10), firstByte: .seconds(120), idle: .seconds(60), total: .seconds(900))
    /// High-water mark of what arrived and was not passed on.
    package var maxBufferedBytes = 64 * 1024
    /// A whole answer, or a whole stream.
    package var maxResponseBytes = 64 * 1024 * 1024
    /// One event of a stream.
    package var maxEventBytes = 4 * 1024 * 1024
    /// Takes over what is known of an API.
    package mutating func adopt(_ preset: CompatiblePreset) {
        traits = preset.traits
        endpoints = preset.endpoints
    }

    /// Azure's place of OpenAI's API: a resource's address, with the key in a header of its own.
    package mutating func adoptAzure() {
        while baseURL.hasSuffix("/") { baseURL.removeLast() }
        // The resource may be called openai, too.
        let place = baseURL.firstRange(of: "://").map { baseURL[$0.upperBound...] } ?? baseURL[...]
        if !place.contains("/openai") { baseURL += "/openai/v1" }
        keyHeader = .named("api-key")
        // OpenAI's models, some of which take no other word.
        traits.takesMaxCompletionTokens = true
        traits.continuesAnswers = false
    }

    package init(name: String, baseURL: String, apiKey: Secret?) {
        self.name = name
        self.baseURL = baseURL
        self.apiKey = apiKey
    }
}

/// Settings of an OpenAI-compatible API.
package typealias OpenAIProviderSettings = ProviderSettings
