internal import Foundation

/// Where a model is asked that another server holds: `http://host:8000/v1#name`, as it is registered in the place of a
/// file.
package struct RemoteEndpoint: Hashable, Sendable {
    /// Up to and with the version.
    package var baseURL: String
    /// The model's name there.
    package var model: String

    package init(baseURL: String, model: String) {
        self.baseURL = baseURL
        self.model = model
    }

    /// Whether a text is a URL rather than a file's path.
    package static func isMeant(_ text: String) -> Bool { text.hasPrefix("http://") || text.hasPrefix("https://") }

    /// Nil: a file's path. Throws for what is meant as a URL and is none that can be used.
    package static func parse(_ text: String) throws(LocalModelError) -> RemoteEndpoint? {
        guard isMeant(text) else { return nil }
        guard let url = URL(string: text), let host = url.host(), !host.isEmpty else {
            throw .invalid("\(text.prefix(200)) is no URL")
        }
        guard url.user() == nil, url.password() == nil else { throw .invalid("a model's URL holds no password") }
        guard let model = url.fragment(percentEncoded: false), !model.isEmpty, url.query() == nil else {
            throw .invalid("\(text.prefix(200)) does not name its model: http://host:8000/v1#MODEL")
        }
        return RemoteEndpoint(baseURL: String(text.prefix { $0 != "#" }), model: model)
    }
}
