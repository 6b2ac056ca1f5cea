import Curl
import Foundation
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    private static let ignoresHangUp =
        (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?
        .firstMatch(of: /SigIgn:\s+[0-9a-f]*[13579bdf]\n/) != nil

    @Test(
        "a hang-up lets a running answer end, settles it and leaves no hold",
        .enabled(if: !ignoresHangUp, "started under nohup, where a gateway lets a hang-up be"))
    func hangUp() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            let gateway = try await world.gateway()
            try await world.faults("latency:3000@SLOW")
            let asked = Task {
                try await gateway.ask("SLOW " + Self.question, model: "sim/sim-large", key: key, maxTokens: 50)
            }
            try await Self.eventually("the call is out") { try await Books.read(world, tenant: "acme").held > 0 }
            kill(gateway.program.processID, SIGHUP)
            #expect(try await asked.value.status == 200)
            #expect(await gateway.program.died())
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.held == 0 && books.unreconciled.isEmpty)
        }
    }

    @Test("with an administrator's key a drain needs it, from this machine too")
    func drainNeedsKey() async throws {
        try await Self.with { world in
            let secret = "operator-\(UUID())"
            try secret.write(toFile: world.directory + "/admin", atomically: true, encoding: .utf8)
            let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
            try (text + "admin: { key: \"file:\(world.directory)/admin\" }\n")
                .write(toFile: world.configuration, atomically: true, encoding: .utf8)
            let gateway = try await world.gateway()
            func drain(_ key: String) async throws -> Int {
                let response = try await gateway.open([], key: key, path: "/health/drain")
                while try await response.next() != nil {}
                return response.status
            }
            for wrong in ["x", secret + "x"] { #expect(try await drain(wrong) == 401) }
            #expect(try await gateway.get("/health/ready").status == 200)
            #expect(try await drain(secret) == 200)
            #expect(try await gateway.get("/health/ready").status == 503)
            await gateway.stop()
        }
    }
}
