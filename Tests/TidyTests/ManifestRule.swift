import Foundation

/// A target names in Package.swift what its files import of this package: one that does not builds by luck, as long as
/// somebody else has had the module made before.
enum ManifestRule {
    /// The texts in quotes of each target's entry, by the target's name.
    static func entries(of manifest: String) -> [String: Set<String>] {
        var entries: [String: Set<String>] = [:]
        for chunk in manifest.split(separator: /\.(?:target|testTarget|executableTarget)\(/) {
            let texts = chunk.matches(of: /"([^"]+)"/).map { String($0.1) }
            if let name = texts.first { entries[name] = Set(texts) }
        }
        return entries
    }

    static func check(_ files: [SourceFile]) -> [Violation] {
        guard let manifest = files.first(where: { $0.path == "Package.swift" }) else { return [] }
        let entries = entries(of: manifest.text)
        return files.flatMap { file -> [Violation] in
            guard file.isSwift, let target = file.target, let known = entries[target] else { return [] }
            return file.stripped.code.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
                .compactMap { index, line in
                    guard let match = line.prefixMatch(of: /(?:@testable )?(?:[a-z]+ )?import (?:[a-z]+ )?(\w+)/)
                    else { return nil }
                    let module = String(match.1)
                    guard entries[module] != nil, !known.contains(module) else { return nil }
                    return Violation(
                        path: file.path, line: index + 1, message: "Package.swift does not say that it needs \(module)")
                }
        }
    }
}
