package import Foundation

/// A model of a few hundred kilobytes that llama.cpp runs: words without sense, but real loads, decodes and adapters.
///
/// Tests that start many hosts, or damage many files, would take hours with the demo model.
package struct TinyModel: Sendable {
    /// Length of a hidden state.
    package var width = 64
    /// Attention heads.
    package var heads = 4
    /// Layers.
    package var blocks = 2
    /// Width of the feed-forward part.
    package var inner = 96
    /// Tokens that it was trained for.
    package var context: UInt32 = 512
    /// Of its weights.
    package var seed: UInt64 = 1

    /// Its chat template; nil: it has none.
    package var template: String?

    package init(seed: UInt64 = 1) { self.seed = seed }

    /// One value of a file's metadata.
    fileprivate enum Value {
        case unsigned(UInt32)
        case float(Float)
        case text(String)
        case texts([String])
        case floats([Float])
        case integers([Int32])
    }

    private var vocabulary: [(text: String, type: Int32)] {
        [("<unk>", 2), ("<s>", 3), ("</s>", 3)] + (0..<256).map { (String(format: "<0x%02X>", $0), 6) }
            + "abcdefghijklmnopqrstuvwxyz ,.?".map { ($0 == " " ? "\u{2581}" : String($0), 1) }
    }

    /// The bytes of a GGUF file.
    package var file: Data {
        let words = vocabulary
        let values: [(String, Value)] = [
            ("general.architecture", .text("llama")), ("general.type", .text("model")),
            ("llama.block_count", .unsigned(UInt32(blocks))), ("llama.context_length", .unsigned(context)),
            ("llama.embedding_length", .unsigned(UInt32(width))),
            ("llama.feed_forward_length", .unsigned(UInt32(inner))),
            ("llama.attention.head_count", .unsigned(UInt32(heads))),
            ("llama.attention.head_count_kv", .unsigned(UInt32(heads))),
            ("llama.attention.layer_norm_rms_epsilon", .float(1e-5)),
            ("llama.rope.dimension_count", .unsigned(UInt32(width / heads))),
            ("llama.rope.freq_base", .float(10_000)), ("llama.vocab_size", .unsigned(UInt32(words.count))),
            ("tokenizer.ggml.model", .text("llama")), ("tokenizer.ggml.tokens", .texts(words.map(\.text))),
            ("tokenizer.ggml.scores", .floats(words.indices.map { -Float($0) })),
            ("tokenizer.ggml.token_type", .integers(words.map(\.type))),
            ("tokenizer.ggml.bos_token_id", .unsigned(1)), ("tokenizer.ggml.eos_token_id", .unsigned(2)),
        ]
        let templates = template.map { [("tokenizer.chat_template", Value.text($0))] } ?? []
        var tensors: [(String, [Int])] = [
            ("token_embd.weight", [width, words.count]), ("output_norm.weight", [width]),
        ]
        for block in 0..<blocks {
            let parts: [(String, [Int])] = [
                ("attn_norm", [width]), ("attn_q", [width, width]), ("attn_k", [width, width]),
                ("attn_v", [width, width]), ("attn_output", [width, width]), ("ffn_norm", [width]),
                ("ffn_gate", [width, inner]), ("ffn_up", [width, inner]), ("ffn_down", [inner, width]),
            ]
            tensors += parts.map { ("blk.\(block).\($0.0).weight", $0.1) }
        }
        return Self.file(values + templates, tensors, seed: seed)
    }

    /// A LoRA adapter of this model, on the queries and values of every block.
    package func adapter(rank: Int = 8, seed: UInt64) -> Data {
        let parts = [Part("attn_q", width, width), Part("attn_v", width, width)]
        return Self.adapter(parts, blocks: blocks, rank: rank, seed: seed)
    }

    /// A weight that an adapter changes: its name in each layer, and its width before and after.
    package struct Part: Sendable {
        var name: String
        var input: Int
        var output: Int
        package init(_ name: String, _ input: Int, _ output: Int) {
            self.name = name
            self.input = input
            self.output = output
        }
    }

    /// A LoRA adapter of any model of the same architecture.
    package static func adapter(_ parts: [Part], blocks: Int, rank: Int, seed: UInt64) -> Data {
        let values: [(String, Value)] = [
            ("general.architecture", .text("llama")), ("general.type", .text("adapter")),
            ("adapter.type", .text("lora")), ("adapter.lora.alpha", .float(Float(rank) * 4)),
        ]
        let tensors: [(String, [Int])] = (0..<blocks).flatMap { block in
            parts.flatMap { part in
                [
                    ("blk.\(block).\(part.name).weight.lora_a", [part.input, rank]),
                    ("blk.\(block).\(part.name).weight.lora_b", [rank, part.output]),
                ]
            }
        }
        return file(values, tensors, seed: seed)
    }

    private static func file(_ values: [(String, Value)], _ tensors: [(String, [Int])], seed: UInt64) -> Data {
        var header = Data("GGUF".utf8)
        header.append(little: UInt32(3))
        header.append(little: UInt64(tensors.count))
        header.append(little: UInt64(values.count))
        for (key, value) in values {
            header.append(text: key)
            header.append(value)
        }
        var random = SplitMix64(seed: seed)
        var data = Data()
        for (name, shape) in tensors {
            header.append(text: name)
            header.append(little: UInt32(shape.count))
            for dimension in shape { header.append(little: UInt64(dimension)) }
            header.append(little: UInt32(0))
            header.append(little: UInt64(data.count))
            let isNorm = name.contains("norm")
            for _ in 0..<shape.reduce(1, *) {
                let uniform = Float(random.next() >> 40) / Float(1 << 24) - 0.5
                data.append(little: (isNorm ? 1 + uniform / 10 : uniform / 2).bitPattern)
            }
            data.append(Data(count: (32 - data.count % 32) % 32))
        }
        header.append(Data(count: (32 - header.count % 32) % 32))
        return header + data
    }
}

extension Data {
    fileprivate mutating func append<Value: FixedWidthInteger>(little value: Value) {
        var rest = value
        for _ in 0..<MemoryLayout<Value>.size {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    fileprivate mutating func append(text: String) {
        append(little: UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }

    fileprivate mutating func append(_ value: TinyModel.Value) {
        switch value {
        case .unsigned(let number):
            append(little: UInt32(4))
            append(little: number)
        case .float(let number):
            append(little: UInt32(6))
            append(little: number.bitPattern)
        case .text(let text):
            append(little: UInt32(8))
            append(text: text)
        case .texts(let texts):
            append(list: 8, texts.count)
            for text in texts { append(text: text) }
        case .floats(let numbers):
            append(list: 6, numbers.count)
            for number in numbers { append(little: number.bitPattern) }
        case .integers(let numbers):
            append(list: 5, numbers.count)
            for number in numbers { append(little: number) }
        }
    }

    private mutating func append(list type: UInt32, _ count: Int) {
        append(little: UInt32(9))
        append(little: type)
        append(little: UInt64(count))
    }
}
