internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import Logging

/// The single place where an error becomes a response. Also puts the request id on every answer, and takes the body off
/// the answer to HEAD: it would be read as the next answer, or end all of an HTTP/2 connection.
struct RefusalMiddleware: RouterMiddleware {
    typealias Context = GatewayContext
    let metrics: GatewayMetrics
    /// What there is, where nothing was found.
    let paths: KnownPaths
    /// Whether answers carry LiteLLM's headers too.
    var aliases = false

    @concurrent func handle(
        _ request: Request, context: GatewayContext,
        next: @concurrent (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let refusal as GatewayRefusal {
            response = respond(to: refusal, request, context)
        } catch let error as HTTPError where error.status == .notFound {
            response = respondToUnknown(request, context)
        } catch let error as HTTPError where error.status.code < 500 {
            let refusal = GatewayRefusal.invalidRequest(
                error.body ?? error.status.reasonPhrase, parameter: nil, status: Int(error.status.code))
            response = respond(to: refusal, request, context)
        } catch {
            response = respond(to: .unexpected(error), request, context)
        }
        response.headers[.requestID] = context.requestID.text
        // Where the clients of either vendor look for it.
        let vendors: HTTPField.Name = ClientWire(request) == .anthropic ? .anthropicRequestID : .openAIRequestID
        response.headers[vendors] = context.requestID.text
        if aliases { response.headers.addLiteLLMAliases() }
        return request.method == .head ? response.withoutBody : response
    }

    /// Nothing takes this request: there is nothing at its path, or nothing by its method.
    private func respondToUnknown(_ request: Request, _ context: GatewayContext) -> Response {
        let path = request.uri.path
        let methods = paths.methods(of: path)
        guard !methods.isEmpty, !methods.contains(request.method) else {
            let refusal = GatewayRefusal(
                status: 404, type: "invalid_request_error", code: "unknown_path",
                message: "There is nothing at \(path).")
            return respond(to: refusal, request, context)
        }
        let allowed = methods.map(\.rawValue).joined(separator: ", ")
        let refusal = GatewayRefusal(
            status: 405, type: "invalid_request_error", code: "method_not_allowed",
            message: "\(path) takes \(allowed), not \(request.method.rawValue).")
        var response = respond(to: refusal, request, context)
        response.headers[.allow] = allowed
        return response
    }

    private func respond(to refusal: GatewayRefusal, _ request: Request, _ context: GatewayContext) -> Response {
        if let text = refusal.logText {
            context.logger.warning(
                "request refused",
                metadata: [
                    "request": "\(context.requestID.text)", "code": "\(refusal.code)",
                    "why": "\(text)",
                ])
        }
        if !refusal.isCounted {
            let tenant = context.caller?.tenant.name ?? ""
            metrics.registry.add("gboost_requests_total", 1, [tenant, "", String(refusal.status)])
        }
        return refusal.response(
            wire: ClientWire(request), requestID: context.requestID.text)
    }
}

extension Response {
    /// The answer to HEAD: the same without the body, and with its length only where that is known before it is
    /// written.
    fileprivate var withoutBody: Response {
        guard !headers.contains(.contentLength) else { return Response(status: status, headers: headers) }
        // An empty body has a length as well, which would be said.
        return Response(
            status: status, headers: headers, body: ResponseBody { writer in try await writer.finish(nil) })
    }
}

extension GatewayRefusal {
    /// The request's stream broke before its end: the client has gone, or its framing is no HTTP. No fault of ours, and
    /// nothing for the log.
    static let unfinishedRequest = GatewayRefusal(
        status: 400, type: "invalid_request_error", code: "request_unfinished",
        message: "The request ended before its body did.")
}

extension ClientWire {
    /// The format of whoever sent this: by its path, or by the header that Anthropic's clients always send.
    init(_ request: Request) {
        let isMessages = request.uri.path.hasPrefix("/v1/messages")
        self = isMessages || request.headers[.anthropicVersion] != nil ? .anthropic : .openAI
    }
}
