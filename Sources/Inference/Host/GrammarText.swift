/// What can be told of a GBNF grammar before llama.cpp reads it.
///
/// Its parser calls itself for every parenthesis, repeats without a bound what is to be repeated "5 to 3" times, and
/// walks every path of references: a few hundred bytes could keep or end a process that others share.
package enum GrammarText {
    static let maxBytes = 64 << 10
    static let maxDepth = 64

    /// What is wrong, nil where nothing is.
    package static func problem(_ text: String) -> String? {
        guard !text.isEmpty, text.utf8.count <= maxBytes else { return "must have 1 to \(maxBytes) bytes" }
        guard !text.utf8.contains(0) else { return "must not contain NUL" }
        do throws(GrammarProblem) {
            var parser = GrammarParser(text)
            var references = GrammarReferences(try parser.rules())
            try references.check()
            return nil
        } catch {
            return error.text
        }
    }
}

/// Why a grammar is not given to llama.cpp.
struct GrammarProblem: Error {
    let text: String

    init(_ text: String) { self.text = text }
}
