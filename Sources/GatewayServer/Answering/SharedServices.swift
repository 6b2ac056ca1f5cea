/// The services of a gateway in one place: a request's state is copied from task to task, and three dozen references
/// are not to be counted up and down with it each time.
final class SharedServices: Sendable {
    let services: GatewayServices
    init(_ services: GatewayServices) { self.services = services }
}
