package import GatewayCore

/// A route as scripts read it.
package struct RouteDocument: Encodable {
    var id: Int64
    var name: String
    var slm: String
    var prm: String?
    var llm: String
    var settings: RouteSettings

    /// What is shown of a route.
    package init(_ route: RouteRecord) {
        id = route.id
        name = route.name
        slm = route.slm
        prm = route.prm
        llm = route.llm.description
        settings = route.settings
    }
}
