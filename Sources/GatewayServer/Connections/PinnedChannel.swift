internal import HummingbirdCore
internal import Logging
internal import NIOCore

/// HTTP/1.1 connections whose tasks run on the event loop that has their socket.
struct PinnedChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    private let base: HTTP1Channel

    /// For `Application(server:)`.
    static var server: HTTPServerBuilder {
        HTTPServerBuilder { responder in PinnedChannel(base: HTTP1Channel(responder: responder)) }
    }

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
