import Foundation
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    @Test("slow clients: who sends nothing, half of something or a byte at a time is let go, an answer may take long")
    func slowClients() async throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scripts/slow_clients.py")
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            try await Self.makeCertificate("server", in: world.directory)
            try await world.faults("latency:3500@SLOW")
            let limits = ["--set", "server.idle_seconds=1", "--set", "server.request_seconds=2"]
            let files = [
                "--set", "server.tls_certificate=\(world.directory)/server.pem", "--set",
                "server.tls_key=\(world.directory)/server.key",
            ]
            for (arguments, word, expected) in [(limits, "plain", 8), (limits + files, "tls", 2)] {
                let gateway = try await world.gateway(arguments: arguments)
                let output = try await Program.output(
                    of: "/usr/bin/python3", [script.path, String(gateway.port), key, word], in: world.directory)
                #expect(output == "\(expected) checks passed\n", "\(output)")
                #expect(await gateway.stop() == 0)
            }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.held == 0)
        }
    }
}
