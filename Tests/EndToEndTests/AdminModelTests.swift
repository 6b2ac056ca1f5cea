import Foundation
import Postgres
import Testing

/// Local models by the administrator's paths, on a running gateway.
extension RealProcessTests {
    @Test(
        "models are listed, loaded with progress, pinned and unloaded over HTTP, each order an event; no key, no access"
    )
    func adminModels() async throws {
        try await Self.with { world in
            let secret = "operator-\(UUID())"
            try secret.write(toFile: world.directory + "/admin", atomically: true, encoding: .utf8)
            let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
            try (text + "admin: { key: \"file:\(world.directory)/admin\" }\n")
                .write(toFile: world.configuration, atomically: true, encoding: .utf8)
            let key = try await world.tenant("acme", limitUSD: "1")
            let gateway = try await world.gateway()
            func call(
                _ method: String, _ path: String, key: String, accept: String = "application/json"
            ) async throws -> (status: Int, body: String) {
                let output = try await Program.output(
                    of: "/usr/bin/curl",
                    [
                        "--silent", "--no-buffer", "--max-time", "60", "-X", method, "-w", "\n%{http_code}", "-H",
                        "Authorization: Bearer \(key)", "-H", "Accept: \(accept)",
                        "http://127.0.0.1:\(gateway.port)\(path)",
                    ], in: world.directory)
                let end = output.lastIndex(of: "\n") ?? output.endIndex
                return (Int(output[end...].dropFirst()) ?? 0, String(output[..<end]))
            }
            let path = "/admin/v1/models"
            for wrong in [key, secret + "x"] {
                #expect(try await call("GET", path + "?tenant=acme", key: wrong).status == 401)
                #expect(try await call("POST", path + "/slm/unload?tenant=acme", key: wrong).status == 401)
            }
            let list = try await call("GET", path + "?tenant=acme", key: secret)
            #expect(list.status == 200 && list.body.contains(#""name":"slm""#), "\(list.body)")
            #expect(list.body.contains(#""state":"elsewhere""#), "heads have no host of their own")
            #expect(try await call("GET", path + "?tenant=nobody", key: secret).status == 404)
            #expect(try await call("GET", path + "?tenant=a%00b", key: secret).status == 404)
            #expect(try await call("GET", path, key: secret).status == 400)
            #expect(try await call("POST", path + "/none/load?tenant=acme", key: secret).status == 404)

            let load = try await call("POST", path + "/slm/load?tenant=acme", key: secret, accept: "text/event-stream")
            #expect(load.status == 200 && load.body.contains("event: progress"), "\(load.body)")
            #expect(load.body.contains(#""state":"resident""#), "\(load.body)")
            let place = try await call("GET", path + "/slm?tenant=acme", key: secret).body
            #expect(place.contains(#""state":"resident""#) && !place.contains(#""bytes":0"#), "\(place)")

            #expect(try await call("POST", path + "/slm/pin?tenant=acme", key: secret).body.contains(#""pinned":true"#))
            #expect(try await call("POST", path + "/slm/unpin?tenant=acme", key: secret).status == 200)
            #expect(try await call("POST", path + "/slm/unload?tenant=acme", key: secret).status == 200)
            try await Self.eventually("the model is gone") {
                try await call("GET", path + "/slm?tenant=acme", key: secret).body.contains(#""state":"absent""#)
            }
            let events = try await world.query(
                "select string_agg(action, ',' order by id) as actions from events where actor = 'admin-key'"
            ).rows[0]
            #expect(try events.get("actions", as: String.self) == "model.load,model.pin,model.unpin,model.unload")
            #expect(await gateway.stop() == 0)
        }
    }
}
