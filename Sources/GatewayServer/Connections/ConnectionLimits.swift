internal import HummingbirdCore
internal import NIOCore
internal import NIOHTTPTypes

/// How much of the server clients may take up by being slow.
package struct ConnectionLimits: Hashable, Sendable {
    /// Further ones wait to be accepted.
    package var maxConnections = 4096
    /// How long a connection may stand still with no request under way, or with half of a request's head.
    package var idleSeconds = 120.0
    /// How long a request may take to arrive, and a TLS handshake.
    package var requestSeconds = 60.0
    /// How long what is to be written of an answer may wait for its client. An answer may take as long as it takes; who
    /// does not read it keeps a hold, a place among the requests and a connection from everybody else. Long: a whole
    /// answer is one piece, and may be large.
    package var unreadSeconds = 600.0
    package init() {}

    /// A little more than `requestSeconds`: until then whoever reads the body answers that it came too slowly.
    private static let grace = 1.0

    var channel: HTTP1Channel.Configuration {
        let limit = TimeAmount.seconds(requestSeconds + Self.grace)
        return HTTP1Channel.Configuration(
            additionalChannelHandlers: [RequestDeadline(limit), ReadingDeadline(.seconds(unreadSeconds))],
            idleTimeout: .seconds(idleSeconds))
    }
}

extension TimeAmount {
    static func seconds(_ seconds: Double) -> TimeAmount { .milliseconds(Int64(seconds * 1000)) }
}

/// Ends a connection whose request does not arrive in time: with a byte a second it could be kept for ever.
final class RequestDeadline: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let limit: TimeAmount
    private var isArriving = false
    private var timer: Scheduled<Void>?

    init(_ limit: TimeAmount) { self.limit = limit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: isArriving = true
        case .body: break
        case .end:
            isArriving = false
            stop()
        }
        context.fireChannelRead(data)
    }

    /// Nearly every request arrives at once and needs no timer.
    func channelReadComplete(context: ChannelHandlerContext) {
        if isArriving, timer == nil {
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { context.close(promise: nil) }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    private func stop() {
        timer?.cancel()
        timer = nil
    }
}

/// Ends a connection whose client has stopped reading its answer: until then all that was to be written waits.
final class ReadingDeadline: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let limit: TimeAmount
    private var timer: Scheduled<Void>?

    init(_ limit: TimeAmount) { self.limit = limit }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stop()
        } else if timer == nil {
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { context.close(promise: nil) }
        }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    private func stop() {
        timer?.cancel()
        timer = nil
    }
}
