/// What code may not say, by where it stands.
enum CodeRules {
    static func check(_ file: SourceFile) -> [Violation] {
        guard file.isSwift else { return [] }
        let stripped = file.stripped
        return banned(file, stripped.code) + purity(file, stripped.code) + sql(file, stripped.literals)
            + names(file) + leftovers(file)
    }

    /// Ways to bring the process down on an input.
    private static let bannedCode = ["try!", "as!", "fatalError("]
    /// Clocks, random sources and I/O that were not passed in.
    private static let impureCode = [
        "Date()", "Date.now", ".random(", ".randomElement()", ".shuffled()", "ContinuousClock()", "ContinuousClock.now",
        "SuspendingClock()", "SuspendingClock.now", "SystemRandomNumberGenerator", "UUID()", "FileManager",
        "FileHandle", "ProcessInfo", "print(", "URLSession", "Task.sleep",
    ]
    private static let vagueNames = ["Manager", "Helper", "Utils", "Utilities"]

    static func banned(_ file: SourceFile, _ code: String) -> [Violation] {
        search(file, code, for: bannedCode) { "\($0) ends the process" }
    }

    static func purity(_ file: SourceFile, _ code: String) -> [Violation] {
        guard file.isSource, let target = file.target, ImportRules.pure.contains(target) else { return [] }
        return search(file, code, for: impureCode) { "\(target) does no I/O and reads no clock: \($0)" }
    }

    static func names(_ file: SourceFile) -> [Violation] {
        let stem = file.name.dropLast(".swift".count)
        return vagueNames.filter { stem.hasSuffix($0) }.map {
            Violation(path: file.path, line: 1, message: "a name that ends in \($0) says nothing")
        }
    }

    /// Notes to oneself belong in an issue.
    static func leftovers(_ file: SourceFile) -> [Violation] {
        search(file, file.text, for: ["TO" + "DO", "FIX" + "ME"]) { "\($0) belongs in an issue" }
    }

    private static func search(
        _ file: SourceFile, _ text: String, for words: [String], message: (String) -> String
    ) -> [Violation] {
        var found: [Violation] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for word in words where contains(line, word) {
                found.append(Violation(path: file.path, line: index + 1, message: message(word)))
            }
        }
        return found
    }

    /// Whether the line has the word, and not only as the end of a longer one.
    private static func contains(_ line: Substring, _ word: String) -> Bool {
        line.ranges(of: word).contains { range in
            guard word.first?.isLetter == true, range.lowerBound > line.startIndex else { return true }
            let before = line[line.index(before: range.lowerBound)]
            return !before.isLetter && !before.isNumber && before != "_"
        }
    }

    /// SQL stands in `Ledger` and `migrations/` only; making databases is what `EmbeddedPostgres` is for.
    static func sql(_ file: SourceFile, _ literals: [StrippedSwift.Literal]) -> [Violation] {
        guard file.isSource, file.target != "Ledger" else { return [] }
        // `SELECT 1` asks a server whether it lives: it touches no table.
        let statement =
            #/
            \b(?: SELECT\s+(?!1\b) | INSERT\s+INTO\s | UPDATE\s+\S+\s+SET\s | DELETE\s+FROM\s
                | (?:ALTER|CREATE|DROP)\s+TABLE\s )
            /#
        return literals.filter { $0.text.contains(statement) }.map {
            Violation(path: file.path, line: $0.line, message: "SQL outside Ledger and migrations")
        }
    }
}
