internal import Foundation
internal import Providers

extension GatewayConfiguration.Database {
    /// Whether the gateway has the cluster to itself, and may change its schema.
    var isEmbedded: Bool { if case .embedded = location { true } else { false } }
}

/// Wherever it is printed, logged or reflected, its passwords are not.
extension GatewayConfiguration.DatabaseLocation: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The place, without passwords.
    package var description: String {
        switch self {
        case .url(let url): GatewayConfiguration.redacted(url)
        case .reference(let reference): "\(reference)"
        case .embedded(let path): path
        }
    }
    /// The same.
    package var debugDescription: String { description }
    /// Shows nothing, to `dump` either.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension GatewayConfiguration {
    /// Exactly one of `url` and `embedded`; given on two layers, the upper one wins, so that a variable can point a
    /// file's gateway at another database.
    static func database(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Database {
        let url = try layers.text("database.url")
        let embedded = try layers.text("database.embedded")
        let pool = try layers.integer("database.pool", in: 1...256, default: 8)
        if let url {
            layers.show(redacted(url), insteadOf: "database.url")
            let rank = (rank(layers.origin("database.url")), rank(layers.origin("database.embedded")))
            if embedded == nil || rank.0 > rank.1 {
                layers.show(nil, insteadOf: "database.embedded")
                return Database(location: try location(url, layers), pool: pool)
            }
            guard rank.0 != rank.1 else {
                throw layers.failure("database", "both 'url' and 'embedded' are given; name one")
            }
            layers.show(nil, insteadOf: "database.url")
        }
        guard let embedded else {
            throw layers.failure(
                "database", "neither 'url' nor 'embedded' is given; for a start: embedded: .gboost/postgres")
        }
        return Database(location: .embedded(path: embedded), pool: pool)
    }

    private static func location(
        _ url: String, _ layers: ConfigurationLayers
    ) throws(ConfigurationError) -> DatabaseLocation {
        if let reference = try? SecretReference(url) { return .reference(reference) }
        guard url.hasPrefix("postgresql://") || url.hasPrefix("postgres://") else {
            throw layers.failure(
                "database.url", "is neither a postgresql:// URL nor a reference (env:NAME, file:/path)")
        }
        if case .environment = layers.origin("database.url") { return .url(url) }
        guard redacted(url) == url else {
            throw layers.failure(
                "database.url", "holds a password; give the whole URL by reference (env:NAME or file:/path)")
        }
        return .url(url)
    }

    private static func rank(_ origin: ConfigurationError.Origin) -> Int {
        switch origin {
        case .argument: 3
        case .environment: 2
        case .file: 1
        case .defaults: 0
        }
    }

    /// A PostgreSQL URL without its passwords. A URL in an unexpected form loses everything after its scheme.
    package static func redacted(_ url: String) -> String {
        guard let scheme = url.range(of: "://") else { return (try? SecretReference(url)) == nil ? "redacted" : url }
        let head = url[..<scheme.upperBound]
        var rest = String(url[scheme.upperBound...])
        // libpq ends the user part at the first '@' before the path; a raw '@' in a password would break both.
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
            rest = "\(authority[..<colon]):redacted\(rest[at...])"
        } else if rest.split(separator: "?", maxSplits: 1).first?.contains("@") == true, !authority.contains("@") {
            return "\(head)redacted"
        }
        guard let mark = rest.firstIndex(of: "?") else { return head + rest }
        let items = rest[rest.index(after: mark)...].split(separator: "&").map { item in
            let name = item.prefix { $0 != "=" }
            return name.lowercased().contains("password") ? "\(name)=redacted" : String(item)
        }
        return "\(head)\(rest[..<mark])?\(items.joined(separator: "&"))"
    }
}
