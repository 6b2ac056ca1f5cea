internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import Mustache
internal import NIOCore

/// One page: which template makes it, of what.
struct ConsolePage: Sendable {
    /// A step on the way to the page.
    struct Crumb: Sendable {
        let text: String
        let href: String
    }

    var template: String
    var title: String
    var crumbs: [Crumb] = []
    /// Which of the header's links it belongs to.
    var section = ""
    var content: any Sendable

    init(_ template: String, title: String, content: any Sendable) {
        self.template = template
        self.title = title
        self.content = content
    }

    /// The way to a page of a tenant's; bound identities see no list of tenants.
    mutating func place(below tenant: String?, for identity: AdminIdentity) {
        section = "tenants"
        if identity.tenant == nil { crumbs.append(Crumb(text: "Tenants", href: ConsoleLink.root)) }
        if let tenant { crumbs.append(Crumb(text: tenant, href: ConsoleLink.tenant(tenant))) }
    }
}

/// What a handler of the console answers.
enum ConsoleAnswer: Sendable {
    case page(ConsolePage)
    /// A whole document with a style sheet within.
    case document(String)
    case redirect(String)
}

/// Who looks at a page, as its header says.
struct ConsoleVisitor: Sendable {
    struct Link: Sendable {
        let text: String
        let href: String
        let isCurrent: Bool
    }
    let actor: String
    let role: String
    /// The only tenant; nil: all of them.
    let scope: String?
    let canSignOut: Bool
    let links: [Link]

    init(_ identity: AdminIdentity, canSignOut: Bool, section: String) {
        actor = identity.actor
        role =
            switch identity.role {
            case .operator: "operator"
            case .tenantAdmin: "tenant administrator"
            case .billing: "billing"
            case .auditor: "auditor"
            }
        scope = identity.tenant
        self.canSignOut = canSignOut
        var links = [("tenants", identity.tenant ?? "Tenants", ConsoleLink.root)]
        if ConsoleEndpoints.eventReaders.contains(identity.role) {
            links.append(("events", "Events", "\(ConsoleLink.root)/events"))
        }
        links.append(("prices", "Prices", "\(ConsoleLink.root)/prices"))
        self.links = links.map { Link(text: $0.1, href: $0.2, isCurrent: $0.0 == section) }
    }
}

/// What the frame's template is filled with.
struct ConsoleFrame: MustacheParent {
    let page: ConsolePage
    let visitor: ConsoleVisitor?

    func child(named name: String) -> Any? {
        switch name {
        case "title": page.title
        case "template": page.template
        case "crumbs": page.crumbs
        case "hasCrumbs": !page.crumbs.isEmpty
        case "page": page.content
        case "visitor": visitor
        default: nil
        }
    }
}

/// Responses of the console: whatever they say, no other site may frame them, read them or run anything in them, and
/// nobody keeps them.
enum ConsoleResponse {
    /// No scripts at all; styles and forms of our own only.
    static let policy = """
        default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
        frame-ancestors 'none'
        """
    /// Of a document that has its styles within.
    static let documentPolicy = policy.replacing("style-src 'self'", with: "style-src 'self' 'unsafe-inline'")
    private static let styleSeconds = 300

    static func page(_ frame: ConsoleFrame, status: HTTPResponse.Status = .ok) throws -> Response {
        html(try ConsoleTemplates.render(frame), status: status, policy: policy)
    }

    static func document(_ html: String) -> Response { self.html(html, status: .ok, policy: documentPolicy) }

    /// Goes on to another page, by GET.
    static func redirect(_ path: String, cookie: String? = nil) -> Response {
        var headers = headers(policy)
        headers[.location] = path
        if let cookie { headers[.setCookie] = cookie }
        return Response(status: .seeOther, headers: headers)
    }

    static var style: Response {
        var headers = headers(policy)
        headers[.contentType] = "text/css; charset=utf-8"
        headers[.cacheControl] = "max-age=\(styleSeconds)"
        return Response(
            status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(string: ConsoleStyle.sheet)))
    }

    /// Where not even an error's page can be made: a defect.
    static func plain(_ text: String, status: HTTPResponse.Status) -> Response {
        var headers = headers(policy)
        headers[.contentType] = "text/plain; charset=utf-8"
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    private static func html(_ text: String, status: HTTPResponse.Status, policy: String) -> Response {
        Response(status: status, headers: headers(policy), body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    private static func headers(_ policy: String) -> HTTPFields {
        [
            .contentType: "text/html; charset=utf-8",
            .contentSecurityPolicy: policy,
            .xContentTypeOptions: "nosniff",
            // Not `no-referrer`: with that, browsers send `Origin: null` with our own forms, too. Other sites hear
            // nothing either way.
            .referrerPolicy: "same-origin",
            .cacheControl: "no-store",
        ]
    }
}
