/// Limits on files, lines, functions and parameter lists. A number here may go down, never up.
enum SizeRules {
    static let fileLines = 400
    static let stateMachineLines = 600
    static let lineColumns = 120
    static let functionLines = 60
    static let parameters = 5
    static let architectureLines = 300

    static func check(_ file: SourceFile) -> [Violation] {
        file.isSwift ? fileLength(file) + lineLength(file) + functions(file) : fileLength(file)
    }

    static func fileLength(_ file: SourceFile) -> [Violation] {
        let limit: Int
        if file.path == "ARCHITECTURE.md" {
            limit = architectureLines
        } else if file.isSwift || file.path.hasSuffix(".sh") || file.path.hasSuffix(".py") {
            limit = file.name.contains("StateMachine") ? stateMachineLines : fileLines
        } else {
            return []
        }
        let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
        return count > limit ? [Violation(path: file.path, line: limit + 1, message: "\(count) lines of \(limit)")] : []
    }

    static func lineLength(_ file: SourceFile) -> [Violation] {
        file.lines.enumerated().filter { $0.element.count > lineColumns }.map {
            Violation(path: file.path, line: $0.offset + 1, message: "\($0.element.count) columns of \(lineColumns)")
        }
    }

    static func functions(_ file: SourceFile) -> [Violation] {
        FunctionScanner(file.stripped.code).functions.flatMap { function -> [Violation] in
            var found: [Violation] = []
            if function.lineCount > functionLines {
                let message = "\(function.name) has \(function.lineCount) lines of \(functionLines)"
                found.append(Violation(path: file.path, line: function.line, message: message))
            }
            if function.parameterCount > parameters, function.name != "init" {
                let message = "\(function.name) has \(function.parameterCount) parameters of \(parameters)"
                found.append(Violation(path: file.path, line: function.line, message: message))
            }
            return found
        }
    }
}
