internal import Audit
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
    }

    static func audit(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Audit {
        Audit(
            signingKey: try secret("audit.signing_key", &layers),
            nextSigningKey: try secret("audit.next_signing_key", &layers), name: try layers.text("audit.name"),
            sealInterval: try interval("audit.seal_interval", default: "1s", &layers),
            checkpointInterval: try interval("audit.checkpoint_interval", default: "60s", &layers),
            checkpointDirectory: try layers.text("audit.checkpoint_directory"))
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

    /// Who signs checkpoints. Throws when a key that is named is not there.
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
