internal import Audit
internal import Curl
internal import Foundation
internal import Ledger
package import Providers

extension GatewayConfiguration {
    /// How the audit is sealed.
    package struct Audit: Hashable, Sendable {
        /// Signs checkpoints; nil: none are made.
        package var signingKey: SecretReference?
        /// Signs beside it, while one key replaces the other.
        package var nextSigningKey: SecretReference?
        /// What checkpoints call this deployment; nil: as the signing key is called.
        package var name: String?
        package var sealInterval: Double
        package var checkpointInterval: Double
        /// Where checkpoints are published; nil: they are in the database only.
        package var checkpointDirectory: String?
        package var checkpointWebhook: CheckpointWebhookAddress?
        package var checkpointBucket: CheckpointBucketAddress?
    }
    /// A URL that checkpoints are posted to.
    package struct CheckpointWebhookAddress: Hashable, Sendable {
        package var url: String
        /// Signs the posts.
        package var secret: SecretReference
    }
    /// A bucket that speaks S3, with what the objects' names begin with.
    package struct CheckpointBucketAddress: Hashable, Sendable {
        package var url: String
        package var region: String
        package var accessKey: SecretReference
        package var secretKey: SecretReference
    }

    static func audit(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Audit {
        Audit(
            signingKey: try secret("audit.signing_key", &layers),
            nextSigningKey: try secret("audit.next_signing_key", &layers), name: try layers.text("audit.name"),
            sealInterval: try interval("audit.seal_interval", default: "1s", &layers),
            checkpointInterval: try interval("audit.checkpoint_interval", default: "60s", &layers),
            checkpointDirectory: try layers.text("audit.checkpoint_directory"),
            checkpointWebhook: try webhook(&layers), checkpointBucket: try bucket(&layers))
    }

    private static func webhook(
        _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> CheckpointWebhookAddress? {
        let key = "audit.checkpoint_webhook"
        let secret = try secret("\(key)_secret", &layers)
        guard let url = try url(key, &layers) else { return nil }
        guard let secret else { throw layers.failure("\(key)_secret", "is missing: the posts are signed with it") }
        return CheckpointWebhookAddress(url: url, secret: secret)
    }

    private static func bucket(
        _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> CheckpointBucketAddress? {
        let key = "audit.checkpoint_s3"
        let region = try layers.text("\(key)_region", orDefault: "us-east-1")
        let access = try secret("\(key)_access_key", &layers)
        let secret = try secret("\(key)_secret_key", &layers)
        guard let url = try url(key, &layers) else { return nil }
        guard region.utf8.count <= 64, region.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
        else { throw layers.failure("\(key)_region", "'\(region.prefix(40))' is not a region's name") }
        guard let access else { throw layers.failure("\(key)_access_key", "is missing") }
        guard let secret else { throw layers.failure("\(key)_secret_key", "is missing") }
        return CheckpointBucketAddress(url: url, region: region, accessKey: access, secretKey: secret)
    }

    /// Without a slash at its end, user, query or fragment.
    private static func url(_ key: String, _ layers: inout ConfigurationLayers) throws(ConfigurationError) -> String? {
        guard let text = try layers.text(key) else { return nil }
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme), url.host()?.isEmpty == false,
            url.user() == nil, url.query() == nil, url.fragment() == nil
        else { throw layers.failure(key, "is not an http or https URL without user, query and fragment") }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    /// Where checkpoints go. Throws when a key that is named is not there.
    func checkpointPublishers(
        client: CurlClient, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> [any CheckpointPublisher] {
        func secret(_ field: String, _ reference: SecretReference) throws -> Secret {
            do { return try reference.resolve(environment: environment) } catch {
                throw ConfigurationError(field: field, message: "\(error)")
            }
        }
        var publishers: [any CheckpointPublisher] = []
        if let directory = audit.checkpointDirectory { publishers.append(try CheckpointDirectory(directory)) }
        if let webhook = audit.checkpointWebhook {
            publishers.append(
                CheckpointWebhook(
                    url: webhook.url, secret: try secret("audit.checkpoint_webhook_secret", webhook.secret),
                    client: client))
        }
        if let bucket = audit.checkpointBucket {
            publishers.append(
                CheckpointBucket(
                    url: bucket.url, region: bucket.region,
                    accessKey: try secret("audit.checkpoint_s3_access_key", bucket.accessKey),
                    secretKey: try secret("audit.checkpoint_s3_secret_key", bucket.secretKey), client: client))
        }
        return publishers
    }

    /// "10s", "500ms", "2m" or a number of seconds.
    static func interval(
        _ key: String, default fallback: String, _ layers: inout ConfigurationLayers
    ) throws(ConfigurationError) -> Double {
        let text = try layers.text(key, orDefault: fallback)
        let units: [(suffix: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("", 1)]
        let unit = units.first { text.hasSuffix($0.suffix) } ?? ("", 1)
        guard let number = Double(text.dropLast(unit.suffix.count)), (0.01...86_400).contains(number * unit.seconds)
        else { throw layers.failure(key, "'\(text.prefix(40))' is not a time between 10ms and 24h, such as 10s") }
        return number * unit.seconds
    }

    /// Who signs checkpoints. Throws when a key that is named is not there, or is the same under both names: a
    /// rotation to it would be none.
    func auditSigners(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> [NoteSigner] {
        var signers: [NoteSigner] = []
        let keys = [("audit.signing_key", audit.signingKey), ("audit.next_signing_key", audit.nextSigningKey)]
        for case (let field, let reference?) in keys {
            do {
                signers.append(try NoteSigner(reference.resolve(environment: environment).revealed))
            } catch {
                throw ConfigurationError(field: field, message: "\(error)")
            }
        }
        guard signers.count < 2 || !signers[0].hasKey(of: signers[1]) else {
            throw ConfigurationError(
                field: "audit.next_signing_key",
                message: "is the same key as audit.signing_key: make another one with gboost audit make-key, or leave "
                    + "one out")
        }
        return signers
    }

    /// How a gateway seals.
    func sealerSettings() throws(ConfigurationError) -> SealerSettings {
        var settings = SealerSettings()
        settings.interval = .seconds(audit.sealInterval)
        settings.checkpointInterval = .seconds(audit.checkpointInterval)
        settings.signers = try auditSigners()
        settings.deployment = audit.name ?? settings.signers.first?.verifier.name ?? settings.deployment
        return settings
    }
}
