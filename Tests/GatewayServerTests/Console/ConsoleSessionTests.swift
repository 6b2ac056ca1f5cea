import Crypto
import Foundation
import GatewayTesting
import HTTPTypes
import Hummingbird
import Logging
import Testing

@testable import GatewayServer

@Suite("The console: who is let in, and how long")
struct ConsoleSessionTests {
    @Test("the key opens a session that the browser's cookie carries, and that nobody can read or change")
    func session() async throws {
        try await AdminFixture.with { fixture in
            var browser = ConsoleBrowser(fixture.services)
            let door = try await browser.get("/console")
            #expect(door.status == 200 && door.text.contains("name=\"credential\""))
            #expect(door.headers[.setCookie] == nil && !door.text.contains("acme"))
            let inner = try await browser.get("/console/tenants/acme")
            #expect(inner.status == 401 && inner.text.contains("name=\"credential\""))
            for wrong in ["not the key", "test.nobody.", "a.b.c"] {
                let answer = try await browser.signIn(wrong)
                #expect(answer.status == 401 && answer.headers[.setCookie] == nil && !answer.text.contains(wrong))
                #expect(answer.text.contains("class=\"problem\""))
            }
            let opened = try await browser.signIn("  \(AdminFixture.key)\n")
            #expect(opened.status == 303 && opened.headers[.location] == "/console")
            let cookie = try #require(opened.headers[.setCookie])
            #expect(
                cookie.hasPrefix("gboost_console=")
                    && cookie.hasSuffix("; Max-Age=28800; Path=/console; HttpOnly; SameSite=Strict"))
            let page = try await browser.get("/console")
            #expect(page.status == 200 && page.text.contains(">admin-key<") && page.text.contains("Sign out"))

            let good = try #require(browser.cookie)
            var other = ConsoleBrowser(fixture.services)
            other.cookie = good
            #expect(try await other.get("/console").status == 401, "another process's key opens nothing")
            let value = good.dropFirst("gboost_console=".count)
            browser.cookie = "gboost_console=\(value.hasPrefix("A") ? "B" : "A")\(value.dropFirst())"
            let tampered = try await browser.get("/console")
            #expect(tampered.status == 401 && tampered.text.contains("session has ended"))
            for bad in ["gboost_console=", "gboost_console=AAAA", "gboost_console=%%%", "gboost_consol=\(good)"] {
                browser.cookie = bad
                #expect(try await browser.get("/console/prices").status == 401, "\(bad)")
            }
            browser.cookie = good
            let closed = try await browser.post("/console/sign-out", nil)
            #expect(closed.status == 303)
            #expect(
                closed.headers[.setCookie] == "gboost_console=; Max-Age=0; Path=/console; HttpOnly; SameSite=Strict")
        }
    }

    @Test("signing out ends the session wherever its cookie is kept, no other session, and not by another site's page")
    func signOut() async throws {
        try await AdminFixture.with { fixture in
            var (browser, other) = (ConsoleBrowser(fixture.services), ConsoleBrowser(fixture.services))
            _ = try await browser.signIn(AdminFixture.key)
            let kept = browser.cookie
            _ = try await browser.signIn(AdminFixture.key)
            let second = browser.cookie
            #expect(try await other.signIn(AdminFixture.key).status == 303)
            browser.cookie = kept
            let form: HTTPFields = [.contentType: "application/x-www-form-urlencoded", .origin: "https://evil.example"]
            #expect(try await browser.post("/console/sign-out", nil, headers: form).status == 403)
            #expect(try await browser.get("/console/prices").status == 200)
            #expect(try await browser.post("/console/sign-out", nil).status == 303)
            let again = try await browser.get("/console/prices")
            #expect(again.status == 401 && again.text.contains("Your session has ended"))
            // Twice, and without a session, it is the same.
            #expect(try await browser.post("/console/sign-out", nil).status == 303)
            browser.cookie = second
            #expect(try await browser.get("/console/prices").status == 200)
            #expect(try await other.get("/console/prices").status == 200)
        }
    }

    @Test("of sessions that were signed out of none begins again, however many there are")
    func ended() {
        let ended = EndedSessions(most: 3)
        for number in UInt8(1)...3 { ended.add([number], until: 100 + Int64(number), now: 50) }
        #expect((UInt8(1)...3).allSatisfy { ended.has([$0], until: 100 + Int64($0)) })
        #expect(!ended.has([9], until: 101))
        // One has run out: there is a place.
        ended.add([4], until: 104, now: 101)
        #expect(ended.has([4], until: 104) && ended.has([2], until: 102) && !ended.has([9], until: 101))
        // There is none: those of the same time have ended with them, later ones have not.
        ended.add([5], until: 105, now: 101)
        #expect((UInt8(2)...5).allSatisfy { ended.has([$0], until: 100 + Int64($0)) })
        #expect(ended.has([9], until: 104) && !ended.has([9], until: 105))
    }

    @Test("tokens open sessions of their roles, and a header does without a cookie")
    func tokens() async throws {
        try await AdminFixture.with { fixture in
            var browser = ConsoleBrowser(fixture.services)
            #expect(try await browser.signIn("test.auditor.acme").status == 303)
            let page = try await browser.get("/console/tenants/acme")
            #expect(page.status == 200 && page.text.contains("auditor of acme"))
            let bearer = try await fixture.sendAnywhere(.get, "/console/prices", by: .role(.billing))
            #expect(bearer.status == 200 && bearer.text.contains("jwt:billing") && !bearer.text.contains("Sign out"))
            for asking in [AdminFixture.Asking(credential: "gb-test"), .init(credential: "a.b.c")] {
                let answer = try await fixture.sendAnywhere(.get, "/console", by: asking)
                #expect(answer.status == 401 && answer.text.contains("class=\"problem\""))
            }
            // A proxy's own token in the header is no hindrance to a session.
            let both = try await browser.get("/console/prices", headers: [.authorization: "Bearer a.b.c"])
            #expect(both.status == 200)
            let long = "test.auditor.\(String(repeating: "b", count: ConsoleSessions.maxCredentialBytes))"
            let refused = try await browser.signIn(long)
            #expect(refused.status == 400 && refused.headers[.setCookie] == nil && refused.text.contains("2900 bytes"))
        }
    }

    private struct AwayTokens: AdminTokenVerifying {
        func identity(of token: String) async throws -> AdminIdentity { throw GatewayRefusal.tokenKeysUnavailable("x") }
    }

    @Test("what the console refuses is counted, and who fails to sign in is in the log without what was presented")
    func refusals() async throws {
        try await AdminFixture.with { fixture in
            let log = KeptLog()
            var services = fixture.services
            services.logger = log.logger
            var browser = ConsoleBrowser(services)
            #expect(try await browser.get("/console").status == 200)
            #expect(try await browser.get("/console/prices").status == 401)
            #expect(try await browser.signIn("test.nobody.secret").status == 401)
            let line = try #require(log.lines(.warning).first)
            #expect(line.message == "sign-in to the console failed" && line.metadata["code"] == "invalid_admin_key")
            #expect(line.metadata["request"]?.isEmpty == false && line.metadata["peer"]?.isEmpty == false)
            #expect(log.lines.allSatisfy { !$0.text.contains("secret") })
            #expect(try await browser.signIn(AdminFixture.key).status == 303)
            #expect(try await browser.get("/console/nothing").status == 404)
            let text = services.metrics.registry.render()
            #expect(text.contains(#"gboost_requests_total{tenant="",model="",status="401"} 2"#), "\(text)")
            #expect(text.contains(#"gboost_requests_total{tenant="",model="",status="404"} 1"#), "\(text)")
            services.administration = Administration(
                store: fixture.store, key: nil, tokens: AwayTokens(), tenant: "acme")
            var other = ConsoleBrowser(services)
            for answer in [
                try await other.signIn("a.b.c"),
                try await other.get("/console", headers: [.authorization: "Bearer a.b.c"]),
            ] { #expect(answer.status == 503 && answer.headers[.retryAfter] == "5") }
        }
    }

    @Test("a form is taken from our own pages only, and as browsers send it")
    func forms() async throws {
        try await AdminFixture.with { fixture in
            let browser = ConsoleBrowser(fixture.services)
            let form = "credential=\(ConsoleLink.segment(AdminFixture.key))"
            let type: HTTPFields = [.contentType: "application/x-www-form-urlencoded; charset=UTF-8"]
            for (origin, site, status) in [
                ("http://localhost", nil, 303), ("http://LOCALHOST:80", nil, 303), ("https://evil.example", nil, 403),
                ("null", nil, 403), ("http://localhost.evil.example", nil, 403), ("localhost", nil, 403),
                ("null", "same-origin", 303), ("null", "cross-site", 403), ("http://localhost", "cross-site", 403),
                (nil, "same-site", 403), (nil, "none", 303),
            ] as [(String?, String?, Int)] {
                var headers = type
                if let origin { headers[.origin] = origin }
                if let site { headers[.secFetchSite] = site }
                for path in ["/console/sign-in", "/console/sign-out"] {
                    let answer = try await browser.post(path, form, headers: headers)
                    let what = "\(path) \(origin ?? "-") \(site ?? "-")"
                    #expect(
                        answer.status == status && (answer.headers[.setCookie] != nil) == (status == 303), "\(what)")
                }
            }
            var forwarded = type
            forwarded[.forwardedHost] = "gw.example.com"
            forwarded[.origin] = "https://gw.example.com"
            forwarded[.forwardedProto] = "https"
            let proxied = try await browser.post("/console/sign-in", form, headers: forwarded)
            #expect(proxied.status == 303 && proxied.headers[.setCookie]?.hasSuffix("; Secure") == true)
            // Over the gateway's own TLS, HTTP/1.1 says "http" all the same.
            var services = fixture.services
            services.endsTLS = true
            for path in ["/console/sign-in", "/console/sign-out"] {
                let sent = try await ConsoleBrowser(services).post(path, form, headers: type)
                #expect(sent.status == 303 && sent.headers[.setCookie]?.hasSuffix("; Secure") == true, "\(path)")
            }
            for (body, status) in [
                ("", 400), ("credential", 400), ("credential=", 401), ("\(form)&\(form)", 400), ("\(form)&x=1", 400),
                ("credential=%4", 400), ("credential=%zz", 400), ("credential=%ff", 400), ("a=b=c", 400),
                ("credential=" + String(repeating: "a", count: 33 * 1024), 413),
            ] {
                let answer = try await browser.post("/console/sign-in", body)
                #expect(answer.status == status, "\(body.prefix(40))")
                #expect(answer.headers[.contentType] == "text/html; charset=utf-8")
            }
            let json = try await browser.post(
                "/console/sign-in", #"{"credential": "x"}"#, headers: [.contentType: "application/json"])
            #expect(json.status == 415)
        }
    }

    @Test("a session ends after eight hours, with its process's key, and with a changed byte")
    func sealing() throws {
        let sessions = ConsoleSessions()
        let start = Date(timeIntervalSince1970: 1_800_000_000)
        let sealed = try #require(sessions.seal("the credential", now: start))
        #expect(sealed.utf8.allSatisfy { UInt8(ascii: "=") != $0 && UInt8(ascii: ";") != $0 && $0 > 0x20 })
        #expect(sessions.open(sealed, now: start) == "the credential")
        #expect(sessions.open(sealed, now: start + 8 * 3600 - 1) == "the credential")
        #expect(sessions.open(sealed, now: start + 8 * 3600) == nil)
        #expect(ConsoleSessions().open(sealed, now: start) == nil)
        #expect(try #require(sessions.seal("the credential", now: start)) != sealed)
        for index in sealed.indices {
            var changed = sealed
            changed.replaceSubrange(index...index, with: sealed[index] == "x" ? "y" : "x")
            // The last letter may have bits that say nothing.
            if index != sealed.index(before: sealed.endIndex) { #expect(sessions.open(changed, now: start) == nil) }
        }
        let most = String(repeating: "x", count: ConsoleSessions.maxCredentialBytes)
        #expect(try #require(sessions.seal(most, now: start)).utf8.count < 4000)
        #expect(sessions.seal(most + "x", now: start) == nil)
    }

    @Test("without administration the console says how it is switched on")
    func off() async throws {
        let browser = ConsoleBrowser(Fixture().services)
        for path in ["/console", "/console/prices", "/console/tenants/acme/refusals"] {
            let answer = try await browser.get(path)
            #expect(answer.status == 404 && answer.text.contains("admin.jwt") && answer.text.contains("<h1>"))
        }
        #expect(try await browser.post("/console/sign-in", "credential=x").status == 404)
        #expect(try await browser.post("/console/sign-out", nil).status == 404)
        let style = try await browser.get("/console/style.css")
        #expect(style.status == 200 && style.headers[.contentType] == "text/css; charset=utf-8")
    }
}
