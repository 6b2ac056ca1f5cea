internal import HTTPTypes
internal import Hummingbird
internal import Synchronization

/// The server's paths and their methods, for telling a wrong method from a wrong path.
///
/// Filled once all routes are there: whoever asks stands before them.
final class KnownPaths: Sendable {
    private struct Route: Sendable {
        var path: RouterPath
        var method: HTTPRequest.Method

        /// Whether it is for the path with these parts.
        func takes(_ parts: [Substring]) -> Bool {
            for (index, element) in path.components.enumerated() {
                guard index < parts.count else { return false }
                if element == .recursiveWildcard {
                    let rest = path.components[(index + 1)...]
                    return parts.count - index > rest.count
                        && zip(rest, parts.suffix(rest.count)).allSatisfy { $0 ~= $1 }
                }
                guard element ~= parts[index] else { return false }
            }
            return parts.count == path.components.count
        }
    }
    private let routes = Mutex<[Route]>([])

    func fill(from router: Router<GatewayContext>) {
        let found = router.routes.map { Route(path: $0.path, method: $0.method) }
        routes.withLock { $0 = found }
    }

    /// In alphabetical order; none: there is nothing at this path.
    func methods(of path: String) -> [HTTPRequest.Method] {
        let parts = path.split(separator: "/")
        let methods = Set(routes.withLock { $0 }.filter { $0.takes(parts) }.map(\.method))
        return methods.sorted { $0.rawValue < $1.rawValue }
    }
}
