internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1

/// What HTTP/1 has a server do beyond what Hummingbird does: who says `Expect: 100-continue` is told to go on, and a
/// client of HTTP/1.0 gets no chunks, and the end of the connection unless it asked to keep it. Behind the head of an
/// answer to HEAD comes nothing.
///
/// Stands where a request still has its version, and an answer not yet its framing.
final class HTTP1Courtesy: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// A request whose answer has not ended.
    private struct Exchange {
        /// The client speaks HTTP/1.0.
        var isOld: Bool
        /// The connection ends with the answer.
        var isLast: Bool
        /// The client waits to be told that its body is wanted.
        var isWaiting: Bool
        /// The answer has no body, whatever its head says of one.
        let isHead: Bool

        init(_ head: HTTPRequestHead, maxBodyBytes: Int) {
            let headers = head.headers
            let length = headers.first(name: "content-length").flatMap { Int($0) } ?? 0
            let hasBody = length > 0 || headers.contains(name: "transfer-encoding")
            let expects = headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
            isHead = head.method == .HEAD
            // Whoever sent HTTP/1.0 does not know the word.
            isOld = head.version == .http1_0
            isWaiting = expects && hasBody && !isOld && length <= maxBodyBytes
            // Of a body that is refused nobody knows whether it comes: what follows could be it, or another request.
            let isRefused = expects && !isOld && length > maxBodyBytes
            isLast = isRefused || isOld && !head.isKeepAlive
        }
    }

    private let maxBodyBytes: Int
    /// In the order of the requests, which is that of the answers.
    private var exchanges: [Exchange] = []
    /// The last answer has been written.
    private var isClosing = false
    /// What arrives now is behind the last request.
    private var isPastEnd = false

    init(_ maxBodyBytes: Int) { self.maxBodyBytes = maxBodyBytes }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) {
            // Whether an old client's connection can be kept is known with its answer's length: until then nothing is
            // begun behind it that might be paid for and could not be told.
            if let open = exchanges.firstIndex(where: \.isOld) { exchanges[open].isLast = true }
            isPastEnd = isClosing || exchanges.contains(where: \.isLast)
            if !isPastEnd {
                exchanges.append(Exchange(head, maxBodyBytes: maxBodyBytes))
                // One that came behind others is told when it is its turn: their answers come first.
                if exchanges.count == 1 { askForBody(context) }
            }
        }
        if !isPastEnd { context.fireChannelRead(data) }
    }

    private func askForBody(_ context: ChannelHandlerContext) {
        guard let next = exchanges.first, next.isWaiting else { return }
        exchanges[0].isWaiting = false
        let head = HTTPResponseHead(version: .http1_1, status: .continue)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // What comes behind the last answer would be read as a part of it.
        guard !isClosing else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        // Without a request it is the answer to what was none.
        guard let exchange = exchanges.first else { return context.write(data, promise: promise) }
        switch unwrapOutboundIn(data) {
        case .head(let head) where exchange.isOld || exchange.isLast:
            context.write(wrapOutboundOut(.head(adapted(head))), promise: promise)
        case .head, .body:
            context.write(data, promise: promise)
        case .end:
            exchanges.removeFirst()
            // The encoder would end the chunks of a body that there is not: by a mark that is read as the next answer.
            let end = exchange.isHead ? wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))) : data
            guard exchange.isLast else {
                context.write(end, promise: promise)
                return askForBody(context)
            }
            isClosing = true
            context.writeAndFlush(end, promise: promise)
            // Only this half: to close all would throw away what the client has not read yet.
            context.close(mode: .output, promise: nil)
        }
    }

    private func adapted(_ head: HTTPResponseHead) -> HTTPResponseHead {
        var head = head
        if head.headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "close" }) {
            exchanges[0].isLast = true
        }
        if exchanges[0].isOld {
            head.version = .http1_0
            // Without a length the end of the connection is the end of the answer.
            if !head.headers.contains(name: "content-length") { exchanges[0].isLast = true }
        }
        head.headers.replaceOrAdd(name: "connection", value: exchanges[0].isLast ? "close" : "keep-alive")
        return head
    }
}

/// Puts `HTTP1Courtesy` before the codec that forgets a request's version. A stream of HTTP/2 has none, and needs
/// nothing of it.
final class HTTP1CourtesyPlacer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let maxBodyBytes: Int

    init(_ maxBodyBytes: Int) { self.maxBodyBytes = maxBodyBytes }

    func handlerAdded(context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        guard let codec = try? pipeline.handler(type: HTTP1ToHTTPServerCodec.self) else { return }
        try? pipeline.addHandler(HTTP1Courtesy(maxBodyBytes), position: .before(codec))
    }
}
