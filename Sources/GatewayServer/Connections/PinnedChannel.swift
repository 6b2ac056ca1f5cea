internal import HummingbirdCore
internal import HummingbirdHTTP2
internal import Logging
internal import NIOCore

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
    /// For `Application(server:)`: HTTP/1.1, or with `files` TLS, and over it what the client chooses of HTTP/2 and
    /// HTTP/1.1.
    static func gateway(_ files: TLSFiles?) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in
            guard let files else { return PinnedChannel(base: HTTP1Channel(responder: responder)) }
            return PinnedChannel(
                base: try HTTP2UpgradeChannel(tlsConfiguration: files.configuration, responder: responder))
        }
    }
}
