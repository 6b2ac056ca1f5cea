import Foundation
import GatewayTesting
import Testing

@testable import Inference
@testable import gboost

/// The commands that make and judge process reward models, on data made here, by their text alone: no model runs.
@Suite("Reward model commands") struct RewardCommandTests {
    struct Place {
        var directory: URL
        func path(_ name: String) -> String { directory.appending(path: name).path }

        func run(_ arguments: [String]) async -> (status: Int32, output: String, errors: String) {
            let capture = CommandOutput.Capture()
            let status = await CommandOutput.$capture.withValue(capture) { await CommandRun.run(arguments) }
            return (Int32(status.rawValue), capture.output, capture.errors)
        }
    }

    /// A directory with a stand-in for a model file and `data.jsonl`: answers to sums, wrong ones with a slip or a
    /// number left out.
    static func with(_ count: Int = 60, _ body: (Place) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-prm-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let place = Place(directory: directory)
        try Data("no model".utf8).write(to: URL(filePath: place.path("model.gguf")))
        var random = SplitMix64(seed: 4)
        var lines = ""
        for index in 0..<count {
            let (a, b, c) = (
                Int.random(in: 2...9, using: &random), Int.random(in: 11...30, using: &random),
                Int.random(in: 31...60, using: &random)
            )
            let isRight = Bool.random(using: &random)
            let slip = !isRight && Bool.random(using: &random) ? 3 : 0
            let end = isRight || slip > 0 ? a + b + slip + c : a + b
            var steps = ["First \(a) + \(b) = \(a + b + slip)."]
            if end != a + b { steps.append("Then \(a + b + slip) + \(c) = \(end).") }
            steps.append("#### \(end)")
            let llm =
                "{\"steps\":[\"\(a + b + c)\"],\"correct\":true,\"input_tokens\":20,\"cost_usd\":0.00\(2 + index % 3)}"
            let list = String(decoding: try JSONEncoder().encode(steps), as: UTF8.self)
            lines +=
                "{\"id\":\"sum-\(index)\",\"question\":\"Ann has \(a) apples, \(b) pears and \(c) figs. How many "
                + "fruits?\",\"slm\":{\"steps\":\(list),\"correct\":\(isRight)},\"llm\":\(llm)}\n"
        }
        try Data(lines.utf8).write(to: URL(filePath: place.path("data.jsonl")))
        try await body(place)
    }

    @Test("A head is trained, evaluated, calibrated and used for scoring, the same way each time")
    func round() async throws {
        try await Self.with { place in
            let common = [
                "--slm", place.path("model.gguf"), "--data", place.path("data.jsonl"), "--text-only", "--cache",
                place.path("cache"),
            ]
            let training = ["prm", "train"] + common + ["--folds", "2", "--json", "--out"]
            let trained = await place.run(training + [place.path("a.head")])
            #expect(trained.status == 0, "\(trained.errors)")
            let metrics = try #require(
                JSONSerialization.jsonObject(with: Data(trained.output.utf8)) as? [String: Double])
            print("sums, cross-validated: \(trained.output)")
            #expect(metrics["auroc"] ?? 0 > 0.9 && metrics["answers"] == 60)
            #expect(await place.run(training + [place.path("b.head")]).status == 0)
            let head = try Data(contentsOf: URL(filePath: place.path("a.head")))
            #expect(try head == Data(contentsOf: URL(filePath: place.path("b.head"))))

            let calibrated = await place.run(
                // Twice: of too few rows there is nothing to calibrate by.
                ["prm", "calibrate"] + common + ["--data", place.path("data.jsonl")]
                    + ["--head", place.path("a.head"), "--out", place.path("c.head")])
            #expect(calibrated.status == 0, "\(calibrated.errors)")

            let evaluated = await place.run(
                ["prm", "evaluate"] + common
                    + ["--head", place.path("c.head"), "--resamples", "20", "--plot", place.path("plot.svg")])
            #expect(evaluated.status == 0, "\(evaluated.errors)")
            #expect(evaluated.output.contains("whole") && evaluated.output.contains("AUROC"))
            let plot = try String(contentsOf: URL(filePath: place.path("plot.svg")), encoding: .utf8)
            #expect(plot.hasPrefix("<svg") && plot.contains("<circle"))
            #expect(plot.hasSuffix("</svg>\n") && !plot.contains("nan"))
            let document = await place.run(
                ["prm", "evaluate"] + common + ["--head", place.path("c.head"), "--resamples", "20", "--json"])
            try Self.readable(document)

            let scored = await place.run(
                ["prm", "score"] + common
                    + ["--head", place.path("c.head"), "--out", place.path("signals.jsonl"), "--json"])
            #expect(scored.status == 0 && scored.output.hasPrefix("{\"answers\":60,"), "\(scored.errors)")
            let lines = try String(contentsOf: URL(filePath: place.path("signals.jsonl")), encoding: .utf8)
                .split(separator: "\n")
            #expect(lines.count == 60)
            for line in lines {
                let row = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                let signal = try #require(row["signal"] as? [Double])
                #expect((2...3).contains(signal.count) && signal.allSatisfy { (0...1).contains($0) })
                let cost = try #require(row["expected_cost_usd"] as? Double)
                #expect(cost > 0.001 && cost < 0.006)
                #expect((row["query_features"] as? [Double])?.isEmpty == false)
            }
            await Self.replayed(place)
        }
    }

    /// The same as scoring in one go: texts in, the curve out; the model's file by either of its names.
    private static func replayed(_ place: Place) async {
        let options = ["--seeds", "1", "--budgets", "0.5", "--json"]
        let fed = await place.run(["replay", place.path("signals.jsonl")] + options)
        for name in ["--slm", "--model-file"] {
            let texts = [
                "replay", place.path("data.jsonl"), name, place.path("model.gguf"), "--text-only", "--head",
                place.path("c.head"), "--cache", place.path("cache"),
            ]
            let replayed = await place.run(texts + options)
            #expect(replayed.status == 0, "\(replayed.errors)")
            #expect(fed.status == 0 && fed.output == replayed.output)
        }
    }

    /// The names that scripts read an evaluation by: the figures of whole answers on top, each depth's below.
    private static func readable(_ outcome: (status: Int32, output: String, errors: String)) throws {
        #expect(outcome.status == 0, "\(outcome.errors)")
        let document = try #require(
            JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        for name in ["auroc", "ece", "brier"] {
            #expect(document[name] is Double, "\(name)")
            let bounds = try #require(document[name + "_ci"] as? [Double])
            #expect(bounds.count == 2 && bounds[0] <= bounds[1], "\(name): \(bounds)")
        }
        #expect(document["rows"] as? Int == 60)
        let depths = try #require(document["depths"] as? [String: Any])
        let byDepth = try #require(document["by_depth"] as? [[String: Any]])
        #expect(byDepth.map { $0["depth"] as? String } == ["first", "early", "whole"])
        #expect(Set(depths.keys) == ["first", "early", "whole"])
        #expect(byDepth.allSatisfy { ($0["rows"] as? Int ?? 0) > 0 && $0["brier"] is Double && $0["ece"] is Double })
        #expect((byDepth.last?["auroc"] as? Double) == (document["auroc"] as? Double))
        #expect((document["reliability"] as? [Any])?.isEmpty == false)
    }

    @Test("What was done is one JSON document for those who ask for it")
    func documents() async throws {
        try await Self.with(1) { place in
            let sums = place.path("sums.jsonl")
            let made = await place.run([
                "prm", "sample-data", "--sums", "--problems", "3", "--out", sums, "--json",
            ])
            #expect(made.output == "{\"answers\":0,\"out\":\"\(sums)\",\"questions\":3}\n", "\(made.errors)")
            // Nothing to read: no model runs.
            try Data().write(to: URL(filePath: place.path("none.jsonl")))
            let none = ["--slm", place.path("model.gguf"), "--data", place.path("none.jsonl"), "--json"]
            let read = await place.run(["prm", "read", "--cache", place.path("cache")] + none)
            #expect(read.output == "{\"answers\":0,\"read\":0}\n", "\(read.errors)")
        }
    }

    @Test("Of data with arms --slm names an arm; a model's file is none")
    func arms() async throws {
        try await Self.with(1) { place in
            let line = #"{"id":"a","source":"s","arms":{"small":{"reward":0.5,"cost_usd":0}}}"#
            try Data((line + "\n").utf8).write(to: URL(filePath: place.path("arms.jsonl")))
            let outcome = await place.run([
                "replay", place.path("arms.jsonl"), "--model-file", place.path("model.gguf"), "--llm", "small",
            ])
            #expect(outcome.status == 2 && outcome.errors.contains("--slm"), "\(outcome.errors)")
        }
    }

    @Test("Texts are replayed by their text alone without the SLM's file, unless something belongs to it")
    func textOnly() async throws {
        try await Self.with(30) { place in
            let replay = ["replay", place.path("data.jsonl"), "--seeds", "1", "--budgets", "0.5", "--json"]
            let alone = await place.run(replay + ["--text-only"])
            #expect(alone.status == 0, "\(alone.errors)")
            #expect(
                await place.run(replay + ["--text-only", "--slm", place.path("model.gguf")]).output == alone.output)
            for options in [[], ["--text-only", "--head", "x"], ["--text-only", "--adapter", "x"]] {
                let outcome = await place.run(replay + options)
                #expect(outcome.status == 2 && outcome.errors.contains("--model-file"), "\(outcome.errors)")
            }
        }
    }

    @Test("A replay names the file that has too few rows, and the option that its data have no use for")
    func replayData() async throws {
        try await Self.with(1) { place in
            let (signals, empty) = (place.path("signals.jsonl"), place.path("empty.jsonl"))
            let rows = (0..<20).map {
                #"{"id":"\#($0)","slm":{"quality":0.\#($0 % 10)},"llm":{"quality":1,"cost_usd":0.01},"signal":[0.5]}"#
            }
            try Data((rows.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: signals))
            try Data().write(to: URL(filePath: empty))
            for files in [[signals, "--fit", empty], [empty, "--fit", signals]] {
                let outcome = await place.run(["replay"] + files)
                let message = "gboost: \(empty): a replay takes at least 20 rows, not 0\n"
                #expect(outcome.status == 1 && outcome.errors == message, "\(outcome.errors)")
            }
            let named = ["--model-file", "--adapter", "--extra", "--head"].map { [$0, "x"] }
            for options in [["--text-only"]] + named {
                let outcome = await place.run(["replay", signals] + options)
                let isNamed = outcome.errors.hasPrefix("gboost: \(options[0]): is for texts")
                #expect(outcome.status == 2 && isNamed, "\(outcome.errors)")
            }
        }
    }

    @Test("With an adapter the SLM is another one: its heads are of no use without it")
    func adapter() async throws {
        try await Self.with(16) { place in
            try Data("no adapter".utf8).write(to: URL(filePath: place.path("adapter.gguf")))
            let common = [
                "--slm", place.path("model.gguf"), "--data", place.path("data.jsonl"), "--text-only", "--cache",
                place.path("cache"),
            ]
            let with = common + ["--adapter", place.path("adapter.gguf")]
            let head = place.path("a.head")
            let trained = await place.run(["prm", "train"] + with + ["--folds", "2", "--out", head])
            #expect(trained.status == 0, "\(trained.errors)")
            let judging = ["--head", head, "--resamples", "10"]
            #expect(await place.run(["prm", "evaluate"] + with + judging).status == 0)
            let without = await place.run(["prm", "evaluate"] + common + judging)
            #expect(without.status != 0 && without.errors.contains("another model"), "\(without.errors)")
        }
    }

    @Test(
        "Data that cannot be learned from are named by line and field",
        arguments: [
            ("{", "line 1"), ("{\"question\":\"q\"}", "\"slm\""),
            ("{\"question\":\"q\",\"slm\":{\"steps\":[]}}", "steps"),
            ("{\"question\":\"q\",\"slm\":{\"steps\":[\"a\"]},\"step_labels\":[1,0]}", "2 labels for 1 steps"),
            ("{\"question\":\"q\",\"slm\":{\"steps\":[\"a\"]},\"step_labels\":[2]}", "0 to 1"),
            ("{\"question\":\"q\",\"slm\":{\"steps\":[\"a\"],\"correct\":true}}", "alike"),
        ])
    func refused(line: String, message: String) async throws {
        try await Self.with { place in
            try Data((line + "\n").utf8).write(to: URL(filePath: place.path("bad.jsonl")))
            let outcome = await place.run([
                "prm", "train", "--slm", place.path("model.gguf"), "--data", place.path("bad.jsonl"), "--text-only",
                "--cache", place.path("cache"), "--out", place.path("x.head"),
            ])
            #expect(outcome.status != 0)
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: place.path("x.head")))
        }
    }

    @Test("Data with nothing in them, or without labels, are named")
    func nothing() async throws {
        try await Self.with(1) { place in
            let (empty, unlabelled) = (place.path("empty.jsonl"), place.path("unlabelled.jsonl"))
            try Data("\n \n".utf8).write(to: URL(filePath: empty))
            try Data("{\"question\":\"q\",\"answer\":5,\"slm\":{\"steps\":[\"a\"]}}\n".utf8)
                .write(to: URL(filePath: unlabelled))
            let cases = [(empty, "has no rows"), (unlabelled, "no row says whether its answer is right")]
            for command in [["train"], ["evaluate"], ["calibrate", "--head", "x", "--out", place.path("y")]] {
                for (path, message) in cases {
                    let outcome = await place.run(
                        ["prm"] + command + ["--slm", place.path("model.gguf"), "--data", path, "--text-only"])
                    #expect(outcome.status != 0 && outcome.errors.contains(path), "\(outcome.errors)")
                    #expect(outcome.errors.contains(message), "\(outcome.errors)")
                }
            }
        }
    }

    @Test("Lines are counted as an editor counts them, blank ones too")
    func lineNumbers() async throws {
        try await Self.with(1) { place in
            let path = place.path("blank.jsonl")
            try Data("\n\r\n{\"question\":1}\n".utf8).write(to: URL(filePath: path))
            let trained = await place.run([
                "prm", "train", "--slm", place.path("model.gguf"), "--data", path, "--text-only",
            ])
            #expect(trained.status != 0 && trained.errors.contains("blank.jsonl, line 3: "), "\(trained.errors)")
            let replayed = await place.run(["replay", path])
            #expect(replayed.status != 0 && replayed.errors.contains("blank.jsonl, line 3: "), "\(replayed.errors)")
            // Texts behind blank lines are texts.
            try Data("\n \n{\"question\":\"q\"}\n".utf8).write(to: URL(filePath: path))
            #expect(TextReplay.isMeant(by: path))
        }
    }

    @Test("A file that cannot be written is named before the work, by its option")
    func noDirectory() async throws {
        try await Self.with(1) { place in
            let reading = ["--slm", place.path("model.gguf"), "--data", place.path("data.jsonl"), "--text-only"]
            let out = place.path("missing/x")
            let commands: [(arguments: [String], option: String)] = [
                (["train"] + reading, "--out"), (["score"] + reading, "--out"),
                (["calibrate", "--head", "x"] + reading, "--out"), (["evaluate"] + reading, "--plot"),
                (["sample-data", "--sums"], "--out"), (["sample-data", "--model-file", place.path("none")], "--out"),
            ]
            for command in commands {
                let outcome = await place.run(["prm"] + command.arguments + [command.option, out])
                let message = "gboost: \(command.option): \(out) cannot be written: no such directory\n"
                #expect(outcome.status == 2 && outcome.errors == message, "\(command): \(outcome.errors)")
            }
            let directory = await place.run(["prm", "sample-data", "--sums", "--out", place.directory.path])
            #expect(directory.status == 2 && directory.errors.contains("it is a directory"), "\(directory.errors)")
        }
    }

    @Test("What a command cannot run is said in words: a model's file that is none, a checker's program")
    func notRun() async throws {
        try await Self.with(1) { place in
            let (model, data) = (place.path("model.gguf"), place.path("data.jsonl"))
            let read = await place.run([
                "prm", "read", "--slm", model, "--data", data, "--cache", place.path("cache"),
            ])
            #expect(read.status != 0 && read.errors.contains("model.gguf"), "\(read.errors)")
            #expect(!read.errors.contains("unavailable("), "\(read.errors)")
            try Data("{\"question\":\"q\",\"answer\":\"1\"}\n".utf8).write(to: URL(filePath: data))
            let labelled = await place.run([
                "prm", "label", "--slm", model, "--data", data, "--out", place.path("out.jsonl"),
                "--checker", "command", "--program", place.path("nope"),
            ])
            let message = "gboost: --program: \(place.path("nope")) cannot be run: no such file\n"
            #expect(labelled.status == 2 && labelled.errors == message, "\(labelled.errors)")
        }
    }

    private static var reading: AnswerReading {
        var likelihoods = TokenLikelihoods()
        (likelihoods.tokens, likelihoods.best) = ([-1], [-0.5])
        return AnswerReading(question: [1], steps: [.init(last: [2], mean: [3], likelihoods: likelihoods)])
    }

    @Test("What was read stays in the cache; what a crash cut short is dropped, and nothing else")
    func cache() async throws {
        try await Self.with { place in
            let sha: String = String(repeating: "c", count: 64)
            let keys = (0..<3).map { ReadingCache.key(question: "q\($0)", steps: ["a", "b"]) }
            #expect(
                ReadingCache.key(question: "q", steps: ["ab"]) != ReadingCache.key(question: "q", steps: ["a", "b"]))
            let reading = Self.reading
            do {
                let cache = try ReadingCache(directory: place.path("cache"), modelSHA256: sha)
                for key in keys { try cache.add(reading, for: key) }
            }
            let name = try #require(try FileManager.default.contentsOfDirectory(atPath: place.path("cache")).first)
            let file = URL(filePath: place.path("cache/\(name)"))
            let whole = try Data(contentsOf: file)
            try whole.dropLast(5).write(to: file)
            let cache = try ReadingCache(directory: place.path("cache"), modelSHA256: sha)
            #expect(cache.contains(keys[0]) && cache.contains(keys[1]) && !cache.contains(keys[2]))
            #expect(try cache.reading(keys[1]) == reading)
            try cache.add(reading, for: keys[2])
            #expect(try Data(contentsOf: file) == whole)
        }
    }
}

@Suite("Answer checkers") struct AnswerCheckerTests {
    @Test(
        "A completion is right by the rule that was chosen",
        arguments: [
            (.exact, "Paris", "It is a city.\nAnswer:  paris.", true), (.exact, "Paris", "Answer: Lyon", false),
            (.exact, "Paris", "Paris", true), (.exact, "yes", "So the answer is yes", true),
            (.numeric, "1200", "So 3 * 400 = 1200.\n#### 1,200", true), (.numeric, "1200", "#### $1200.00", true),
            (.numeric, "5", "#### 6", false), (.numeric, "5", "There is none.", false), (.numeric, "-3", "A: -3", true),
            (.numeric, "42", "5 and 6 make 11.\nSo it is \\boxed{42}.", true), (.numeric, "9", "#### 9\n\n", true),
            (.choice, "B", "The answer is (B) because", true), (.choice, "b", "#### C", false),
            (.regex, "[Bb]lue|green", "The sky is Blue", true), (.regex, "^red$", "The sky is red", false),
        ] as [(AnswerChecker.Kind, String, String, Bool)])
    func rules(kind: AnswerChecker.Kind, answer: String, completion: String, expected: Bool) async throws {
        let checker = AnswerChecker(kind: kind)
        #expect(try await checker.isRight(question: "q", answer: answer, completion: completion) == expected)
    }

    @Test("A program is asked with question, answer and completion, and its status is the verdict")
    func command() async throws {
        try await RewardCommandTests.with(1) { place in
            let program = place.path("check")
            try Data("#!/bin/sh\ngrep -q '\"completion\":\"x7\"'\n".utf8).write(to: URL(filePath: program))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
            let checker = AnswerChecker(kind: .command, program: program)
            #expect(try await checker.isRight(question: "q", answer: "7", completion: "x7"))
            #expect(try await !checker.isRight(question: "q", answer: "7", completion: "x8"))
            let missing = AnswerChecker(kind: .command, program: place.path("none"))
            await #expect(throws: LabelledRowFailure.self) {
                try await missing.isRight(question: "q", answer: "7", completion: "x7")
            }
        }
    }
}
