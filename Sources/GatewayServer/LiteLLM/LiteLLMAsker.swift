internal import GatewayCore
internal import Hummingbird

/// Who asks at a path that is there for keys and for the administrator alike.
enum LiteLLMAsker: Sendable {
    case key(Caller)
    case administrator
    case nobody

    /// Keys come first: one that another gateway made may look like an administrator's token.
    /// - Throws: `GatewayRefusal` with 503 for a key that could not be looked up, unless it is the administrator's; for
    ///   a token what its verification throws, and 403 where its role is not the operator's.
    static func of(_ request: Request, _ services: GatewayServices) async throws -> LiteLLMAsker {
        var failure: AuthenticationFailure?
        if let key = AuthenticationMiddleware.key(in: request.headers) {
            do { return .key(try await services.catalog.authenticate(key)) } catch { failure = error }
        }
        do {
            if let administration = services.administration, try await administration.isOperator(request) {
                return .administrator
            }
        } catch let refusal as GatewayRefusal where refusal.status == 401 && failure == .unavailable {
            // No token that is accepted, and perhaps a good key.
        }
        if failure == .unavailable { throw GatewayRefusal(AuthenticationFailure.unavailable) }
        return .nobody
    }
}
