internal import Foundation
internal import Ledger
package import Providers

extension GatewayConfiguration {
    /// How texts are encrypted that tenants have kept.
    package struct Capture: Hashable, Sendable {
        /// Encrypts and decrypts; nil: no text is kept, whatever a tenant wants.
        package var key: SecretReference?
        /// Decrypts what was written before the key was replaced.
        package var previousKey: SecretReference?
    }

    static func capture(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Capture {
        let capture = Capture(
            key: try secret("capture.key", &layers), previousKey: try secret("capture.previous_key", &layers))
        guard capture.key != nil || capture.previousKey == nil else {
            throw layers.failure("capture.previous_key", "stands alone: capture.key is missing")
        }
        return capture
    }

    /// The keys; nil: none is configured. Throws when one that is named is not there.
    func textKeyring(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> TextKeyring? {
        guard let current = capture.key else { return nil }
        do {
            let previous = try capture.previousKey?.resolve(environment: environment).revealed
            return try TextKeyring(current.resolve(environment: environment).revealed, previous: previous)
        } catch {
            // Its description names the field too.
            let known = error as? LedgerError
            throw ConfigurationError(field: known?.field ?? "capture.key", message: known?.message ?? "\(error)")
        }
    }
}
