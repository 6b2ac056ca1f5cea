internal import NIOCore

/// Closes a handler's channel unless it is stopped in time. For use on the channel's event loop.
struct ConnectionTimer {
    private let limit: TimeAmount
    private var scheduled: Scheduled<Void>?

    init(_ limit: TimeAmount) { self.limit = limit }

    /// Begins to wait; one that waits already goes on.
    mutating func start(_ context: ChannelHandlerContext) {
        guard scheduled == nil else { return }
        scheduled = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { context.close(promise: nil) }
    }

    mutating func stop() {
        scheduled?.cancel()
        scheduled = nil
    }
}
