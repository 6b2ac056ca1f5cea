import Foundation
import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: tenants, and who may ask")
struct TenantEndpointTests {
    @Test("a tenant is made, shown, changed and deleted, and each change is an event of who asked")
    func life() async throws {
        try await AdminFixture.with { fixture in
            let made = try await fixture.send(.post, "/tenants", #"{"name": "new", "time_zone": "Europe/Berlin"}"#)
            #expect(made.status == 201 && made.json("name") == "new" && made.json("time_zone") == "Europe/Berlin")
            #expect(made.headers[.cacheControl] == "no-store")
            #expect(try await fixture.send(.post, "/tenants", #"{"name": "new"}"#).status == 409)
            let listed = try await fixture.send(.get, "/tenants")
            #expect(listed.json("tenants", "0", "name") == "acme" && listed.json("tenants", "1", "name") == "new")
            let changed = try await fixture.send(
                .patch, "/tenants/new",
                #"{"suspended": true, "time_zone": "Asia/Tokyo", "capture_days": 3, "cache_seconds": 60}"#)
            #expect(changed.status == 200 && changed.json("suspended_at") != nil)
            #expect(changed.json("capture_days") == "3" && changed.json("cache_seconds") == "60")
            #expect(changed.json("time_zone") == "Asia/Tokyo")
            let off = try await fixture.send(.patch, "/tenants/new", #"{"suspended": false, "capture_days": null}"#)
            #expect(off.json("suspended_at") == nil && off.json("capture_days") == nil)
            #expect(off.json("cache_seconds") == "60")
            let gone = try await fixture.send(.delete, "/tenants/new")
            #expect(gone.status == 200 && gone.json("id") == made.json("id") && gone.json("deleted_at") != nil)
            #expect(try await fixture.send(.get, "/tenants/new").status == 404)
            let deleted = try await fixture.send(.get, "/tenants?deleted=true")
            #expect(deleted.json("tenants", "0", "name") == "new")
            let event = try #require(try await fixture.events().first)
            #expect(event.action == "tenant.delete" && event.actor == "admin-key")
            #expect(event.origin?.hasPrefix("request ") == true)
            // Who has the name now is not told of who had it before.
            #expect(try await fixture.send(.post, "/tenants", #"{"name": "new"}"#).status == 201)
            let number = try #require(deleted.json("tenants", "0", "id"))
            for (tenant, count) in [("new", 0), ("#\(number)", 1)] {
                let auditor = AdminFixture.Asking.role(.auditor, tenant: tenant)
                let seen = try await fixture.send(.get, "/tenants?deleted=true", by: auditor)
                #expect(seen.status == 200 && (seen.json("tenants", "0") == nil) == (count == 0), "\(tenant)")
            }
        }
    }

    @Test("nothing is changed by a request that is not understood whole")
    func fields() async throws {
        try await AdminFixture.with { fixture in
            let before = try await fixture.number("select count(*) from events")
            for (body, field) in [
                (#"{"suspended": true, "colour": "red"}"#, "colour"), (#"{"suspended": "yes"}"#, "suspended"),
                (#"{"capture_days": 0}"#, "capture_days"), (#"{"time_zone": ""}"#, "time_zone"),
                (#"{"capture_days": 3651}"#, "capture_days"), (#"{"cache_seconds": 604801}"#, "cache_seconds"),
                (#"{"time_zone": "CEST+1"}"#, "time_zone"), (#"{"cache_seconds": 1.5}"#, "cache_seconds"),
            ] {
                let answer = try await fixture.send(.patch, "/tenants/acme", body)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(body): \(answer.text)")
            }
            #expect(try await fixture.send(.patch, "/tenants/acme", "[]").status == 400)
            #expect(try await fixture.send(.patch, "/tenants/acme", #"{"suspended": true"#).status == 400)
            let twice = try await fixture.send(.patch, "/tenants/acme?suspended=true", #"{"suspended": true}"#)
            #expect(twice.status == 400 && twice.json("error", "param") == "suspended")
            #expect(try await fixture.number("select count(*) from events") == before)
        }
    }

    @Test("who is not known is turned away; who is sees and changes what the role and the tenant allow")
    func roles() async throws {
        try await AdminFixture.with { fixture in
            for asking in [AdminFixture.Asking.nobody, .init(credential: "gb-test"), .init(credential: "a.b.c")] {
                #expect(try await fixture.send(.get, "/tenants", by: asking).status == 401)
            }
            // Last who may make some, which the lists of the others have not.
            for role in AdminRole.allCases.reversed() {
                let all = try await fixture.send(.get, "/tenants", by: .role(role))
                #expect(all.json("tenants", "1", "name") == "other")
                let own = try await fixture.send(.get, "/tenants", by: .role(role, tenant: "other"))
                #expect(own.json("tenants", "0", "name") == "other" && own.json("tenants", "1") == nil)
                let foreign = try await fixture.send(.get, "/tenants/acme", by: .role(role, tenant: "other"))
                #expect(foreign.status == 403 && foreign.json("error", "code") == "tenant_not_allowed")
                let made = try await fixture.send(.post, "/tenants", #"{"name": "\#(role)"}"#, by: .role(role))
                #expect(made.status == (role == .operator ? 201 : 403))
            }
            let own = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            #expect(try await fixture.send(.patch, "/tenants/acme", #"{"capture_days": 3}"#, by: own).status == 200)
            #expect(try await fixture.send(.patch, "/tenants/acme", #"{"suspended": false}"#, by: own).status == 403)
            #expect(try await fixture.send(.patch, "/tenants/other", #"{"capture_days": 3}"#, by: own).status == 403)
            let auditor = AdminFixture.Asking.role(.auditor)
            #expect(try await fixture.send(.patch, "/tenants/acme", #"{"capture_days": 3}"#, by: auditor).status == 403)
            #expect(try await fixture.events(1).first?.actor == "jwt:tenant-admin")
        }
    }
}
