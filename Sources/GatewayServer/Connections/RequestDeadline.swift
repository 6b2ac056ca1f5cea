internal import NIOCore
internal import NIOHTTPTypes

/// Ends a connection whose request does not arrive in time: with a byte a second it could be kept for ever.
final class RequestDeadline: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private var isArriving = false
    private var timer: ConnectionTimer

    init(_ limit: TimeAmount) { timer = ConnectionTimer(limit) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: isArriving = true
        case .body: break
        case .end:
            isArriving = false
            timer.stop()
        }
        context.fireChannelRead(data)
    }

    /// Nearly every request arrives at once and needs no timer.
    func channelReadComplete(context: ChannelHandlerContext) {
        if isArriving { timer.start(context) }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer.stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer.stop() }
}
