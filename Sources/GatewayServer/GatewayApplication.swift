internal import GatewayCore
package import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
package import ServiceLifecycle
internal import WireFormat

/// Where the server listens.
package struct GatewayAddress: Sendable {
    package var host: String
    /// 0: any free port, told to `onRunning`.
    package var port: Int
    /// nil: without TLS.
    package var tls: TLSFiles?
    package var limits = ConnectionLimits()
    package init(host: String, port: Int, tls: TLSFiles? = nil) {
        (self.host, self.port, self.tls) = (host, port, tls)
    }
}

/// Puts the endpoints together.
package enum GatewayApplication {
    /// Connections that may wait to be accepted.
    private static let backlog = 1024

    /// All routes and middleware over `services`.
    package static func router(_ services: GatewayServices) -> Router<GatewayContext> {
        let all = Router(context: GatewayContext.self)
        let router = GatewayRouter(all)
        let paths = KnownPaths()
        router.add(
            middleware: RefusalMiddleware(
                metrics: services.metrics, paths: paths, aliases: services.sendsLiteLLMHeaders))
        HealthEndpoints(services: services).register(on: router)
        LiteLLMEndpoints(services: services).register(on: router)
        AdminEndpoints(services: services).register(on: router)
        ConsoleEndpoints(services: services).register(on: router)
        let authentication = AuthenticationMiddleware(catalog: services.catalog)
        let answers = AnswerEndpoints(services: services)
        // Base URLs of clients that come from LiteLLM's proxy may have no "/v1".
        for path in ["/v1", "/"] {
            let group = router.group(RouterPath(path)).add(middleware: authentication)
            ModelsEndpoint(services: services).register(on: group)
            answers.register(PlainRequest.Kind.allCases, on: group)
        }
        let authenticated = router.group("/v1").add(middleware: authentication)
        answers.registerMessages(on: authenticated)
        CountTokensEndpoint(services: services).register(on: authenticated)
        answers.register(
            [.completions, .embeddings], on: router.group("/openai/deployments/**").add(middleware: authentication))
        paths.fill(from: all)
        return all
    }

    /// The server as a service. Its graceful shutdown stops accepting and lets running requests end.
    /// - Parameter onRunning: called with the bound port once the server listens.
    package static func server(
        _ services: GatewayServices, address: GatewayAddress,
        onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) -> some Service {
        var services = services
        services.endsTLS = address.tls != nil
        return Application(
            router: router(services), server: .gateway(address, maxBodyBytes: services.limits.maxBodyBytes),
            configuration: .init(
                address: .hostname(address.host, port: address.port), serverName: nil, backlog: backlog,
                availableConnectionsDelegate: MaximumAvailableConnections(
                    address.limits.maxConnections, logger: services.logger)),
            onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? address.port) },
            logger: services.logger)
    }
}
