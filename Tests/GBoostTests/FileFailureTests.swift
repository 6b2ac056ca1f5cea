import Foundation
import Testing

@testable import gboost

@Suite("What the file system refuses a command")
struct FileFailureTests {
    private typealias Place = RewardCommandTests.Place

    /// What a command must not say.
    private static let dumps = ["Error Domain", "NSCocoaErrorDomain", "CocoaError", "Error("]

    @Test("an error of the file system is the file and a few words, whichever command meets it")
    func words() async throws {
        try await RewardCommandTests.with(1) { place in
            let errors: [(why: String, path: String, work: () throws -> Void)] = [
                (
                    "no such file or directory", place.path("none"),
                    { _ = try Data(contentsOf: URL(filePath: place.path("none"))) }
                ),
                (
                    "it is there already", place.path("data.jsonl"),
                    {
                        try Data().write(to: URL(filePath: place.path("data.jsonl")), options: .withoutOverwriting)
                    }
                ),
                (
                    "no such file or directory", place.path("none"),
                    { _ = try FileHandle(forReadingFrom: URL(filePath: place.path("none"))) }
                ),
            ]
            for (why, path, work) in errors {
                do {
                    try work()
                    Issue.record("\(path) is not refused")
                } catch {
                    let (status, text) = CommandRun.outcome(error)
                    #expect(status == .failed && text == "\(path): \(why)")
                }
            }
        }
        #expect(CommandRun.outcome(CocoaError(.fileWriteOutOfSpace)).text == "a file: no space is left")
        #expect(FileFailure.reason(CocoaError(.formatting)) == nil && FileFailure.text(CancellationError()) == nil)
        #expect(FileFailure.reason(ENOSPC) == "no space is left" && FileFailure.reason(EACCES) == "permission denied")
    }

    private func expect(_ arguments: [String], _ place: Place, says words: String) async {
        let outcome = await place.run(arguments)
        #expect(outcome.status != 0 && outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
        for dump in Self.dumps { #expect(!outcome.errors.contains(dump), "\(arguments): \(outcome.errors)") }
    }

    @Test("a file that cannot be written is named with its option and the reason, before anything is done")
    func outputs() async throws {
        try await RewardCommandTests.with(1) { place in
            let (away, taken, directory) = (place.path("none/file"), place.path("data.jsonl"), place.directory.path)
            let replay = ["replay", place.path("data.jsonl"), "--model-file", place.path("model.gguf")]
            let lost = "\(away) cannot be written: no such directory"
            let below = "\(taken)/cache cannot be written: \(taken) is not a directory"
            let cases: [(arguments: [String], words: String)] = [
                (replay + ["--plot", away], "--plot: \(lost)"),
                (replay + ["--plot", directory], "--plot: \(directory) cannot be written: it is a directory"),
                (replay + ["--cache", "\(taken)/cache"], "--cache: \(below)"),
                (["audit", "export", "--output", away], "--output: \(lost)"),
                (["audit", "make-key", "a.example/1", "--output", away], "--output: \(away) cannot be written: no "),
                (
                    ["audit", "make-key", "a.example/1", "--output", taken],
                    "--output: \(taken) cannot be written: it is there already"
                ),
                (
                    ["import", "litellm", "--config", taken, "--write", taken],
                    "--write: \(taken) cannot be written: it is there already"
                ),
                (["simulate-provider", "--bill", away], "--bill: \(lost)"),
                (["simulate-provider", "--bill", taken], "--bill: \(taken) has lines that are none of a bill's"),
                (["demo", "--directory", "\(taken)/cache"], "--directory: \(below)"),
            ]
            for (arguments, words) in cases { await expect(arguments, place, says: words) }
        }
    }

    @Test("a file that cannot be read is named with the reason")
    func inputs() async throws {
        try await RewardCommandTests.with(1) { place in
            for (path, why) in [(place.path("none"), "no such file"), (place.directory.path, "it is a directory")] {
                for arguments in [
                    ["apply", path], ["price", "import", path], ["reconcile", path, "--provider", "p"],
                    ["replay", path], ["import", "litellm", "--config", path],
                    ["audit", "verify", "--export", path], ["audit", "verify", "--public-key", path],
                    ["tenant", "list", "--config", path],
                    ["prm", "label", "--slm", "x", "--data", path, "--out", place.path("out")],
                    ["prm", "evaluate", "--slm", place.path("model.gguf"), "--text-only", "--data", path],
                ] { await expect(arguments, place, says: why) }
            }
        }
    }
}
