import Foundation
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    private static let apiPython = ProcessInfo.processInfo.environment["GBOOST_PYTHON"]
    private static let schemathesisPython = ProcessInfo.processInfo.environment["GBOOST_CLIENTS_PYTHON"]
    /// How many requests are made up for each operation. They take seconds: only when asked for.
    private static let examples = ProcessInfo.processInfo.environment["GBOOST_API_EXAMPLES"]
    private static let administrator = "administrator-key-for-tests"

    @Test(
        "the OpenAPI document is valid by the specification's own schema",
        .enabled(if: apiPython != nil, "GBOOST_PYTHON names no Python with the validator: ops/test installs one"))
    func validDocument() async throws {
        let file = URL(filePath: #filePath).appending(path: "../../../ops/openapi.json").standardized.path
        let code = """
            import json, sys
            from openapi_spec_validator import OpenAPIV31SpecValidator as Validator
            errors = [error.message for error in Validator(json.load(open(sys.argv[1]))).iter_errors()]
            print(errors or "valid")
            """
        let output = try await Program.output(
            of: try #require(Self.apiPython), ["-c", code, file], in: FileManager.default.temporaryDirectory.path)
        #expect(output == "valid\n", "\(output)")
    }

    @Test(
        "requests made up from the document get no 5xx and no status that it does not name",
        .enabled(
            if: schemathesisPython != nil && examples != nil, "ops/test --clients makes up so many for each operation"))
    func madeUpRequests() async throws {
        let python = try #require(Self.schemathesisPython)
        let tool = URL(filePath: python).deletingLastPathComponent().appending(path: "schemathesis").path
        try await Self.with { world in
            try Self.administrator.write(toFile: world.directory + "/admin", atomically: true, encoding: .utf8)
            let before = try String(contentsOfFile: world.configuration, encoding: .utf8)
            let more = "admin: { key: \"file:\(world.directory)/admin\" }\ncompatibility: { litellm_tenant: acme }\n"
            try (before + more).write(toFile: world.configuration, atomically: true, encoding: .utf8)
            let key = try await world.tenant("acme", limitUSD: "50")
            let gateway = try await world.gateway()
            for (key, choice) in [
                (key, ["--exclude-tag", "LiteLLM", "--exclude-path", "/health/drain"]),
                (Self.administrator, ["--include-tag", "LiteLLM"]),
            ] {
                let output = try await Program.output(
                    of: tool,
                    [
                        "run", "http://127.0.0.1:\(gateway.port)/openapi.json", "--checks",
                        "not_a_server_error,status_code_conformance", "--phases", "examples,fuzzing", "--max-examples",
                        Self.examples ?? "30", "--seed", "1", "--header", "Authorization: Bearer \(key)", "--no-color",
                        "--generation-database", "none",
                    ] + choice, in: world.directory)
                print(output)
                #expect(!output.contains("FAILURES"), "\(output)")
            }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            await gateway.stop()
        }
    }
}
