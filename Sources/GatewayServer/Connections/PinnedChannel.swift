internal import HummingbirdCore
internal import HummingbirdHTTP2
internal import Logging
internal import NIOCore
internal import NIOSSL

/// Connections whose tasks run on the event loop that has their socket.
struct PinnedChannel<Base: ServerChildChannel>: ServerChildChannel {
    typealias Value = Base.Value

    let base: Base

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: Value, logger: Logger) async {
        let executor = EventLoopExecutor(value.channel.eventLoop)
        await EventLoopExecutor.$current.withValue(executor) {
            await withTaskExecutorPreference(executor) { await base.handle(value: value, logger: logger) }
        }
    }
}

extension HTTPServerBuilder {
    /// For `Application(server:)`: HTTP/1.1, or with certificate files TLS, and over it what the client chooses of
    /// HTTP/2 and HTTP/1.1.
    /// - Parameter maxBodyBytes: no path takes a larger body: a client that waits to be asked for one is not.
    static func gateway(_ address: GatewayAddress, maxBodyBytes: Int) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in
            let limits = address.limits
            let channels = limits.channel(maxBodyBytes: maxBodyBytes)
            guard let files = address.tls else {
                return PinnedChannel(base: HTTP1Channel(responder: responder, configuration: channels))
            }
            let channel = try HTTP2UpgradeChannel(
                tlsConfiguration: files.configuration,
                configuration: .init(
                    idleTimeout: .seconds(limits.idleSeconds), streamConfiguration: channels),
                responder: responder)
            return PinnedChannel(base: TimedHandshake(base: channel, limit: .seconds(limits.requestSeconds)))
        }
    }
}

/// A channel whose TLS handshake must be done in time.
private struct TimedHandshake<Base: ServerChildChannel>: ServerChildChannel {
    typealias Value = Base.Value

    let base: Base
    let limit: TimeAmount

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let tls = try pipeline.handler(type: NIOSSLServerHandler.self)
            try pipeline.addHandler(HandshakeDeadline(limit), position: .after(tls))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
