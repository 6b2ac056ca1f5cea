internal import Foundation
internal import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import Ledger
internal import Logging
internal import NIOCore

/// `/console`: pages for operators, finance and auditors. They change nothing.
struct ConsoleEndpoints: Sendable {
    typealias Work = @Sendable (inout ConsoleCall) async throws -> ConsoleAnswer
    /// Who may read administrative events.
    static let eventReaders: Set<AdminRole> = [.operator, .auditor]
    private let services: GatewayServices
    private let sessions: ConsoleSessions

    init(services: GatewayServices, sessions: ConsoleSessions = ConsoleSessions()) {
        self.services = services
        self.sessions = sessions
    }

    func register(on router: GatewayRouter) {
        router.get("/console/style.css") { _, _ in ConsoleResponse.style }
        router.post("/console/sign-in") { request, context in await signIn(request, context) }
        router.post("/console/sign-out") { request, context in await signOut(request, context) }
        // Where a browser's history leads to, or an address that was cut short.
        for path in ["/console/sign-in", "/console/sign-out", "/console/tenants"] {
            router.get(RouterPath(path)) { _, _ in ConsoleResponse.redirect(ConsoleLink.root) }
        }
        page("/console", on: router) { try await Self.inTurn(&$0, ConsolePages.overview) }
        page("/console/events", for: Self.eventReaders, on: router) { try await ConsolePages.events(&$0) }
        page("/console/prices", on: router) { try await ConsolePages.prices(&$0) }
        page("/console/tenants/:name", on: router) { try await Self.inTurn(&$0, ConsolePages.tenant) }
        page("/console/tenants/:name/escalations", on: router) { try await ConsolePages.escalations(&$0) }
        page("/console/tenants/:name/escalations/:seq", on: router) { try await ConsolePages.escalation(&$0) }
        page("/console/tenants/:name/refusals", on: router) { try await ConsolePages.refusals(&$0) }
        page("/console/tenants/:name/statements/:month", on: router) {
            try await Self.inTurn(&$0, ConsolePages.statement)
        }
        page("/console/tenants/:name/statements", on: router) { .redirect(ConsoleLink.tenant(try $0.tenant())) }
        page("/console/**", on: router) { _ in throw GatewayRefusal.noConsolePage }
    }

    private func page(
        _ path: RouterPath, for roles: Set<AdminRole> = Set(AdminRole.allCases), on router: GatewayRouter,
        _ work: @escaping Work
    ) {
        router.get(path) { request, context in await answer(request, context, roles, work) }
    }

    /// A page that adds up many rows.
    private static func inTurn(
        _ call: inout ConsoleCall, _ work: (inout ConsoleCall) async throws -> ConsoleAnswer
    ) async throws -> ConsoleAnswer {
        let turn = try await call.services.records.turns.next()
        defer { withExtendedLifetime(turn) {} }
        return try await work(&call)
    }

    // MARK: - Pages

    private func answer(
        _ request: Request, _ context: GatewayContext, _ roles: Set<AdminRole>, _ work: Work
    ) async -> Response {
        guard let administration = services.administration else { return off() }
        var visitor: ConsoleVisitor?
        do {
            let entry = try await sessions.entry(request, administration, now: Date())
            guard case .known(let identity, let hasCookie) = entry else { return signInPage(entry, request) }
            visitor = ConsoleVisitor(identity, canSignOut: hasCookie, section: "")
            guard roles.contains(identity.role) else { throw GatewayRefusal.roleNotAllowed(identity) }
            var call = try ConsoleCall(request, context, services, administration, identity)
            // Not on the event loop: other clients' answers are on it.
            switch try await AdminExecutor.run({ try await work(&call) }) {
            case .page(let page):
                let shown = ConsoleVisitor(identity, canSignOut: hasCookie, section: page.section)
                return try ConsoleResponse.page(ConsoleFrame(page: page, visitor: shown))
            case .document(let html): return ConsoleResponse.document(html)
            case .redirect(let path): return ConsoleResponse.redirect(path)
            }
        } catch {
            let refusal = GatewayRefusal(ofPage: error)
            log(refusal, context)
            return refuse(refusal, on: ErrorPage(refusal).page, visitor: visitor)
        }
    }

    /// What was asked for is not shown before it is known who asks. At the door that is no error.
    private func signInPage(_ entry: ConsoleEntry, _ request: Request) -> Response {
        var problem: String?
        if case .unknown(let text) = entry { problem = text }
        let isAtDoor = problem == nil && request.uri.path == ConsoleLink.root
        return render(SignInPage(problem: problem).page, status: isAtDoor ? 200 : 401)
    }

    private func off() -> Response { render(ConsolePage("off", title: "The console is off", content: ""), status: 404) }

    private func refuse(
        _ refusal: GatewayRefusal, on page: ConsolePage, visitor: ConsoleVisitor? = nil
    ) -> Response {
        var response = render(page, status: refusal.status, visitor: visitor)
        if let seconds = refusal.retryAfterSeconds { response.headers[.retryAfter] = String(seconds) }
        return response
    }

    /// Counts what is refused: none of it is an error any more where others are counted.
    private func render(_ page: ConsolePage, status: Int, visitor: ConsoleVisitor? = nil) -> Response {
        let response = make(page, status: status, visitor: visitor)
        if response.status.code >= 400 {
            services.metrics.registry.add("gboost_requests_total", 1, ["", "", String(response.status.code)])
        }
        return response
    }

    private func make(_ page: ConsolePage, status: Int, visitor: ConsoleVisitor?) -> Response {
        let status = HTTPResponse.Status(code: status)
        do { return try ConsoleResponse.page(ConsoleFrame(page: page, visitor: visitor), status: status) } catch {
            services.logger.error("a page of the console cannot be made", metadata: ["error": "\(error)"])
            return ConsoleResponse.plain("The gateway failed.", status: .internalServerError)
        }
    }

    private func log(_ refusal: GatewayRefusal, _ context: GatewayContext) {
        guard let text = refusal.logText else { return }
        context.logger.warning(
            "page refused",
            metadata: ["request": "\(context.requestID.text)", "code": "\(refusal.code)", "why": "\(text)"])
    }

    // MARK: - Sessions

    private func signIn(_ request: Request, _ context: GatewayContext) async -> Response {
        guard let administration = services.administration else { return off() }
        do {
            try request.requireOwnOrigin()
            let form = try await ConsoleForm.read(request, services.limits)
            let credential = try form.only("credential").trimmingCharacters(in: .whitespacesAndNewlines)
            guard let identity = try await administration.identity(presenting: credential) else {
                throw GatewayRefusal.unknownCredential
            }
            guard let sealed = sessions.seal(credential, now: Date()) else { throw GatewayRefusal.longCredential }
            context.logger.info(
                "signed in to the console",
                metadata: ["request": "\(context.requestID.text)", "who": "\(identity.actor)"])
            return ConsoleResponse.redirect(
                ConsoleLink.root, cookie: ConsoleSessions.cookie(sealed, isSecure: isByTLS(request)))
        } catch {
            let refusal = GatewayRefusal(ofPage: error)
            logFailedSignIn(refusal, context)
            return refuse(refusal, on: SignInPage(problem: refusal.message).page)
        }
    }

    /// Whoever guesses is to be seen. Nothing of what was presented is said.
    private func logFailedSignIn(_ refusal: GatewayRefusal, _ context: GatewayContext) {
        var metadata: Logger.Metadata = [
            "request": "\(context.requestID.text)", "code": "\(refusal.code)",
            "peer": "\(context.peer?.ipAddress ?? "unknown")",
        ]
        if let text = refusal.logText { metadata["why"] = "\(text)" }
        context.logger.warning("sign-in to the console failed", metadata: metadata)
    }

    /// Whether a cookie that goes over TLS alone comes back.
    private func isByTLS(_ request: Request) -> Bool { services.endsTLS || request.cameByTLS }

    private func signOut(_ request: Request, _ context: GatewayContext) async -> Response {
        guard services.administration != nil else { return off() }
        do {
            try request.requireOwnOrigin()
            if let cookie = request.cookies[ConsoleSessions.cookieName] { sessions.end(cookie.value, now: Date()) }
            return ConsoleResponse.redirect(
                ConsoleLink.root, cookie: ConsoleSessions.forgottenCookie(isSecure: isByTLS(request)))
        } catch {
            let refusal = GatewayRefusal(ofPage: error)
            return refuse(refusal, on: ErrorPage(refusal).page)
        }
    }
}

extension GatewayRefusal {
    fileprivate static let unknownCredential = GatewayRefusal(
        status: 401, type: "authentication_error", code: "invalid_admin_key",
        message: "This is neither the administrator's key nor a token that is known here.")

    /// Known, and yet no session can be begun with it.
    fileprivate static let longCredential = GatewayRefusal(
        status: 400, type: "invalid_request_error", code: "credential_too_long",
        message: """
            The token has more than \(ConsoleSessions.maxCredentialBytes) bytes, which no cookie can keep: have it \
            made with fewer claims, or let a proxy that signs people in send it in the header.
            """)
}

/// Where somebody says who they are.
struct SignInPage: Sendable {
    /// Why the page is shown again; nil: it was asked for.
    let problem: String?
    let hours = Int(ConsoleSessions.lifetime / 3600)

    var page: ConsolePage { ConsolePage("sign-in", title: "Sign in", content: self) }
}

/// What went wrong.
struct ErrorPage: Sendable {
    let status: Int
    let message: String

    init(_ refusal: GatewayRefusal) {
        status = refusal.status
        message = refusal.message
    }

    var page: ConsolePage {
        let title =
            switch status {
            case 400: "Not understood"
            case 403: "Not allowed"
            case 404: "Not found"
            case 503: "Not available now"
            default: status < 500 ? "Refused" : "Something failed"
            }
        return ConsolePage("error", title: title, content: self)
    }
}
