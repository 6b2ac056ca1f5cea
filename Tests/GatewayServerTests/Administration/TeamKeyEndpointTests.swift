import Foundation
import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: teams and keys")
struct TeamKeyEndpointTests {
    @Test("a team is made, shown, suspended and given a list of models, by its tenant's own administrator")
    func teams() async throws {
        try await AdminFixture.with { fixture in
            let admin = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            let made = try await fixture.send(
                .post, "/teams", #"{"name": "dev", "models": ["math", "a-*"]}"#, by: admin)
            #expect(made.status == 201 && made.json("name") == "dev" && made.json("models") == #"["math","a-*"]"#)
            let twice = try await fixture.send(.post, "/teams", #"{"tenant": "acme", "name": "dev"}"#)
            #expect(twice.status == 409 && twice.json("error", "param") == "name")
            #expect(try await fixture.send(.post, "/teams", #"{"tenant": "other", "name": "dev"}"#).status == 201)

            let changed = try await fixture.send(
                .patch, "/teams/dev", #"{"tenant": "acme", "suspended": true, "models": []}"#, by: admin)
            #expect(changed.status == 200 && changed.json("suspended_at") != nil && changed.json("models") == "[]")
            #expect(try await fixture.events(2).map(\.action) == ["team.suspend", "team.models"])
            #expect(try await fixture.events(2).map(\.actor) == ["jwt:tenant-admin", "jwt:tenant-admin"])
            let free = try await fixture.send(
                .patch, "/teams/dev", #"{"suspended": false, "models": null}"#, by: admin)
            #expect(free.json("suspended_at") == nil && free.json("models") == nil && free.json("name") == "dev")

            let listed = try await fixture.send(.get, "/teams", by: admin)
            #expect(listed.json("teams", "0", "name") == "dev" && listed.json("teams", "1") == nil)
            #expect(try await fixture.send(.get, "/teams?tenant=other").json("teams", "0", "models") == nil)
            let shown = try await fixture.send(.get, "/teams/dev?tenant=acme")
            #expect(shown.status == 200 && shown.json("id") == made.json("id"))
            let missing = try await fixture.send(.get, "/teams/none?tenant=acme")
            #expect(missing.status == 404 && missing.json("error", "code") == "not_found")
        }
    }

    @Test("a key's secret is shown once, it works, and another takes its place; the key changes and is revoked")
    func keys() async throws {
        try await AdminFixture.with { fixture in
            let admin = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            _ = try await fixture.store.createTeam(name: "dev", tenant: "acme")
            let made = try await fixture.send(
                .post, "/keys",
                #"{"team": "dev", "name": "app", "expires": "2126-12-01", "models": ["math"]}"#, by: admin)
            #expect(made.status == 201 && made.json("name") == "app" && made.json("team") == "dev")
            #expect(made.json("expires_at") == "2126-12-01T00:00:00Z")
            let (id, secret) = (try #require(made.json("id")), try #require(made.json("key")))
            let prefix = try #require(made.json("prefix"))
            #expect(secret.hasPrefix("gb-") && secret.hasPrefix(prefix) && prefix.count < secret.count)
            #expect(try await fixture.store.key(named: secret).info.id == Int64(id))
            #expect(try await fixture.events(1).first?.action == "key.create")

            let listed = try await fixture.send(.get, "/keys", by: admin)
            #expect(listed.json("keys", "0", "id") == id && listed.json("keys", "0", "models") == #"["math"]"#)
            let shown = try await fixture.send(.get, "/keys/\(id)", by: admin)
            for answer in [listed, shown] {
                #expect(answer.status == 200 && !answer.text.contains(secret))
                #expect(answer.json("key") == nil && answer.json("keys", "0", "key") == nil)
            }

            let changed = try await fixture.send(
                .patch, "/keys/\(id)", #"{"suspended": true, "models": ["a-*"]}"#, by: admin)
            #expect(changed.json("suspended_at") != nil && changed.json("models") == #"["a-*"]"#)
            #expect(changed.json("team") == "dev" && changed.json("expires_at") == "2126-12-01T00:00:00Z")
            let bare = try await fixture.send(
                .patch, "/keys/\(id)", #"{"team": null, "expires": null, "models": null, "suspended": false}"#)
            #expect(bare.status == 200 && bare.json("name") == "app")
            for field in ["team", "expires_at", "models", "suspended_at"] {
                #expect(bare.json(field) == nil, "\(field)")
            }
            let moved = try await fixture.send(.patch, "/keys/\(id)", #"{"team": "dev", "expires": "2127-01-01"}"#)
            #expect(moved.json("team") == "dev" && moved.json("expires_at") == "2127-01-01T00:00:00Z")

            let rotated = try await fixture.send(.post, "/keys/\(id)/rotate", by: admin)
            let second = try #require(rotated.json("key"))
            #expect(rotated.status == 200 && rotated.json("id") == id && second != secret)
            #expect(try await fixture.store.key(named: second).info.id == Int64(id))
            await #expect(throws: LedgerError.self) { _ = try await fixture.store.key(named: secret) }

            let revoked = try await fixture.send(.delete, "/keys/\(id)", by: admin)
            #expect(revoked.status == 200 && revoked.json("revoked_at") != nil && revoked.json("key") == nil)
            #expect(try await fixture.send(.post, "/keys/\(id)/rotate", by: admin).status == 409)
            #expect(
                try await fixture.events(7).map(\.action) == [
                    "key.revoke", "key.rotate", "key.change", "key.resume", "key.models", "key.change", "key.suspend",
                ])
            let events = try await fixture.events().map { "\($0)" }.joined()
            #expect(!events.contains(secret) && !events.contains(second))
        }
    }

    @Test("of a request that cannot be done as a whole nothing is done, and the field that is wrong is named")
    func refused() async throws {
        try await AdminFixture.with { fixture in
            let key = try await fixture.store.createKey(KeyDraft(tenant: "acme", name: "app")).info.id
            let revoked = try await fixture.store.createKey(KeyDraft(tenant: "acme", name: "old")).info.id
            try await fixture.store.revokeKey(revoked)
            let foreign = try await fixture.store.createKey(KeyDraft(tenant: "other")).info.id
            _ = try await fixture.store.createTeam(name: "theirs", tenant: "other")
            let before = try await fixture.number("select count(*) from events")
            let cases: [(HTTPRequest.Method, String, String?, Int, String?)] = [
                (.get, "/teams", nil, 400, "tenant"),
                (.post, "/teams", #"{"tenant": "acme"}"#, 400, "name"),
                (.post, "/teams", #"{"tenant": "acme", "name": "a b"}"#, 400, "name"),
                // The team is made before its list is refused.
                (.post, "/teams", #"{"tenant": "acme", "name": "new", "models": ["a b"]}"#, 400, "models"),
                (.post, "/teams", #"{"tenant": "acme", "name": "new", "models": "a", "colour": 1}"#, 400, "colour"),
                (.post, "/teams", #"{"tenant": "none", "name": "new"}"#, 404, "tenant"),
                (.patch, "/teams/theirs", #"{"tenant": "acme", "suspended": true}"#, 404, "team"),
                (.post, "/keys", #"{"tenant": "acme", "team": "theirs"}"#, 404, "team"),
                (.post, "/keys", #"{"tenant": "acme", "expires": "2020-01-01"}"#, 400, "expires"),
                (.post, "/keys", #"{"tenant": "acme", "expires": "soon"}"#, 400, "expires"),
                // No moment that the database has.
                (.post, "/keys", #"{"tenant": "acme", "expires": "10000-01-01"}"#, 400, "expires"),
                (.post, "/keys", #"{"tenant": "acme", "models": ["a", 1]}"#, 400, "models"),
                (.post, "/keys", #"{"tenant": "acme", "secret": "gb-mine"}"#, 400, "secret"),
                (.patch, "/keys/\(key)", #"{"models": ["b"], "suspended": true, "team": "theirs"}"#, 404, "team"),
                // By then the key has its new end, or list.
                (.patch, "/keys/\(key)", #"{"expires": "2126-01-01", "models": ["a b"]}"#, 400, "models"),
                (.patch, "/keys/\(revoked)", #"{"models": ["b"], "suspended": false}"#, 409, "key"),
                (.patch, "/keys/\(key)", #"{"suspended": true, "expires": "2020-01-01"}"#, 400, "expires"),
                (.patch, "/keys/\(key)", #"{"suspended": true, "name": "else"}"#, 400, "name"),
                (.get, "/keys/0", nil, 400, "id"), (.get, "/keys/one", nil, 400, "id"),
                (.delete, "/keys/999999", nil, 404, "key"), (.post, "/keys/999999/rotate", nil, 404, "key"),
                (.post, "/keys/\(key)/rotate", #"{"key": "gb-mine"}"#, 400, "key"),
            ]
            for (method, path, body, status, field) in cases {
                let answer = try await fixture.send(method, path, body)
                #expect(
                    answer.status == status && answer.json("error", "param") == field,
                    "\(method) \(path) \(body ?? ""): \(answer.text)")
            }
            // Another tenant's key is none, whatever is asked of it.
            let admin = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            for (method, path) in [
                (.get, "/keys/\(foreign)"), (.patch, "/keys/\(foreign)"), (.delete, "/keys/\(foreign)"),
                (.post, "/keys/\(foreign)/rotate"),
            ] as [(HTTPRequest.Method, String)] {
                let answer = try await fixture.send(method, path, by: admin)
                #expect(answer.status == 404 && answer.json("error", "code") == "not_found", "\(method) \(path)")
            }
            #expect(try await fixture.number("select count(*) from events") == before)
            #expect(try await fixture.send(.get, "/teams?tenant=acme").text == #"{"next_after":null,"teams":[]}"#)
            let shown = try await fixture.send(.get, "/keys/\(key)")
            for field in ["team", "models", "suspended_at", "expires_at", "rotated_at"] {
                #expect(shown.json(field) == nil, "\(field)")
            }
        }
    }
}
