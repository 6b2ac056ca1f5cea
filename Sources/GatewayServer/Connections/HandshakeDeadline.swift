internal import NIOCore
internal import NIOTLS

/// Ends a connection whose TLS handshake is not done in time: before that, nothing else looks at it.
final class HandshakeDeadline: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private var timer: ConnectionTimer

    init(_ limit: TimeAmount) { timer = ConnectionTimer(limit) }

    func handlerAdded(context: ChannelHandlerContext) {
        timer.start(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { timer.stop() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer.stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer.stop() }
}
