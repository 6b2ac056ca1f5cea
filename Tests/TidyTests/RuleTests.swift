import Testing

/// Every rule catches what it is there for, and lets pass what looks like it.
struct RuleTests {
    private func source(_ text: String, in target: String = "GatewayCore", name: String = "Thing.swift") -> SourceFile {
        SourceFile(path: "Sources/\(target)/\(name)", text: text)
    }

    private func messages(_ violations: [Violation]) -> String {
        violations.map { "\($0.line) \($0.message)" }.joined(separator: "; ")
    }

    @Test("comments and strings are not code; interpolations are")
    func stripping() {
        let text =
            #"let a = "x { \(f("}")) y" // { "# + "\n/* { /* { */ } */ let b = #\"{\"#\n\"\"\"\n { \"\n\"\"\" + c"
        let stripped = StrippedSwift(text)
        #expect(stripped.code.filter { "{}".contains($0) }.isEmpty)
        #expect(stripped.code.contains("f("))
        #expect(stripped.code.contains("let b"))
        #expect(stripped.code.hasSuffix("+ c"))
        #expect(stripped.code.count == text.count)
        #expect(stripped.literals.map(\.text) == ["}", "x { ? y", "{", "\n { \"\n"])
        #expect(stripped.literals.map(\.line) == [1, 1, 2, 3])
    }

    @Test("a file of 401 lines, or a state machine of 601, is too long")
    func fileLength() {
        func lines(_ count: Int) -> String { String(repeating: "\n", count: count) }
        #expect(SizeRules.fileLength(source(lines(400))).isEmpty)
        #expect(SizeRules.fileLength(source(lines(401))).count == 1)
        #expect(SizeRules.fileLength(source(lines(600), name: "Hold+StateMachine.swift")).isEmpty)
        #expect(SizeRules.fileLength(source(lines(601), name: "Hold+StateMachine.swift")).count == 1)
        #expect(SizeRules.fileLength(SourceFile(path: "ops/lib/a.sh", text: lines(401))).count == 1)
        #expect(SizeRules.fileLength(SourceFile(path: "ARCHITECTURE.md", text: lines(301))).count == 1)
        #expect(SizeRules.fileLength(SourceFile(path: "data.json", text: lines(401))).isEmpty)
    }

    @Test("a line of 121 columns is too long, counted in characters")
    func lineLength() {
        let violations = SizeRules.lineLength(
            source(String(repeating: "é", count: 120) + "\n" + String(repeating: "a", count: 121)))
        #expect(messages(violations) == "2 121 columns of 120")
    }

    @Test("a function of 61 lines is too long; braces in strings and requirements without a body do not mislead")
    func functionLength() {
        func function(_ lines: Int, _ head: String = "func long()") -> String {
            head + " {\n" + String(repeating: "    x(\"}\") // }\n", count: lines - 2) + "}\n"
        }
        #expect(SizeRules.functions(source(function(60))).isEmpty)
        #expect(messages(SizeRules.functions(source("\n" + function(61)))) == "2 long has 61 lines of 60")
        #expect(SizeRules.functions(source(function(61, "init(a: Int)"))).count == 1)
        #expect(
            SizeRules.functions(source(function(61, "func long<T>(\n  a: T\n)\n  async throws -> [T]\n  where T: P")))
                .count == 1)
        let requirement = "protocol P {\n  func short() -> Int\n  func other()\n}\n" + function(58, "struct S")
        #expect(SizeRules.functions(source(requirement)).isEmpty)
        #expect(SizeRules.functions(source("let a = S.init(" + "1, 2, 3, 4, 5, 6)\n")).isEmpty)
    }

    @Test("six parameters are too many, except for an initializer")
    func parameters() {
        let five = "a: [Int: Int], b: (Int, Int) -> Void, c: D<A, B>, d: Int, e: Int"
        #expect(SizeRules.functions(source("func f(\(five)) {}")).isEmpty)
        #expect(messages(SizeRules.functions(source("func f(\(five), g: Int) {}"))) == "1 f has 6 parameters of 5")
        #expect(SizeRules.functions(source("init(\(five), g: Int) {}")).isEmpty)
    }

    @Test("an import has an access level, and is one the architecture allows")
    func imports() {
        #expect(ImportRules.check(source("package import GatewayCore\n", in: "Router")).isEmpty)
        #expect(messages(ImportRules.check(source("import GatewayCore\n", in: "Router"))).contains("access level"))
        #expect(messages(ImportRules.check(source("internal import Ledger\n", in: "Router"))).contains("may not"))
        #expect(ImportRules.check(source("@preconcurrency internal import struct Foundation.Data\n")).isEmpty)
        #expect(!ImportRules.check(source("internal import Glibc\n")).isEmpty)
        #expect(!ImportRules.check(source("internal import CLibPQ\n", in: "Ledger")).isEmpty)
        #expect(ImportRules.check(source("internal import CLibPQ\n", in: "Postgres")).isEmpty)
        #expect(!ImportRules.check(source("internal import Hummingbird\n", in: "gboost")).isEmpty)
        #expect(ImportRules.check(source("internal import Hummingbird\n", in: "SimulatedProvider")).isEmpty)
        #expect(!ImportRules.check(source("internal import Anything\n", in: "Unheard")).isEmpty)
        #expect(ImportRules.check(source("// import Ledger\nlet a = \"import Ledger\"\n")).isEmpty)
    }

    @Test(
        "the core reads no clock, no random source, and no file",
        arguments: [
            "let t = Date()", "let t = Date.now", "let t = Int.random(in: 0...1)", "a.shuffled()", "UUID().uuidString",
            "let c = ContinuousClock()", "ContinuousClock.now", "var g = SystemRandomNumberGenerator()",
            "FileManager.default", "print(1)", "try await Task.sleep(for: d)",
        ])
    func purity(line: String) {
        for target in ["GatewayCore", "Router", "WireFormat"] {
            #expect(CodeRules.check(source(line, in: target)).count == 1)
        }
        #expect(CodeRules.check(source(line, in: "Ledger")).isEmpty)
        #expect(CodeRules.check(source("// \(line)")).isEmpty)
    }

    @Test("instants that were passed in, and longer words, are no clock")
    func passedIn() {
        let text = "func f(now: ContinuousClock.Instant, g: inout some RandomNumberGenerator) { fingerprint(1) }"
        #expect(CodeRules.check(source(text)).isEmpty)
    }

    @Test(
        "what ends the process on an input is banned everywhere",
        arguments: ["try! f()", "a as! B", "fatalError(\"\")"])
    func banned(line: String) {
        #expect(CodeRules.check(source(line, in: "Ledger")).count == 1)
        #expect(CodeRules.check(SourceFile(path: "Tests/LedgerTests/T.swift", text: line)).count == 1)
        #expect(CodeRules.check(source("let text = #\"\(line)\"#", in: "Ledger")).isEmpty)
    }

    @Test("notes to oneself are found in comments, vague names in files")
    func leftovers() {
        #expect(CodeRules.check(source("// TO" + "DO: later")).count == 1)
        #expect(CodeRules.check(source("/* FIX" + "ME */")).count == 1)
        #expect(CodeRules.check(source("", name: "PoolManager.swift")).count == 1)
        #expect(CodeRules.check(source("", name: "Pool.swift")).isEmpty)
    }

    @Test(
        "SQL stands in the ledger only",
        arguments: [
            "SELECT id FROM holds", "INSERT INTO holds VALUES (1)", "UPDATE holds SET state = 1",
            "DELETE FROM holds WHERE", "CREATE TABLE t ()", "\"\"\"\n  SELECT\n    id\n  \"\"\"",
        ])
    func sql(statement: String) {
        let text = "let s = " + (statement.hasPrefix("\"") ? statement : "\"\(statement)\"")
        #expect(CodeRules.check(source(text, in: "GatewayServer")).count == 1)
        #expect(CodeRules.check(source(text, in: "Ledger")).isEmpty)
        #expect(CodeRules.check(SourceFile(path: "Tests/GatewayServerTests/T.swift", text: text)).isEmpty)
    }

    @Test("an import that the manifest does not name for its target is found")
    func manifest() {
        let package = """
            .target(name: "Core"), .target(name: "Wire", dependencies: ["Core"]),
            .testTarget(name: "WireTests", dependencies: ["Wire"]),
            """
        func check(_ target: String, _ text: String) -> [Violation] {
            ManifestRule.check([
                SourceFile(path: "Package.swift", text: package),
                SourceFile(path: "\(target.hasSuffix("Tests") ? "Tests" : "Sources")/\(target)/T.swift", text: text),
            ])
        }
        #expect(check("Wire", "internal import Core\nimport Foundation\n").isEmpty)
        #expect(check("Core", "import Foundation\ninternal import struct Wire.A\n").map(\.line) == [2])
        #expect(check("WireTests", "@testable import Wire\nimport Core\n").map(\.line) == [2])
    }

    @Test("a server may be asked whether it lives, and prose is no SQL")
    func noSQL() {
        for text in [
            "\"SELECT 1\"", "\"CREATE DATABASE x\"", "\"Please SELECTED or UPDATE it\"", "// SELECT id FROM x",
        ] {
            #expect(CodeRules.check(source("let s = \(text)", in: "EmbeddedPostgres")).isEmpty)
        }
    }

    @Test("a type or function that others see has a doc comment, above its attributes")
    func documentation() {
        func check(_ texts: String...) -> String { messages(DocumentationRule.check(texts.map { source($0) })) }
        #expect(check("package struct A {}") == "1 struct A has no doc comment")
        #expect(check("/// An a.\n@frozen\npackage struct A {}").isEmpty)
        #expect(check("    // No doc comment.\n    public static func a() {}").hasPrefix("2 func a"))
        #expect(check("@inlinable package func a() {}").hasPrefix("1 func a"))
        #expect(check("package final class A {}").hasPrefix("1 class A"))
        #expect(check("package static func == (a: A, b: A) -> Bool { true }").isEmpty)
        #expect(check("struct A {}\npackage var a: Int\npackage import Foundation\npackage init() {}").isEmpty)
        let requirement = "/// A p.\npackage protocol P {\n    /// Does it.\n    func work()\n}"
        #expect(check(requirement, "package func work() {}").isEmpty)
        #expect(!check("package func work() {}").isEmpty)
    }

    @Test("weights, wheels, large files and registry hosts stay out")
    func repository() {
        #expect(RepositoryRules.checkTracked("models/a.gguf", size: 1).count == 1)
        #expect(RepositoryRules.checkTracked("a-1-py3-none-any.whl", size: 1).count == 1)
        #expect(RepositoryRules.checkTracked("a.json", size: RepositoryRules.bytes + 1).count == 1)
        #expect(RepositoryRules.checkTracked("a.json", size: RepositoryRules.bytes).isEmpty)
        for host in RepositoryRules.hosts {
            #expect(RepositoryRules.checkHosts(SourceFile(path: "ops/a", text: "x\nhttps://\(host)/a")).count == 1)
        }
        #expect(RepositoryRules.checkHosts(SourceFile(path: "ops/a", text: "https://example.org")).isEmpty)
    }
}
