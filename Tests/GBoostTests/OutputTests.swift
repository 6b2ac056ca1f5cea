import Foundation
import GatewayCore
import GatewayServer
import Logging
import Postgres
import Synchronization
import Testing

@testable import gboost

@Suite struct OutputTests {
    @Test("columns are as wide as their widest cell, numbers to the right, nothing at a line's end")
    func table() {
        var table = TextTable([.init("NAME"), .init("LIMIT", .right), .init("NOTE")])
        table.rows = [["acme", "20.5", ""], ["a-longer-name", "1", "x"]]
        #expect(
            table.render() == """
                NAME           LIMIT  NOTE
                acme            20.5
                a-longer-name      1  x

                """)
    }

    @Test("a name cannot steer the terminal")
    func controlCharacters() {
        var table = TextTable([.init("N")])
        table.rows = [["a\u{1B}[2Jb\nc"]]
        #expect(table.render() == "N\na?[2Jb?c\n")
    }

    @Test("of an action's two sides only what differs is shown, cut where a row would be too long")
    func changes() {
        let old = #"{"id": 7, "limit": 5000000000000000001, "tags": ["a"], "state": {"held": 0, "scope": "acme"}}"#
        let new = #"{"id": 7, "limit": 7, "tags": ["a", "b"], "state": {"held": 3, "scope": "acme"}, "note": "x"}"#
        func text(_ before: String?, _ after: String?) -> String { EventChange(before: before, after: after).text }
        #expect(
            text(old, new)
                == "limit: 5000000000000000001 → 7, note: none → x, state.held: 0 → 3, tags: [a] → …")
        #expect(text(#"{"a": null, "b": true}"#, #"{"a": 1, "b": false}"#) == "a: none → 1, b: true → false")
        #expect(text(nil, #"{"a": 1, "b": [{"c": null}]}"#) == "a: 1, b: [{c: none}]")
        #expect(text(#"{"a": 1}"#, nil) == "a: 1" && text(#"{"a": 1}"#, #"{"a": 1}"#) == "" && text(nil, nil) == "")
        #expect(text("no JSON", "2") == "no JSON → 2")
        let long = text(nil, #"{"a": "\#(String(repeating: "é", count: 2000))"}"#)
        #expect(long.count == EventChange.width && long.hasSuffix("é…"))
    }

    /// Keeps what a log writes.
    private final class Sink: TextOutputStream, Sendable {
        private let kept = Mutex("")
        var text: String { kept.withLock { $0 } }
        func write(_ string: String) { kept.withLock { $0 += string } }
    }

    private struct Failure: Error, CustomStringConvertible { var description: String }

    @Test("a record of the log is one line, whatever is in it")
    func logLines() throws {
        let sink = Sink()
        var logger = Logger(label: "gboost") { label in
            LineLogHandler(StreamLogHandler(label: label, stream: sink, metadataProvider: nil))
        }
        logger[metadataKey: "own"] = "a\r\nb"
        let reason = "server closed the connection unexpectedly\n\tThis probably means that\u{2028}it is gone.\n"
        logger.warning(
            "not\n kept\u{1B}[2J",
            metadata: ["reason": "\(reason)", "list": ["x\ny", ["k": "\u{85}z"]], "plain": "ü 1"])
        logger.error("failed", error: Failure(description: "one\ntwo"))
        logger.debug("off\n")
        let lines = sink.text.split(separator: "\n", omittingEmptySubsequences: false)
        try #require(lines.count == 3 && lines[2].isEmpty, "\(sink.text)")
        #expect(
            lines[0].contains("reason=server closed the connection unexpectedly This probably means that it is gone. "))
        #expect(lines[0].contains("own=a b") && lines[0].contains("plain=ü 1") && lines[0].hasSuffix("not kept[2J"))
        #expect(lines[1].contains("error.message=one two"))
        let wrong = lines.joined().unicodeScalars.filter { $0.value < 0x20 || $0.value == 0x85 || $0.value == 0x2028 }
        #expect(wrong.isEmpty)
    }

    @Test("breaks and the spaces around them become one space; a text without any stays as it is")
    func logText() {
        let texts = [
            ("plain  text", "plain  text"), ("a \t\n b", "a b"), ("\n a\n", "a"), ("a\u{0}b\u{7F}", "ab"),
            ("\r\n", ""), ("", ""),
        ]
        for (text, line) in texts { #expect(LineLogHandler.line(text) == line) }
    }

    @Test("CSV quotes what must be quoted, and disarms formulas but not numbers")
    func csv() {
        let text = CSVText.render([["a,b", "say \"x\"", "=1+1", "-1.5", "plain"]])
        #expect(text == "\"a,b\",\"say \"\"x\"\"\",'=1+1,-1.5,plain\r\n")
    }

    @Test("a mark that joins a comma, a quote or a formula's first character hides it from nobody who reads CSV")
    func marksInCSV() {
        let cells = [
            "\u{600},b": "\"\u{600},b\"", "a,\u{301}b": "\"a,\u{301}b\"",
            "\u{600}\"\u{301}": "\"\u{600}\"\"\u{301}\"", "=\u{301}1+1": "'=\u{301}1+1", "@\u{301}x": "'@\u{301}x",
            "-\u{301}1": "'-\u{301}1", "\r\n=1": "\"'\r\n=1\"", "-1.5": "-1.5",
        ]
        for (cell, written) in cells {
            #expect(Array(CSVText.render([[cell]]).utf8) == Array("\(written)\r\n".utf8), "\(written)")
        }
    }

    @Test("what a local model fails is one line in words")
    func localModel() {
        let errors: [(LocalModelError, String)] = [
            (.unavailable("m.gguf: not a GGUF file"), "m.gguf: not a GGUF file"),
            (.invalid("schema: too deep"), "schema: too deep"),
            (.contextExceeded(tokens: 9, limit: 8), "a conversation has 9 tokens; the model takes 8"),
            (.interrupted, "the model's engine stopped while it was answering"),
        ]
        for (error, text) in errors {
            let outcome = CommandRun.outcome(error.commandFailure)
            #expect(outcome.status == .failed && outcome.text == text)
        }
    }

    @Test("an error of the database itself is said as the ledger says it, with its status")
    func database() {
        let (status, text) = CommandRun.outcome(PostgresError(.connection, "connection refused"))
        #expect(status == .databaseUnreachable && text.hasPrefix("the database cannot be reached"))
        #expect(text.hasSuffix(": connection refused"))
    }

    @Test("why a file cannot be written is said without the error's dump")
    func unwritable() {
        let failure = OutputFile.failure(CocoaError(.fileWriteOutOfSpace), of: "a/b")
        #expect(failure == CommandFailure("--out: a/b cannot be written: no space is left"))
    }

    @Test("a listening port is found in the kernel's table, a merely connected one is not")
    func listening() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
               1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 2
            """
        #expect(MachineChecks.isListening(8080, table: table))
        #expect(!MachineChecks.isListening(8081, table: table))
        #expect(!MachineChecks.isListening(80, table: table))
    }

    @Test("the doctor warns of a filling disk before it is full")
    func disk() {
        #expect(MachineChecks.disk("journal", path: "/j", free: 10 << 30).state == .ok)
        #expect(MachineChecks.disk("journal", path: "/j", free: 1 << 30).state == .warning)
        #expect(MachineChecks.disk("journal", path: "/j", free: 1 << 20).state == .problem)
    }

    @Test("the doctor names each provider whose key is not there")
    func providerKeys() throws {
        let configuration = try ConfigurationTests.load(ConfigurationTests.whole)
        let missing = MachineChecks(configuration: configuration, environment: [:]).providers()
        #expect(missing.map(\.state) == [.problem, .ok])
        #expect(missing[0].message.contains("env:OPENAI_API_KEY"))
        let found = MachineChecks(configuration: configuration, environment: ["OPENAI_API_KEY": "k"]).providers()
        #expect(found.map(\.state) == [.ok, .ok])
    }
}
