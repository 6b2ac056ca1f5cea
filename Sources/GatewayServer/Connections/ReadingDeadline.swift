internal import NIOCore
internal import NIOHTTPTypes

/// Ends a connection whose client has stopped reading its answer: until then all that was to be written waits.
final class ReadingDeadline: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private var timer: ConnectionTimer

    init(_ limit: TimeAmount) { timer = ConnectionTimer(limit) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { timer.stop() } else { timer.start(context) }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer.stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer.stop() }
}
