internal import Foundation
package import GatewayServer
package import Ledger
package import Providers

extension GatewayConfiguration {
    /// Administration over HTTP, and the ways of another gateway that clients may be used to.
    package struct Administration: Hashable, Sendable {
        /// The operator's key; nil: nothing is administered over HTTP.
        package var key: SecretReference?
        /// The tenant that LiteLLM's paths mean where a request names none.
        package var liteLLMTenant: String
        /// Whether answers carry LiteLLM's headers beside our own.
        package var sendsLiteLLMHeaders: Bool
    }

    private enum Switch: String, CaseIterable {
        case on = "true"
        case off = "false"
    }

    static func administration(_ layers: inout ConfigurationLayers) throws(ConfigurationError) -> Administration {
        Administration(
            key: try secret("admin.key", &layers),
            liteLLMTenant: try layers.text("compatibility.litellm_tenant", orDefault: "litellm"),
            sendsLiteLLMHeaders: try layers.choice("compatibility.litellm_headers", default: Switch.off) == .on)
    }

    /// Adds to the server's services what there is beside answers: administration, the interface's description, texts.
    func complete(
        _ services: inout GatewayServices, _ store: AdminStore, _ texts: TextStore?
    ) throws(ConfigurationError) {
        services.texts = texts
        services.administration = try administration(store)
        services.sendsLiteLLMHeaders = administration.sendsLiteLLMHeaders
        services.openAPIDocument = (try? Data(contentsOf: URL(filePath: server.openAPI))).map(Array.init)
    }

    /// What the server needs for it; nil: no key is configured. Throws when one that is named is not there.
    package func administration(
        _ store: AdminStore, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> GatewayServer.Administration? {
        guard let reference = administration.key else { return nil }
        let key: String
        do { key = try reference.resolve(environment: environment).revealed } catch {
            throw ConfigurationError(field: "admin.key", message: "\(error)")
        }
        guard let made = GatewayServer.Administration(store: store, key: key, tenant: administration.liteLLMTenant)
        else {
            throw ConfigurationError(
                field: "admin.key",
                message: "has fewer than \(GatewayServer.Administration.minimumKeyBytes) bytes")
        }
        return made
    }
}
