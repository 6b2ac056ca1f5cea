import Foundation
import Providers
import Testing

@Suite("Secrets")
struct SecretTests {
    @Test("come from the environment or from a file")
    func resolve() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "secret-\(UUID().uuidString)")
        try Data(" sk-file\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try SecretReference("file:" + file.path).resolve().revealed == "sk-file")
        #expect(try SecretReference("env:KEY").resolve(environment: ["KEY": "sk-env"]).revealed == "sk-env")
    }

    @Test("are refused where they stand themselves, and the error does not repeat them")
    func notAReference() throws {
        for text in ["sk-secret-0123", "", "env:", "file:relative"] {
            let error = try #require(throws: SecretReference.Failure.self) { try SecretReference(text) }
            #expect(text.isEmpty || !error.description.contains("sk-secret"))
        }
    }

    @Test("missing, empty and malformed ones are errors that name the place alone")
    func failures() throws {
        for environment in [[:], ["KEY": " \n"], ["KEY": "sk-a b"], ["KEY": "sk-a\r\nX: y"]] {
            let error = try #require(throws: SecretReference.Failure.self) {
                try SecretReference("env:KEY").resolve(environment: environment)
            }
            #expect(error.description.contains("env:KEY") && !error.description.contains("sk-"))
        }
        let binary = FileManager.default.temporaryDirectory.appending(path: "secret-\(UUID().uuidString)")
        try Data([0xFF, 0xFE]).write(to: binary)
        defer { try? FileManager.default.removeItem(at: binary) }
        // The second may be read by nobody, root included.
        for (path, flaw) in [
            ("/nonexistent/x", SecretReference.Failure.Flaw.missing), ("/proc/sys/vm/compact_memory", .forbidden),
            (binary.path, .notText),
        ] {
            let error = try #require(throws: SecretReference.Failure.self) {
                try SecretReference("file:" + path).resolve()
            }
            #expect(error.flaw == flaw && error.description.contains(path))
        }
    }

    @Test("cannot be printed")
    func redacted() {
        let secret = Secret("sk-hidden-0123")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), dumped, "\([secret])", "\(Optional(secret) as Any)"] {
            #expect(!text.contains("hidden"))
        }
        #expect(SecretReferenceText.of("env:A") == "env:A")
    }

    @Test("are taken out of a provider's words before these are cut")
    func redaction() {
        let redaction = Redaction(Secret("odd key!"))
        #expect(redaction.clean("a odd key!\u{7}b") == "a [redacted] b")
        #expect(redaction.clean("task-force sk-learn ok") == "task-force sk-learn ok")
        #expect(redaction.clean("key=sk-abcdefgh, ok") == "key=[redacted], ok")
        let long = redaction.clean(String(repeating: "é", count: 5000))
        #expect(long.utf8.count <= 2048 && long.allSatisfy { $0 == "é" })
        let edge = redaction.clean(String(repeating: "x ", count: 1020) + "sk-abcdefghijklmnop")
        #expect(!edge.contains("sk-a"))
    }
}

private enum SecretReferenceText {
    static func of(_ text: String) -> String? { (try? SecretReference(text))?.description }
}
