import Foundation
import GatewayCore
import Testing

@testable import Inference

/// `ops/convert-prm` on tiny random checkpoints of published layouts, against what these models compute.
@Suite("Converted reward heads") struct ConvertedHeadTests {
    private struct Case: Decodable {
        var layout: String
        var directory: String
        var hidden: [[Float]]
        var expected: [Double]
    }

    private static let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func run(_ executable: String, _ arguments: [String]) async throws -> Data {
        try await EngineFixture.run(executable, arguments, input: Data())
    }

    @Test("A converted head scores hidden states as the published model does, in each of the layouts")
    func converted() async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "gboost-convert-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        let script = Self.checkout.appending(path: "Tests/InferenceTests/Scripts/prm_checkpoints.py").path
        let output = try await Self.run("/usr/bin/python3", [script, root.path])
        let cases = try JSONDecoder().decode([Case].self, from: output)
        #expect(cases.map(\.layout) == ["skywork", "qwen-prm", "rlhflow", "math-shepherd"])
        let backbone = root.appending(path: "backbone.gguf")
        try Data("a backbone".utf8).write(to: backbone)
        for item in cases {
            let out = root.appending(path: "\(item.layout).head").path
            _ = try await Self.run(
                Self.checkout.appending(path: "ops/convert-prm").path, [item.directory, backbone.path, out])
            let head = try RewardHead(contentsOf: out)
            #expect(head.embeddingLength == 12)
            let errors = zip(item.hidden, item.expected).map { abs(head.raw($0) - $1) }
            print("\(item.layout): largest error \(errors.max() ?? 1)")
            #expect(errors.count == 20 && errors.max() ?? 1 < 1e-3)
            #expect(item.expected.contains { $0 > 0.6 } && item.expected.contains { $0 < 0.4 })
            #expect(try RewardHead(data: head.encoded()) == head)
            switch item.layout {
            case "skywork": #expect(head.frame == nil && head.layer == nil)
            case "qwen-prm": #expect(head.frame?.marker == [7] && head.layer?.bias.count == 10)
            case "rlhflow":
                #expect(head.frame?.before == [0, 1, 5, 2, 4] && head.frame?.marker == [3, 1, 6, 2, 4])
                #expect(head.frame?.between == [7, 3, 1, 5, 2, 4] && head.frame?.behindQuestion == " ")
            default: #expect(head.frame?.before == [0] && head.frame?.marker == [1])
            }
        }
        let broken = URL(filePath: cases[1].directory).appending(path: "tokenizer.json")
        try FileManager.default.removeItem(at: broken)
        await #expect(throws: EngineFixture.Missing.self, "a layout whose marker nobody knows is refused") {
            _ = try await Self.run(
                Self.checkout.appending(path: "ops/convert-prm").path,
                [cases[1].directory, backbone.path, root.appending(path: "no.head").path])
        }
    }

    @Test(
        "A wrong field of a two-layer head or of its frame is named",
        arguments: [
            ("layer", "\"AAAA\""), ("layer", nil), ("layer_bias", nil), ("layer_bias", "\"AAAA\""),
            ("weights", "\"AACAPw==\""), ("frame", "{\"marker\":[-1]}"), ("kind", "\"other\""),
        ] as [(String, String?)])
    func wrongField(field: String, value: String?) throws {
        var head = RewardHead(
            baseSHA256: String(repeating: "a", count: 64), weights: [1, -1], bias: 0, mean: [0, 0, 0],
            scale: [1, 1, 1], calibration: .identity, metrics: [:], seed: 0)
        head.layer = RewardHead.Layer(weights: [1, 0, 0, 0, 2, 0], bias: [0, -1])
        // Units are 0.5 and 3, and what is below nothing counts nothing.
        #expect(abs(head.raw([0.5, 2, 9]) - 1 / (1 + exp(2.5))) < 1e-6)
        #expect(abs(head.raw([0.5, -2, 9]) - 1 / (1 + exp(-0.5))) < 1e-6)
        var object = try #require(JSONSerialization.jsonObject(with: head.encoded()) as? [String: Any])
        object[field] = try value.map {
            try JSONSerialization.jsonObject(with: Data($0.utf8), options: [.fragmentsAllowed])
        }
        let data = try JSONSerialization.data(withJSONObject: object)
        #expect {
            try RewardHead(data: data)
        } throws: {
            "\($0)".contains("\"\(field)\"")
        }
    }
}

extension ModelTests {
    @Suite("Frames of published reward models")
    struct HeadFrameTests {
        @Test("A frame puts its tokens around question and steps, and the state is read at the marker's last token")
        func frame() async throws {
            let model = try await EngineFixture.sharedModel()
            let question = [ChatMessage(role: "user", content: "What is 2 + 2?")]
            var frame = HeadFrame()
            (frame.before, frame.behindQuestion) = ([1, 4093], "\n")
            (frame.marker, frame.between) = ([2, 198], [1, 198])
            func states(
                _ answer: [AnswerSegment], _ steps: [AnswerSegment], _ frame: HeadFrame?
            ) async throws -> [[Float]] {
                try await model.hiddenStates(
                    HiddenStatesRequest(
                        session: UUID(), messages: question, answer: answer, steps: steps, frame: frame))
            }
            let framed = try await states([], [.text("So 4."), .text("Done.")], frame)
            // The same by hand: one long text, of which only the ends are asked for.
            var plain = HeadFrame()
            (plain.before, plain.behindQuestion) = (frame.before, frame.behindQuestion)
            let byHand = try await states(
                [.text("So 4.")], [.tokens([2, 198]), .tokens([1, 198]), .text("Done."), .tokens([2, 198])], plain)
            for (one, other) in [(framed[0], byHand[0]), (framed[1], byHand[3])] {
                #expect(zip(one, other).allSatisfy { abs($0 - $1) < 0.05 + 0.02 * abs($1) })
            }
            let accepted = try await states([.text("So 4.")], [.text("Done.")], frame)
            #expect(zip(accepted[0], framed[1]).allSatisfy { abs($0 - $1) < 0.05 + 0.02 * abs($1) })
            frame.marker = [1 << 20]
            let wrong = frame
            await #expect(throws: LocalModelError.self) { try await states([], [.text("a")], wrong) }
        }
    }
}
