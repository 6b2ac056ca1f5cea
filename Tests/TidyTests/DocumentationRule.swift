/// A doc comment on every type and function that other targets see.
///
/// Properties and initializers may rest on the comment of their type. A function that fulfils a requirement is
/// documented where the requirement is: in a protocol of the package, or in one of those named here.
enum DocumentationRule {
    private static let kinds: Set<String> = [
        "struct", "class", "enum", "actor", "protocol", "typealias", "func", "macro",
    ]
    private static let modifiers: Set<String> = [
        "final", "static", "class", "nonisolated", "mutating", "consuming", "borrowing", "indirect", "isolated",
        "override", "nonisolated(nonsending)", "nonisolated(unsafe)", "distributed", "unsafe", "convenience",
    ]
    /// Requirements of the standard library, ServiceLifecycle, ArgumentParser, Hummingbird and swift-log.
    private static let witnesses: Set<String> = [
        "hash", "encode", "==", "<", "enqueue", "checkIsolated", "isIsolatingCurrentContext", "next",
        "makeAsyncIterator", "appendLiteral", "run", "validate", "handle", "response",
    ]

    private struct Declaration {
        var path: String
        var line: Int
        var kind: String
        var name: String
        var isDocumented: Bool
        var isVisible: Bool
    }

    static func check(_ files: [SourceFile]) -> [Violation] {
        let declarations = files.filter { $0.isSwift && $0.isSource }.flatMap(declarations)
        let documented = Set(declarations.filter { $0.isDocumented && $0.kind == "func" }.map(\.name))
        return declarations.filter { declaration in
            guard declaration.isVisible, !declaration.isDocumented else { return false }
            return declaration.kind != "func"
                || !(documented.contains(declaration.name) || witnesses.contains(declaration.name))
        }.map { Violation(path: $0.path, line: $0.line, message: "\($0.kind) \($0.name) has no doc comment") }
    }

    private static func declarations(_ file: SourceFile) -> [Declaration] {
        let lines = file.lines
        let code = file.stripped.code.split(separator: "\n", omittingEmptySubsequences: false)
        return code.enumerated().compactMap { index, line in
            var words = line.split(whereSeparator: \.isWhitespace).map(String.init)[...]
            words = words.drop { $0.hasPrefix("@") }
            let isVisible = words.first.map { ["package", "public", "open"].contains($0) } ?? false
            if isVisible { words = words.dropFirst() }
            while let word = words.first, modifiers.contains(word),
                !(word == "class" && isName(words.dropFirst().first))
            {
                words = words.dropFirst()
            }
            guard let kind = words.first, kinds.contains(kind), let rest = words.dropFirst().first else { return nil }
            let end = rest.firstIndex { !$0.isLetter && !$0.isNumber && $0 != "_" } ?? rest.endIndex
            return Declaration(
                path: file.path, line: index + 1, kind: kind,
                name: end == rest.startIndex
                    ? String(rest.prefix { $0 != "(" && $0 != "<" || $0 == rest.first }) : String(rest[..<end]),
                isDocumented: isDocumented(lines, before: index), isVisible: isVisible)
        }
    }

    /// Whether the word after `class` names a type, so that `class` is no modifier.
    private static func isName(_ word: String?) -> Bool {
        word.map { !kinds.contains($0) && !modifiers.contains($0) && $0 != "var" && $0 != "let" } ?? false
    }

    private static func isDocumented(_ lines: [Substring], before index: Int) -> Bool {
        let above = lines[..<index].reversed().first { !$0.drop(while: \.isWhitespace).hasPrefix("@") }
        return above?.drop(while: \.isWhitespace).hasPrefix("///") == true
    }
}
