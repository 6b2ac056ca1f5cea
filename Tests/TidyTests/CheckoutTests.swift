import Foundation
import Testing

/// The rules, on every file of this checkout.
struct CheckoutTests {
    /// The checkout's files: those git tracks, and new ones it does not ignore.
    private static let files: Result<[SourceFile], any Error> = Result { try read() }

    private static let root: URL = {
        let environment = ProcessInfo.processInfo.environment
        if let root = environment["GBOOST_TIDY_ROOT"] { return URL(fileURLWithPath: root) }
        return URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }()

    private static func read() throws -> [SourceFile] {
        try paths().compactMap { path in
            let url = root.appendingPathComponent(path)
            guard let data = try? Data(contentsOf: url), let text = String(data: data, encoding: .utf8) else {
                return nil
            }
            return SourceFile(path: path, text: text)
        }
    }

    private static func paths() throws -> [String] {
        let git = Process()
        let output = Pipe()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        git.arguments = ["git", "-C", root.path, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        git.standardOutput = output
        try git.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        git.waitUntilExit()
        try #require(git.terminationStatus == 0, "this is no git checkout")
        return Set(String(decoding: data, as: UTF8.self).split(separator: "\0").map(String.init)).sorted()
    }

    private func expectNone(_ rule: (SourceFile) -> [Violation], _ comment: Comment) throws {
        let files = try Self.files.get()
        try #require(files.contains { $0.path == "Package.swift" })
        let violations = files.flatMap(rule)
        let list = violations.map(\.description).joined(separator: "\n")
        #expect(violations.isEmpty, "\(comment):\n\(list)")
    }

    @Test("files, lines, functions and parameter lists are short")
    func size() throws { try expectNone(SizeRules.check, "too long") }

    @Test("row 17: targets import only what the architecture lets them, and no client of a second store")
    func imports() throws { try expectNone(ImportRules.check, "imports") }

    @Test("targets name in the manifest what their files import")
    func manifest() throws {
        let violations = ManifestRule.check(try Self.files.get())
        let list = violations.map(\.description).joined(separator: "\n")
        #expect(violations.isEmpty, "undeclared:\n\(list)")
    }

    @Test("code keeps out of what it may not do where it stands")
    func code() throws { try expectNone(CodeRules.check, "code") }

    @Test("what other targets see is documented")
    func documentation() throws {
        let violations = DocumentationRule.check(try Self.files.get())
        let list = violations.map(\.description).joined(separator: "\n")
        #expect(violations.isEmpty, "undocumented:\n\(list)")
    }

    /// The failures of other gateways that users reported, each with a test that is named "row N: …".
    @Test("each of the twenty-two rows of failures has a test that is named after it")
    func rows() throws {
        var names: [Int: [String]] = [:]
        for file in try Self.files.get()
        where file.path.hasPrefix("Tests/") && !file.path.hasPrefix("Tests/TidyTests/Ch") {
            for match in file.text.matches(of: /"row (\d+): ([^"]+)"/) {
                names[Int(match.1) ?? 0, default: []].append("\(match.2) (\(file.path))")
            }
        }
        names[17, default: []].append("targets import only what the architecture lets them (Tests/TidyTests)")
        for row in 1...22 { for name in names[row] ?? ["—"] { print("row \(row): \(name)") } }
        #expect(Set(names.keys) == Set(1...22))
    }

    @Test("no file names a package registry's host")
    func hosts() throws { try expectNone(RepositoryRules.checkHosts, "hosts") }

    @Test("no weights, wheels or other large files are tracked")
    func tracked() throws {
        let violations = try Self.paths().flatMap { path -> [Violation] in
            let attributes = try? FileManager.default.attributesOfItem(atPath: Self.root.path + "/" + path)
            return RepositoryRules.checkTracked(path, size: (attributes?[.size] as? Int) ?? 0)
        }
        #expect(violations.isEmpty, "\(violations)")
    }

    @Test("every target under Sources is in the table of imports, and the other way round")
    func table() throws {
        let targets = Set(try Self.files.get().filter { $0.isSource && $0.isSwift }.compactMap(\.target))
        #expect(targets == Set(ImportRules.allowed.keys))
    }
}
