import Foundation
import Testing

@testable import gboost

/// Which lines `gboost prm label` labels, whether or not it was interrupted.
@Suite("Lines to be labelled") struct PRMLabelTests {
    private typealias Place = RewardCommandTests.Place

    private static func rows(_ ids: [String]) throws -> [UnlabelledRow] {
        try ids.enumerated().map { number, id in
            try row("{\"id\":\"\(id)\",\"question\":\"q\(number)\",\"answer\":\"1\"}")
        }
    }

    private static func row(_ json: String) throws -> UnlabelledRow {
        try JSONDecoder().decode(UnlabelledRow.self, from: Data(json.utf8))
    }

    private static func done(_ row: UnlabelledRow, steps: [String]? = nil) -> LabelledRow {
        let steps = steps ?? (row.steps.isEmpty ? ["drafted"] : row.steps)
        var done = LabelledRow(
            id: row.id, question: row.question,
            slm: LabelledAnswer(steps: steps, correct: true, stepLabels: steps.map { _ in 1 }))
        done.context = row.context
        done.answer = row.answer
        return done
    }

    private static func missing(_ rows: [UnlabelledRow], _ done: [LabelledRow]) -> [Int] {
        PRMLabelCommand.missing(of: rows, done: done).map(\.offset)
    }

    @Test("lines that share an id are all labelled, wherever a run was interrupted")
    func repeated() throws {
        let ids = ["a", "b", "a", "c", "a", "b"]
        let rows = try Self.rows(ids)
        for done in 0...ids.count {
            let missing = PRMLabelCommand.missing(of: rows, done: rows.prefix(done).map { Self.done($0) })
            #expect(missing.map(\.offset) == Array(done..<ids.count))
            #expect(missing.map(\.element) == Array(rows[done...]))
        }
        let same = [rows[0], rows[0], rows[0]]
        for done in 0...3 {
            #expect(Self.missing(same, same.prefix(done).map { Self.done($0) }) == Array(done..<3))
        }
    }

    @Test("lines of other data in the output do not count, and more of an id than there are lines do no harm")
    func others() throws {
        let rows = try Self.rows(["a", "b", "a"])
        let other = try Self.row(#"{"id":"x","question":"q0","answer":"1"}"#)
        #expect(Self.missing(rows, [Self.done(other), Self.done(rows[0])]) == [1, 2])
        #expect(Self.missing(rows, [rows[0], rows[0], rows[2], rows[1]].map { Self.done($0) }).isEmpty)
    }

    @Test("a line whose question, answer or steps are others than those that were labelled is labelled again")
    func changed() throws {
        let old = try Self.row(#"{"id":"a","question":"q","answer":"1","slm":{"steps":["x","y"]}}"#)
        #expect(Self.missing([old], [Self.done(old)]).isEmpty)
        for line in [
            #"{"id":"a","question":"other","answer":"1","slm":{"steps":["x","y"]}}"#,
            #"{"id":"a","question":"q","answer":"2","slm":{"steps":["x","y"]}}"#,
            #"{"id":"a","question":"q","answer":"1","slm":{"steps":["x","z"]}}"#,
        ] {
            #expect(try Self.missing([Self.row(line)], [Self.done(old)]) == [0], "\(line)")
        }
        // Where the SLM drafts the steps, they are whatever it has drafted; steps that were given take their own.
        let drafted = try Self.row(#"{"id":"a","question":"q","answer":"1"}"#)
        #expect(Self.missing([drafted], [Self.done(drafted, steps: ["p", "q"])]).isEmpty)
        #expect(Self.missing([drafted, old], [Self.done(old)]) == [0])
    }

    @Test("a line before them leaves those without an id labelled, and is labelled itself")
    func inserted() async throws {
        try await RewardCommandTests.with(1) { place in
            let path = place.path("questions.jsonl")
            let first = "{\"question\":\"A?\",\"answer\":\"1\"}\n{\"question\":\"B?\",\"answer\":\"2\"}\n"
            try Data(first.utf8).write(to: URL(filePath: path))
            let done = try UnlabelledRow.read(path).map { Self.done($0) }
            #expect(done.map(\.id) == ["line-1", "line-2"])
            try Data(("{\"question\":\"New?\",\"answer\":\"3\"}\n" + first).utf8).write(to: URL(filePath: path))
            #expect(try Self.missing(UnlabelledRow.read(path), done) == [0])
        }
    }

    private static let whole =
        #"{"answer":"1","id":"a","question":"Q?","slm":{"correct":true,"step_labels":[1],"steps":["s"]},"#
        + #""step_labels":[1]}"#

    /// In terms of a row W: what the file has, what is left of it, how many rows that are.
    @Test(
        "a line that was cut short is dropped, one that is whole is kept",
        arguments: [
            ("W\n", "W\n", 1), ("W", "W\n", 1), ("W\n{", "W\n", 1), ("W\n{\"answer\":\"2\",\"id", "W\n", 1),
            ("{\"answer\":\"1\",\"id\":\"\u{e9}", "", 0), ("", "", 0), ("W\n\nW", "W\n\nW\n", 2),
        ])
    func torn(before: String, after: String, count: Int) async throws {
        let before = before.replacing("W", with: Self.whole)
        let after = after.replacing("W", with: Self.whole)
        try await RewardCommandTests.with(1) { place in
            let file = URL(filePath: place.path("out.jsonl"))
            try Data(before.utf8).write(to: file)
            let opened = try LabelOutput.opened(place.path("out.jsonl"))
            #expect(opened.done.count == count)
            try opened.file.write(contentsOf: Data("x".utf8))
            #expect(try String(contentsOf: file, encoding: .utf8) == after + "x")
        }
    }

    @Test(
        "a file that is no output of this command stays as it is",
        arguments: [
            "first line", "first line\nsecond", "{\"question\":\"Q?\",\"answer\":\"1\"}",
            "{\"answer\":\"1\",\"question\":\"Q?\"}", "W\nnotes",
            "{\"answer\":\"1\",\"question\":\"Q?\",\"slm\":{\"steps\":[\"s\"]}}\n",
        ])
    func foreign(text: String) async throws {
        let text = text.replacing("W", with: Self.whole)
        try await RewardCommandTests.with(1) { place in
            let path = place.path("notes.txt")
            try Data(text.utf8).write(to: URL(filePath: path))
            let outcome = try await Self.label(place, "{\"question\":\"q\",\"answer\":\"1\"}\n", to: path)
            #expect(outcome.status != 0 && outcome.errors.contains(path), "\(outcome.errors)")
            #expect(try String(contentsOf: URL(filePath: path), encoding: .utf8) == text)
        }
    }

    private static func label(
        _ place: Place, _ data: String, to out: String? = nil, _ more: [String] = []
    ) async throws -> (status: Int32, output: String, errors: String) {
        let path = place.path("questions.jsonl")
        try Data(data.utf8).write(to: URL(filePath: path))
        return await place.run(
            ["prm", "label", "--slm", place.path("model.gguf"), "--data", path, "--out"]
                + [out ?? place.path("out.jsonl")] + more)
    }

    @Test("the data are no output, by whichever name")
    func ownData() async throws {
        try await RewardCommandTests.with(1) { place in
            // As one whole line it could be taken for a row that was cut short.
            let text = Self.whole + "\n"
            let path = place.path("questions.jsonl")
            try Data(text.utf8).write(to: URL(filePath: path))
            let (hard, soft) = (place.path("hard.jsonl"), place.path("soft.jsonl"))
            try FileManager.default.linkItem(atPath: path, toPath: hard)
            try FileManager.default.createSymbolicLink(atPath: soft, withDestinationPath: path)
            for out in [path, hard, soft] {
                let outcome = await place.run([
                    "prm", "label", "--slm", place.path("model.gguf"), "--data", path, "--out", out,
                ])
                #expect(outcome.status != 0 && outcome.errors.contains("it is --data"), "\(outcome.errors)")
                #expect(try String(contentsOf: URL(filePath: path), encoding: .utf8) == text)
            }
        }
    }

    @Test("what was labelled before is kept, and no model is needed for it")
    func kept() async throws {
        try await RewardCommandTests.with(1) { place in
            try Data((Self.whole + "\n").utf8).write(to: URL(filePath: place.path("out.jsonl")))
            // A number is an answer as its text is.
            let line = "{\"id\":\"a\",\"question\":\"Q?\",\"answer\":1}\n"
            let outcome = try await Self.label(place, line)
            #expect(outcome.output == "0 answers labelled, 1 had been\n", "\(outcome.errors)")
        }
    }

    @Test(
        "an answer that nothing can be compared with is refused by its line, before anything is labelled",
        arguments: [
            ("numeric", "abc", "no number"), ("numeric", "1e999", "no number"), ("choice", "Z9", "no letter"),
            ("exact", " ", "no text"), ("regex", "(", "no regular expression"),
        ])
    func useless(checker: String, answer: String, reason: String) async throws {
        try await RewardCommandTests.with(1) { place in
            let lines = ["B 1", answer].map { "{\"question\":\"q\",\"answer\":\"\($0)\"}" }
            let outcome = try await Self.label(place, lines.joined(separator: "\n\n"), to: nil, ["--checker", checker])
            #expect(outcome.status != 0)
            let message = "questions.jsonl, line 3: field \"answer\": \(reason)"
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
            #expect(outcome.errors.contains("see --checker"))
            #expect(!FileManager.default.fileExists(atPath: place.path("out.jsonl")))
        }
    }

    @Test(
        "a line that cannot be read is named with its field, blank ones counted",
        arguments: [
            ("\n\r\n  \n{\"question\":1}", "line 4: field \"question\""),
            ("{\"question\":\"q\"}", "line 1: field \"answer\" is missing"),
            ("{\"question\":\"q\",\"answer\":true}", "field \"answer\": neither"), ("{", "line 1: "),
            ("{\"question\":\"q\",\"answer\":\"1\",\"slm\":{\"steps\":[\"\"]}}", "field \"slm\": steps"),
            ("\n\n", "questions.jsonl has no rows"), ("", "questions.jsonl has no rows"),
        ])
    func unreadable(data: String, message: String) async throws {
        try await RewardCommandTests.with(1) { place in
            let outcome = try await Self.label(place, data)
            #expect(outcome.status != 0 && outcome.errors.contains(message), "\(outcome.errors)")
        }
    }

    @Test(
        "an answer may be a number, whose digits stay",
        arguments: [("1000", "1000"), ("0.1", "0.1"), ("-2.75", "-2.75"), ("\"1,000\"", "1,000")])
    func numbers(json: String, text: String) throws {
        #expect(try Self.row("{\"question\":\"q\",\"answer\":\(json)}").answer == text)
    }
}
