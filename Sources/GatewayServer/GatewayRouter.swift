internal import HTTPTypes
internal import Hummingbird

/// A router whose paths answer HEAD wherever they answer GET, by the same work.
///
/// Hummingbird's own way there says of an answer that is written as it comes that it has a length of 0.
struct GatewayRouter: RouterMethods {
    typealias Context = GatewayContext

    private let inner: Router<GatewayContext>

    init(_ inner: Router<GatewayContext>) { self.inner = inner }

    @discardableResult
    func on<Responder: HTTPResponder>(
        _ path: RouterPath, method: HTTPRequest.Method, responder: Responder
    ) -> GatewayRouter where Responder.Context == GatewayContext {
        inner.on(path, method: method, responder: responder)
        if method == .get { inner.on(path, method: .head, responder: responder) }
        return self
    }

    @discardableResult
    func add(middleware: any MiddlewareProtocol<Request, Response, GatewayContext>) -> GatewayRouter {
        inner.add(middleware: middleware)
        return self
    }
}
