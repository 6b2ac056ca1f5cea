package import Curl
internal import Foundation
package import GatewayServer
package import Ledger
package import Logging
package import Providers

extension GatewayConfiguration {
    /// Administration over HTTP, and the ways of another gateway that clients may be used to.
    package struct Administration: Hashable, Sendable {
        /// The operator's key; nil: there is none. Without it and without tokens nothing is administered over HTTP.
        package var key: SecretReference?
        /// Administrators' tokens; nil: none are taken.
        package var singleSignOn: SingleSignOn?
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
            key: try secret("admin.key", &layers), singleSignOn: try singleSignOn(&layers),
            liteLLMTenant: try layers.text("compatibility.litellm_tenant", orDefault: "litellm"),
            sendsLiteLLMHeaders: try layers.choice("compatibility.litellm_headers", default: Switch.off) == .on)
    }

    /// Adds to the server's services what there is beside answers: administration, the interface's description, texts.
    func complete(
        _ services: inout GatewayServices, _ store: AdminStore, _ texts: TextStore?, client: CurlClient,
        sender: CurlDestinationSender
    ) throws(ConfigurationError) {
        services.texts = texts
        services.administration = try administration(store, client: client, logger: services.logger)
        services.administration?.sender = sender
        services.records = try records()
        services.sendsLiteLLMHeaders = administration.sendsLiteLLMHeaders
        services.openAPIDocument = (try? Data(contentsOf: URL(filePath: server.openAPI))).map(Array.init)
    }

    /// What the server needs for it; nil: neither a key nor tokens are configured. Throws when a key that is named is
    /// not there, the operator's or those of tokens.
    package func administration(
        _ store: AdminStore, client: CurlClient, logger: Logger,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> GatewayServer.Administration? {
        let tokens = try adminTokens(client, logger)
        guard administration.key != nil || tokens != nil else { return nil }
        let key: String?
        do { key = try administration.key?.resolve(environment: environment).revealed } catch {
            throw ConfigurationError(field: "admin.key", message: "\(error)")
        }
        let tenant = administration.liteLLMTenant
        guard var made = GatewayServer.Administration(store: store, key: key, tokens: tokens, tenant: tenant) else {
            throw ConfigurationError(
                field: "admin.key",
                message: "has fewer than \(GatewayServer.Administration.minimumKeyBytes) bytes")
        }
        made.apply = AdminApply.closure
        return made
    }
}
