internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird

/// Puts the caller of a presented key into the context, or ends the request with 401; with 503 where the key could not
/// be looked up.
///
/// The key comes as `Authorization: Bearer gb-…`, as `x-api-key`, or as `api-key`, which Azure's clients send. No
/// answer says which of unknown, expired or revoked it was.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = GatewayContext
    /// Longer keys are not looked at: ours are far shorter.
    static let maxKeyBytes = 512
    let catalog: any Catalog

    @concurrent func handle(
        _ request: Request, context: GatewayContext,
        next: @concurrent (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        guard let key = Self.key(in: request.headers) else { throw GatewayRefusal.invalidKey }
        do {
            context.caller = try await catalog.authenticate(key)
        } catch {
            throw GatewayRefusal(error)
        }
        return try await next(request, context)
    }

    /// - Parameter mostBytes: tokens of administrators are longer than keys.
    static func key(in headers: HTTPFields, mostBytes: Int = AuthenticationMiddleware.maxKeyBytes) -> String? {
        var key = headers[.xAPIKey] ?? headers[.azureAPIKey]
        if let authorization = headers[.authorization] {
            let bytes = authorization.utf8.drop { $0 == UInt8(ascii: " ") }
            let scheme = bytes.prefix { $0 != UInt8(ascii: " ") }
            let rest = bytes[scheme.endIndex...].drop { $0 == UInt8(ascii: " ") }
            if !rest.isEmpty, Substring(scheme).lowercased() == "bearer" { key = String(Substring(rest)) }
        }
        guard let key, !key.isEmpty, key.utf8.count <= mostBytes else { return nil }
        return key
    }
}
