import Foundation
import GatewayCore
import GatewayServer
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
