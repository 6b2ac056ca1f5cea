import Foundation
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    /// Makes a certificate for 127.0.0.1, which is its own authority, and its key.
    static func makeCertificate(_ name: String, in directory: String) async throws {
        _ = try await Program.output(
            of: "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=\(name)", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(name).key", "-out",
                "\(name).pem",
            ], in: directory)
    }

    /// In one step, as renewals do it.
    private static func put(_ name: String, of: String, in directory: String) throws {
        let place = URL(filePath: directory)
        try Data(contentsOf: place.appending(path: of)).write(to: place.appending(path: name), options: .atomic)
    }

    @Test("TLS by file: HTTP/2 and HTTP/1.1, streams and refusals; a renewed certificate is shown without a restart")
    func tls() async throws {
        try await Self.with { world in
            for name in ["first", "second"] { try await Self.makeCertificate(name, in: world.directory) }
            try Self.put("server.pem", of: "first.pem", in: world.directory)
            try Self.put("server.key", of: "first.key", in: world.directory)
            let key = try await world.tenant("acme", limitUSD: "5")
            let files = [
                "--set", "server.tls_certificate=\(world.directory)/server.pem", "--set",
                "server.tls_key=\(world.directory)/server.key",
            ]
            let gateway = try await world.gateway(arguments: files)
            let body = "\(world.directory)/body.json"
            try Data(try gateway.body(Self.question, model: "sim/sim-large", maxTokens: 60, stream: true))
                .write(to: URL(filePath: body))
            func ask(_ version: String, _ authority: String, key: String) async throws -> String {
                try await Program.output(
                    of: "/usr/bin/curl",
                    [
                        "--silent", "--no-buffer", version, "--cacert", authority, "--max-time", "30", "-w",
                        "\n%{http_version} %{http_code}", "-H", "Authorization: Bearer \(key)", "-H",
                        "Content-Type: application/json", "-d", "@\(body)",
                        "https://127.0.0.1:\(gateway.port)/v1/chat/completions",
                    ], in: world.directory)
            }
            let modern = try await ask("--http2", "first.pem", key: key)
            #expect(modern.hasSuffix("data: [DONE]\n\n\n2 200"), "\(modern)")
            let plain = try await ask("--http1.1", "first.pem", key: key)
            #expect(plain.hasSuffix("data: [DONE]\n\n\n1.1 200"), "\(plain)")
            #expect(try await ask("--http2", "first.pem", key: "gb-nobody").hasSuffix("\n2 401"))
            try await Self.askBesideStream(world, gateway, key: key)

            // The certificate alone, which is not that of the key: passed over.
            try Self.put("server.pem", of: "second.pem", in: world.directory)
            _ = try? await ask("--http2", "first.pem", key: key)
            try await Task.sleep(for: .milliseconds(1500))
            #expect(try await ask("--http2", "first.pem", key: key).hasSuffix("2 200"))
            try Self.put("server.key", of: "second.key", in: world.directory)
            var isRenewed = false
            for _ in 0..<60 where !isRenewed {
                isRenewed = (try? await ask("--http2", "second.pem", key: key).hasSuffix("2 200")) ?? false
                if !isRenewed { try await Task.sleep(for: .milliseconds(500)) }
            }
            #expect(isRenewed, "\(gateway.program.log.suffix(6))")
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.held == 0)
            await gateway.stop()
        }
    }

    /// HEAD beside a stream, over the same connection: with a body, its answer would end both.
    private static func askBesideStream(_ world: World, _ gateway: Gateway, key: String) async throws {
        try await world.faults("trickle:20")
        let root = "https://127.0.0.1:\(gateway.port)/v1"
        let each = [
            "--silent", "--no-buffer", "--http2", "--cacert", "first.pem", "--max-time", "30", "-w",
            "\n%{http_version} %{http_code} %{num_connects}\n", "-H", "Authorization: Bearer \(key)",
        ]
        let stream = ["-H", "Content-Type: application/json", "-d", "@body.json", "\(root)/chat/completions"]
        var arguments = ["--parallel"] + each + stream
        for path in ["models", "nothing"] { arguments += ["--next"] + each + ["--head", "\(root)/\(path)"] }
        let said = try await Program.output(of: "/usr/bin/curl", arguments, in: world.directory)
        try await world.faults()
        #expect(said.contains("data: [DONE]"), "\(said)")
        let ends = said.split(separator: "\n").filter { $0.hasPrefix("2 ") }.map(String.init).sorted()
        #expect(ends == ["2 200 0", "2 200 1", "2 404 0"], "\(said)")
    }

    @Test("TLS files that are missing, broken or of different pairs end the start, and the field is named")
    func badTLS() async throws {
        try await Self.with { world in
            for name in ["first", "second"] { try await Self.makeCertificate(name, in: world.directory) }
            for (certificate, key, field) in [
                ("none.pem", "first.key", "server.tls_certificate"),
                ("first.key", "first.key", "server.tls_certificate"),
                ("first.pem", "second.key", "server.tls_key"), ("first.pem", "", "server.tls_key"),
            ] {
                var arguments = ["serve", "--config", world.configuration, "--check"]
                arguments += ["--set", "server.tls_certificate=\(world.directory)/\(certificate)"]
                if !key.isEmpty { arguments += ["--set", "server.tls_key=\(world.directory)/\(key)"] }
                let failure = await #expect(throws: Program.Failure.self) {
                    try await Program.run(arguments, in: world.directory)
                }
                #expect(failure?.description.contains(field) == true, "\(String(describing: failure))")
            }
        }
    }
}
