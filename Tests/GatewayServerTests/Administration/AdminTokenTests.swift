import Foundation
import GatewayTesting
import HTTPTypes
import Ledger
import Logging
import Synchronization
import Testing

@testable import GatewayServer

@Suite("Tokens of single sign-on")
struct AdminTokenTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let jane = AdminIdentity(actor: "jwt:jane@example.com", role: .operator)

    private static func tokens(
        _ address: KeyAddress, _ rules: AdminTokenRules = TokenSigner.rules, logger: Logger = AdminTokenTests.quiet
    ) -> AdminTokens {
        AdminTokens(
            rules, keys: TokenKeys(address.source, logger: logger, now: { address.now }),
            now: { Date(timeIntervalSince1970: Double(TokenSigner.now)) })
    }

    /// Nil: the token is taken.
    private static func refusal(_ tokens: AdminTokens, _ token: String) async throws -> GatewayRefusal? {
        do {
            _ = try await tokens.identity(of: token)
            return nil
        } catch let refusal as GatewayRefusal {
            return refusal
        }
    }

    private static func takes(_ tokens: AdminTokens, _ token: String) async throws -> Bool {
        try await refusal(tokens, token) == nil
    }

    @Test("a token is taken that was signed by any algorithm with a public key, whether or not it names its key")
    func algorithms() async throws {
        var signers = [TokenSigner.p256(), TokenSigner.p384(), TokenSigner.ed25519()]
        for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
            signers.append(try TokenSigner.rsa(name))
        }
        let tokens = Self.tokens(KeyAddress(Array(signers.prefix(4))))
        for signer in signers {
            #expect(try await tokens.identity(of: signer.token()) == Self.jane, "\(signer.algorithm)")
            var nameless = signer
            nameless.kid = nil
            #expect(try await tokens.identity(of: nameless.token()) == Self.jane, "\(signer.algorithm)")
        }
        let strange = try signers[0].token(["sub": #""a\u202eb\u0007c""#])
        #expect(try await tokens.identity(of: strange).actor == "jwt:a?b?c")
        let long = try signers[0].token(["sub": "\"\(String(repeating: "x", count: 300))\""])
        #expect(try await tokens.identity(of: long).actor == "jwt:" + String(repeating: "x", count: 200))
    }

    private typealias Case = (token: String, reason: String?)
    /// Signed rightly, and wrong or right in what they say; nil: right.
    private static let wrongClaims: [(changes: [String: String?], reason: String?)] = [
        ([:], nil),
        (["exp": "\(TokenSigner.now - 59)"], nil), (["exp": "\(TokenSigner.now - 61)"], "has expired"),
        (["exp": nil], "has no time of expiry"), (["exp": "null"], "has no time of expiry"),
        (["exp": "\"\(TokenSigner.now + 300)\""], "has no time of expiry"),
        (["nbf": "\(TokenSigner.now + 59)"], nil), (["nbf": "\(TokenSigner.now + 61)"], "is not valid yet"),
        (["nbf": "\"now\""], "has a start (nbf) that is no time"),
        (["iss": "\"\(TokenSigner.issuer)/\""], "is of another issuer"), (["iss": nil], "is of another issuer"),
        (["aud": #"["api", "gboost"]"#], nil), (["aud": #"["api", "gboost2"]"#], "is for another audience"),
        (["aud": "\"GBOOST\""], "is for another audience"), (["aud": "[]"], "is for another audience"),
        (["aud": "7"], "is for another audience"), (["aud": nil], "has no audience"),
        (["sub": nil], "has no subject"), (["sub": "\" \""], "has no subject"), (["sub": "7"], "has no subject"),
    ]

    @Test("a token is refused for each thing that can be wrong with it, and the reason is said")
    func wrong() async throws {
        let rsa = try TokenSigner.rsa()
        let p256 = TokenSigner.p256()
        let tokens = Self.tokens(KeyAddress([rsa, p256]))
        let good = try rsa.token()
        let parts = good.split(separator: ".").map(String.init)
        let other = try p256.token(["sub": "\"mallory\""]).split(separator: ".").map(String.init)
        let pem = try TokenSigner.publicPEM()
        var nameless = TokenSigner.p256()
        nameless.kid = nil
        let twice = #"{"iss":"\#(TokenSigner.issuer)","sub":"jane","sub":"mallory"}"#
        let unsigned = try rsa.token(header: ["alg": "\"none\""]).split(separator: ".").dropLast().joined(
            separator: ".")
        let forged: [Case] = [
            (unsigned + ".", "is not signed by one of the algorithms RS256"),
            (try rsa.token(header: ["alg": "\"none\""]), "is not signed by one of the algorithms"),
            (try TokenSigner.shared(pem, kid: "rsa").token(), "is not signed by one of the algorithms"),
            (try TokenSigner.shared(rsa.jwk, kid: nil).token(), "is not signed by one of the algorithms"),
            (try rsa.token(header: ["alg": nil]), "names no algorithm"),
            (try rsa.token(header: ["crit": #"["exp"]"#]), "asks for an extension"),
            (try rsa.token(header: ["kid": "7"]), "is malformed"),
        ]
        let missigned: [Case] = [
            (try rsa.token(header: ["alg": "\"RS384\""]), "has a wrong signature"),
            (try rsa.token(header: ["alg": "\"ES256\""]), "names a key (kid) that is not for its algorithm"),
            (try TokenSigner.p256().token(), "has a wrong signature"),
            (try TokenSigner.p256(kid: "next").token(), "is signed with a key (kid) that is not known"),
            (try nameless.token(), "has a wrong signature: it names no key"),
            ([parts[0], other[1], parts[2]].joined(separator: "."), "has a wrong signature"),
            ([parts[0], parts[1], ""].joined(separator: "."), "has a wrong signature"),
            ([other[0], other[1], "AAAA"].joined(separator: "."), "has a wrong signature"),
        ]
        let malformed: [Case] = [
            (parts[0] + "." + parts[1] + "=." + parts[2], "is malformed"),
            (try rsa.signed(#"{"alg":"RS256","kid":"rsa"}"#, twice), "is malformed"),
            (try rsa.signed(#"{"alg":"RS256","kid":"rsa"}"#, "[]"), "is malformed"),
            (try rsa.signed("RS256", "{}"), "is malformed"), ("..", "is malformed"), ("a.b", "is malformed"),
            (try rsa.token(["groups": "\"\(String(repeating: "g", count: 16_000))\""]), "is longer than 16384 bytes"),
        ]
        var cases = forged + missigned + malformed
        for (changes, reason) in Self.wrongClaims { cases.append((try rsa.token(changes), reason)) }
        for (index, (token, reason)) in cases.enumerated() {
            let refusal = try await Self.refusal(tokens, token)
            #expect((refusal == nil) == (reason == nil), "\(index): \(reason ?? "right"), \(refusal?.message ?? "")")
            guard let refusal, let reason else { continue }
            #expect(refusal.status == 401 && refusal.code == "invalid_token", "\(index): \(reason)")
            #expect(refusal.message.contains("The token \(reason)"), "\(index): \(refusal.message)")
            #expect(!refusal.message.contains("jane") && !refusal.message.contains(parts[1]), "\(refusal.message)")
        }
    }

    private static let granted: [(changes: [String: String?], identity: AdminIdentity)] = [
        (["gboost_role": #"["staff", "billing", "billing"]"#], AdminIdentity(actor: jane.actor, role: .billing)),
        (
            ["gboost_role": "\"tenant-admin\"", "gboost_tenant": "\"acme\""],
            AdminIdentity(actor: jane.actor, role: .tenantAdmin, tenant: "acme")
        ),
        (
            ["gboost_role": "\"auditor\"", "gboost_tenant": "\"acme\""],
            AdminIdentity(actor: jane.actor, role: .auditor, tenant: "acme")
        ),
        (
            ["gboost_role": "\"auditor\"", "gboost_tenant": "\"#7\""],
            AdminIdentity(actor: jane.actor, role: .auditor, tenant: "#7")
        ),
    ]
    private static let denied: [(changes: [String: String?], code: String)] = [
        (["gboost_role": nil], "no_role"), (["gboost_role": "null"], "no_role"), (["gboost_role": "7"], "no_role"),
        (["gboost_role": "[]"], "no_role"), (["gboost_role": "\"Operator\""], "no_role"),
        (["gboost_role": #"["operator", 7]"#], "no_role"), (["gboost_role": #"{"operator": true}"#], "no_role"),
        (["gboost_role": #"["billing", "auditor"]"#], "role_not_allowed"),
        (["gboost_role": "\"tenant-admin\""], "role_not_allowed"), (["gboost_tenant": "\"acme\""], "role_not_allowed"),
        (["gboost_role": "\"billing\"", "gboost_tenant": "null"], "role_not_allowed"),
        (["gboost_role": "\"billing\"", "gboost_tenant": "\"\""], "role_not_allowed"),
        (["gboost_role": "\"billing\"", "gboost_tenant": #"["acme"]"#], "role_not_allowed"),
        (["gboost_role": "\"billing\"", "gboost_tenant": #""a\nb""#], "role_not_allowed"),
        // The sign for kelvins is a K to whoever compares texts, and none in the database.
        (["gboost_role": "\"billing\"", "gboost_tenant": #""\u212a""#], "role_not_allowed"),
        (["gboost_role": "\"billing\"", "gboost_tenant": "\"..\""], "role_not_allowed"),
        (["gboost_role": "\"billing\"", "gboost_tenant": "\"#\""], "role_not_allowed"),
        (["gboost_role": "\"billing\"", "gboost_tenant": "\"a/b\""], "role_not_allowed"),
    ]

    @Test("a token has the one role that its claim names, by our words or by the provider's, and fits its tenant")
    func roles() async throws {
        let signer = TokenSigner.p256()
        let tokens = Self.tokens(KeyAddress([signer]))
        for (changes, identity) in Self.granted {
            #expect(try await tokens.identity(of: signer.token(changes)) == identity, "\(changes)")
        }
        for (changes, code) in Self.denied {
            let refusal = try await Self.refusal(tokens, signer.token(changes))
            #expect(refusal?.status == 403 && refusal?.code == code, "\(changes): \(refusal?.message ?? "taken")")
        }
        var rules = TokenSigner.rules
        (rules.roleClaim, rules.tenantClaim) = ("groups", "org")
        rules.roles = ["platform team": .operator, "finance": .billing, "controlling": .billing]
        let mapped = Self.tokens(KeyAddress([signer]), rules)
        let platform = try signer.token(["groups": #"["x", "platform team"]"#, "gboost_tenant": "\"acme\""])
        #expect(try await mapped.identity(of: platform) == Self.jane)
        let finance = try signer.token(["groups": #"["finance", "controlling"]"#, "org": "\"acme\""])
        #expect(
            try await mapped.identity(of: finance)
                == AdminIdentity(actor: Self.jane.actor, role: .billing, tenant: "acme"))
        // Our words are none where the provider's are told: its group of that name may be anything.
        let ours = try await Self.refusal(mapped, signer.token(["groups": "\"operator\""]))
        #expect(ours?.code == "no_role")
    }

    private static func refused(_ count: Int, _ tokens: AdminTokens, _ token: String) async throws -> Int {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<count { group.addTask { try await refusal(tokens, token) != nil } }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
    }

    @Test("an unknown key makes keys be fetched once for all that wait, and not again for half a minute")
    func rotation() async throws {
        let (old, new) = (TokenSigner.p256(kid: "old"), TokenSigner.ed25519(kid: "new"))
        let address = KeyAddress([old])
        let tokens = Self.tokens(address)
        #expect(try await Self.refused(50, tokens, old.token()) == 0)
        #expect(address.fetches == 1)
        address.publish([old, new])
        #expect(try await Self.refused(50, tokens, new.token()) == 50)
        #expect(address.fetches == 1)
        address.pass(seconds: 30)
        #expect(try await Self.refused(50, tokens, new.token()) == 0)
        #expect(address.fetches == 2)
        let stranger = try TokenSigner.p256(kid: "stranger").token()
        address.pass(seconds: 30)
        #expect(try await Self.refused(50, tokens, stranger) == 50)
        #expect(address.fetches == 3)
        // One that is withdrawn is known until the keys are fetched anew, once somebody comes.
        address.publish([new])
        address.pass(seconds: 599)
        #expect(try await Self.takes(tokens, old.token()))
        address.pass(seconds: 1)
        #expect(try await Self.takes(tokens, old.token()))
        await tokens.keys.finishReading()
        #expect(try await Self.refused(50, tokens, old.token()) == 50)
        #expect(address.fetches == 4)
        #expect(try await Self.takes(tokens, new.token()))
    }

    @Test("while keys cannot be fetched those of the last day are used; without any, tokens are answered with 503")
    func away() async throws {
        let signer = TokenSigner.p256()
        let address = KeyAddress([signer])
        let log = KeptLog()
        let tokens = Self.tokens(address, logger: log.logger)
        address.setAway(true)
        for _ in 0..<3 {
            let refusal = try #require(try await Self.refusal(tokens, signer.token()))
            #expect(refusal.status == 503 && refusal.code == "keys_unavailable" && refusal.retryAfterSeconds == 5)
            #expect(refusal.logText?.contains("Away") == true && !refusal.message.contains("Away"))
        }
        #expect(address.fetches == 1)
        address.setAway(false)
        address.pass(seconds: 5)
        #expect(try await Self.takes(tokens, signer.token()))
        #expect(address.fetches == 2)
        address.setAway(true)
        for tries in 1...3 {
            address.pass(seconds: 600)
            #expect(try await Self.refused(20, tokens, signer.token()) == 0)
            await tokens.keys.finishReading()
            #expect(address.fetches == 2 + tries)
        }
        // Each of the two times that it went away is said once.
        #expect(log.lines(.warning).count == 2, "\(log.lines(.warning).map(\.text))")
        address.state.withLock { ($0.isAway, $0.document) = (false, Array("<html>".utf8)) }
        address.pass(seconds: 600)
        #expect(try await Self.takes(tokens, signer.token()))
        await tokens.keys.finishReading()
        #expect(log.lines(.warning).last?.text.contains("no JWKS") == true)
        address.pass(seconds: 24 * 60 * 60)
        #expect(try await Self.refusal(tokens, signer.token())?.code == "keys_unavailable")
        address.publish([signer])
        address.pass(seconds: 5)
        #expect(try await Self.takes(tokens, signer.token()))
    }

    @Test(
        "a file of keys is read again once it is another one, at once for an unknown key; a broken one is passed over")
    func file() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-keys-\(UUID())")
        defer { try? FileManager.default.removeItem(at: directory) }
        let files = FileManager.default
        let path = directory.appending(path: "current/jwks.json").path()
        let (old, new) = (TokenSigner.p256(kid: "old"), TokenSigner.ed25519(kid: "new"))
        // As an orchestrator does it: a link to another directory is changed, and no file that was read.
        func publish(_ version: String, _ document: [UInt8]) throws {
            try files.createDirectory(at: directory.appending(path: version), withIntermediateDirectories: true)
            try Data(document).write(to: directory.appending(path: "\(version)/jwks.json"))
            let link = directory.appending(path: "current").path()
            try? files.removeItem(atPath: link)
            try files.createSymbolicLink(atPath: link, withDestinationPath: version)
        }
        let time = KeyAddress([])
        let tokens = AdminTokens(
            TokenSigner.rules, keys: TokenKeys(.file(path), logger: Self.quiet, now: { time.now }),
            now: { Date(timeIntervalSince1970: Double(TokenSigner.now)) })
        #expect(try await Self.refusal(tokens, old.token())?.code == "keys_unavailable")
        #expect(TokenKeySource.problem(ofFile: path)?.description.contains("is not there") == true)
        try publish("v1", TokenSigner.document([old]))
        #expect(TokenKeySource.problem(ofFile: path) == nil)
        time.pass(seconds: 1)
        #expect(try await Self.takes(tokens, old.token()))
        try publish("v2", TokenSigner.document([new]))
        #expect(try await Self.takes(tokens, new.token()))
        #expect(try await Self.refusal(tokens, old.token())?.message.contains("not known") == true)
        try publish("v3", Array("{}".utf8))
        time.pass(seconds: 1)
        #expect(try await Self.takes(tokens, new.token()))
        #expect(TokenKeySource.problem(ofFile: path)?.description.contains("no JWKS") == true)
        try publish("v4", TokenSigner.document([old]))
        time.pass(seconds: 1)
        #expect(try await Self.refusal(tokens, new.token())?.status == 401)
        #expect(TokenKeySource.problem(ofFile: directory.path())?.description.contains("is not a file") == true)
    }

    @Test("with tokens alone administration works, LiteLLM's paths and the drain too, and events say who it was")
    func overHTTP() async throws {
        let signer = try TokenSigner.rsa()
        try await AdminFixture.with { given in
            var fixture = given
            fixture.services.administration = try #require(
                Administration(
                    store: given.store, key: nil, tokens: Self.tokens(KeyAddress([signer])), tenant: "acme"))
            let jane = AdminFixture.Asking(credential: try signer.token())
            // Longer than any key.
            let groups = "\"\(String(repeating: "g", count: 4000))\""
            let member = AdminFixture.Asking(credential: try signer.token(["groups": groups]))
            let auditor = AdminFixture.Asking(credential: try signer.token(["gboost_role": "\"auditor\""]))
            let late = AdminFixture.Asking(credential: try signer.token(["exp": "7"]))
            let vast = AdminFixture.Asking(credential: "a.b." + String(repeating: "x", count: 20_000))
            #expect(try await fixture.send(.post, "/tenants", #"{"name": "new"}"#, by: member).status == 201)
            let made = try #require(try await fixture.events(1).first)
            #expect(made.actor == "jwt:jane@example.com" && made.action == "tenant.create")
            let expired = try await fixture.send(.get, "/tenants", by: late)
            #expect(expired.status == 401 && expired.json("error", "code") == "invalid_token")
            #expect(expired.json("error", "message") == "The token has expired (exp).")
            for asking in [AdminFixture.Asking.keyHolder, vast, .nobody] {
                let answer = try await fixture.send(.get, "/tenants", by: asking)
                #expect(answer.status == 401 && answer.json("error", "code") == "invalid_admin_key")
            }
            #expect(try await fixture.send(.get, "/tenants", by: auditor).status == 200)
            let team = #"{"team_alias": "research"}"#
            #expect(try await fixture.sendAnywhere(.post, "/team/new", team, by: auditor).status == 403)
            #expect(try await fixture.sendAnywhere(.post, "/team/new", team, by: jane).status == 200)
            let after = try await fixture.events()
            #expect(after.contains { $0.action == "team.create" && $0.actor == "jwt:jane@example.com" })
            #expect(after.allSatisfy { $0.actor != "admin-key" })
            #expect(try await fixture.sendAnywhere(.post, "/health/drain", by: auditor).status == 403)
            let dotted = AdminFixture.Asking(credential: FakeCatalog.dottedKey)
            #expect(try await fixture.sendAnywhere(.get, "/model/info", by: dotted).status == 200)
            // Let in, and not in this database: only the catalog of tests knows it.
            #expect(try await fixture.sendAnywhere(.get, "/key/info", by: dotted).status == 404)
            for path in ["/key/info?key=key:1", "/key/info", "/model/info", "/v1/model/info"] {
                let known = try await fixture.sendAnywhere(.get, path, by: auditor)
                #expect(known.status == 403 && known.json("error", "code") == "role_not_allowed", "\(path)")
                #expect(try await fixture.sendAnywhere(.get, path, by: late).status == 401, "\(path)")
                #expect(try await fixture.sendAnywhere(.get, path, by: .nobody).status == 401, "\(path)")
            }
            #expect(!fixture.services.activity.isDraining)
            #expect(try await fixture.sendAnywhere(.post, "/health/drain", by: jane).status == 200)
            #expect(fixture.services.activity.isDraining)
        }
    }
}
