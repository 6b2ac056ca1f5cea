internal import CLlama
internal import Foundation
internal import Glibc

/// A GGUF file as far as its header tells, checked before llama.cpp sees it.
///
/// llama.cpp answers some files with an abort and some with hours of work. What is refused here is a clear error in the
/// gateway, without a process that dies of it.
package struct GGUFFile: Hashable, Sendable {
    /// What a file is to be.
    package enum Use: Sendable { case model, vocabulary, adapter }

    package var architecture: String
    package var fileBytes: Int64
    /// Bytes of all tensors.
    package var tensorBytes: Int64
    /// Bytes of keys and values for one token at 16 bits each; an upper bound where layers differ.
    package var cacheBytesPerToken: Int64
    package var contextTokens: Int64
    /// Length of a hidden state, as a head reads it.
    package var embeddingLength: Int64

    /// A file of fewer bytes holds no model.
    static let minBytes: Int64 = 1024
    /// Code, vocabulary and buffers of a host, whatever its model.
    private static let workBytes: Int64 = 64 << 20
    /// No layer, head or width that a model of today has comes near to this.
    static let maxScalar: UInt64 = 1 << 24
    static let maxBlocks: UInt64 = 1024
    static let maxVocabulary: UInt64 = 1 << 21

    /// What a host of this model will take: weights, keys and values for all cells, work space. Replaced by what the
    /// kernel says once it has been loaded.
    package func hostBytes(contextTokens: Int) -> Int64 {
        tensorBytes + cacheBytesPerToken * Int64(contextTokens) + Self.workBytes
    }

    /// Reads and checks a file. Blocks while the disk is read.
    package init(checking path: String, for use: Use = .model) throws(ModelFailure) {
        do throws(GGUFProblem) {
            self = try Self.check(path, use)
        } catch {
            throw ModelFailure("\(path) cannot be used: \(error.text)")
        }
    }

    /// The same, on a thread that may block.
    package static func checked(_ path: String, for use: Use = .model) async throws(ModelFailure) -> GGUFFile {
        let result: Result<GGUFFile, ModelFailure> = await withCheckedContinuation { done in
            DispatchQueue.global(qos: .utility).async {
                done.resume(returning: Result { () throws(ModelFailure) in try GGUFFile(checking: path, for: use) })
            }
        }
        return try result.get()
    }

    private init(architecture: String, fileBytes: Int64, tensorBytes: Int64) {
        self.architecture = architecture
        self.fileBytes = fileBytes
        self.tensorBytes = tensorBytes
        cacheBytesPerToken = 0
        contextTokens = 0
        embeddingLength = 0
    }

    private static func check(_ path: String, _ use: Use) throws(GGUFProblem) -> GGUFFile {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw GGUFProblem(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw GGUFProblem(String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw GGUFProblem("it is not a regular file") }
        let size = Int64(status.st_size)
        guard size >= minBytes else { throw GGUFProblem("it is too short for a model (\(size) bytes)") }
        var reader = GGUFReader(descriptor: descriptor, size: size)
        let metadata = try GGUFMetadata(&reader)
        guard let architecture = metadata.text("general.architecture"), (1...64).contains(architecture.utf8.count)
        else {
            throw GGUFProblem("it does not say which architecture it is of")
        }
        let isAdapter = metadata.text("general.type") == "adapter"
        guard isAdapter == (use == .adapter) else {
            throw GGUFProblem(isAdapter ? "it is an adapter, no model" : "it is no adapter")
        }
        let tensorBytes = try GGUFTensors.check(metadata, fileBytes: size)
        guard !metadata.tensors.isEmpty || use == .vocabulary else { throw GGUFProblem("it has no tensors") }
        try checkNumbers(metadata, architecture)
        var file = GGUFFile(architecture: architecture, fileBytes: size, tensorBytes: tensorBytes)
        if use == .model { try file.checkModel(metadata) }
        return file
    }

    /// Numbers of the architecture: finite, not negative, of a size that can be.
    private static func checkNumbers(_ metadata: GGUFMetadata, _ architecture: String) throws(GGUFProblem) {
        for (key, value) in metadata.values {
            switch value {
            case .float(let number):
                guard number.isFinite else { throw GGUFProblem("\(key) is no number") }
                if key.hasSuffix("epsilon"), !(0..<1).contains(number) { throw GGUFProblem("\(key) is \(number)") }
                if key.hasSuffix(".freq_base") || key.hasSuffix(".freq_scale"), number <= 0 {
                    throw GGUFProblem("\(key) is \(number)")
                }
            case .unsigned, .signed:
                guard key.hasPrefix(architecture + "."), !key.hasSuffix("context_length") else { continue }
                // All bits set: none.
                if value == .signed(-1) || value == .unsigned(UInt64(UInt32.max)) { continue }
                guard let count = value.count, count <= maxScalar else { throw GGUFProblem("\(key) cannot be right") }
            default: continue
            }
        }
        if let parts = metadata.values["split.count"]?.count, parts > 1 {
            throw GGUFProblem("it is one of \(parts) parts of a model; only whole files are supported")
        }
    }

    private mutating func checkModel(_ metadata: GGUFMetadata) throws(GGUFProblem) {
        func required(_ name: String, in range: ClosedRange<UInt64>) throws(GGUFProblem) -> UInt64 {
            let key = "\(architecture).\(name)"
            guard let value = metadata.values[key]?.count else { throw GGUFProblem("\(key) is missing") }
            guard range.contains(value) else { throw GGUFProblem("\(key) is \(value)") }
            return value
        }
        let blocks = try required("block_count", in: 1...Self.maxBlocks)
        let width = try required("embedding_length", in: 1...(1 << 18))
        contextTokens = Int64(try required("context_length", in: 1...(1 << 31)))
        let output = metadata.values["\(architecture).embedding_length_out"]?.count ?? 0
        embeddingLength = Int64(clamping: output > 0 ? output : width)
        try Self.checkBlocks(blocks, metadata)
        try Self.checkVocabulary(metadata)
        let heads = metadata.values["\(architecture).attention.head_count"]?.count ?? 0
        guard heads > 0 else { return }
        guard heads <= width else { throw GGUFProblem("it has more heads than its width") }
        let shared = metadata.values["\(architecture).attention.head_count_kv"]?.count ?? heads
        let key = metadata.values["\(architecture).attention.key_length"]?.count ?? width / heads
        let value = metadata.values["\(architecture).attention.value_length"]?.count ?? width / heads
        // Every factor is bounded above: no overflow.
        cacheBytesPerToken = Int64(blocks * min(shared, width) * (min(key, width) + min(value, width)) * 2)
    }

    /// As many layers as there are tensors for: llama.cpp reserves memory by this number alone.
    private static func checkBlocks(_ blocks: UInt64, _ metadata: GGUFMetadata) throws(GGUFProblem) {
        var found = Set<UInt64>()
        for tensor in metadata.tensors where tensor.name.hasPrefix("blk.") {
            let number = tensor.name.dropFirst(4).prefix { $0 != "." }
            guard let number = UInt64(number) else { throw GGUFProblem("tensor \(tensor.name) has no layer") }
            found.insert(number)
        }
        // Some have layers without tensors, and layers for predicting ahead that are not counted.
        guard blocks <= UInt64(found.count) + 16, UInt64(found.count) <= blocks + 16 else {
            throw GGUFProblem("it says that it has \(blocks) layers, and has tensors for \(found.count)")
        }
    }

    private static func checkVocabulary(_ metadata: GGUFMetadata) throws(GGUFProblem) {
        guard case .array(let tokens, _)? = metadata.values["tokenizer.ggml.tokens"] else {
            throw GGUFProblem("it has no vocabulary")
        }
        guard (1...maxVocabulary).contains(tokens) else { throw GGUFProblem("its vocabulary has \(tokens) tokens") }
        for key in ["tokenizer.ggml.token_type", "tokenizer.ggml.scores"] {
            if case .array(let count, _)? = metadata.values[key], count != tokens {
                throw GGUFProblem("\(key) has \(count) entries for \(tokens) tokens")
            }
        }
        for (key, value) in metadata.values where key.hasPrefix("tokenizer.ggml.") && key.hasSuffix("_token_id") {
            guard let id = value.count else { continue }
            // All bits set: there is none.
            guard id < tokens || id == UInt64(UInt32.max) else { throw GGUFProblem("\(key) is \(id)") }
        }
    }
}

/// The places of a file's tensors.
enum GGUFTensors {
    /// Checks that every tensor lies in the file; the bytes of all together.
    static func check(_ metadata: GGUFMetadata, fileBytes: Int64) throws(GGUFProblem) -> Int64 {
        let alignment = metadata.values["general.alignment"].map { $0.count ?? 0 } ?? 32
        guard (1...65_536).contains(alignment), alignment & (alignment - 1) == 0 else {
            throw GGUFProblem("general.alignment is \(alignment)")
        }
        let header = UInt64(metadata.headerBytes)
        let start = (header + alignment - 1) / alignment * alignment
        let room = UInt64(fileBytes) > start ? UInt64(fileBytes) - start : 0
        var total: UInt64 = 0
        for tensor in metadata.tensors {
            let bytes = try bytes(of: tensor)
            guard tensor.offset % alignment == 0, tensor.offset <= room, bytes <= room - tensor.offset else {
                throw GGUFProblem("tensor \(tensor.name) lies beyond its end: it is cut short or damaged")
            }
            total += bytes
        }
        guard total <= room else { throw GGUFProblem("its tensors lie upon each other") }
        return Int64(total)
    }

    private static func bytes(of tensor: GGUFMetadata.Tensor) throws(GGUFProblem) -> UInt64 {
        guard tensor.type < GGML_TYPE_COUNT.rawValue else {
            throw GGUFProblem("tensor \(tensor.name) is of type \(tensor.type), which is not supported")
        }
        let type = ggml_type(rawValue: tensor.type)
        let (block, width) = (ggml_blck_size(type), ggml_type_size(type))
        guard block > 0, width > 0 else {
            throw GGUFProblem("tensor \(tensor.name) is of type \(tensor.type), which is not supported")
        }
        var elements: UInt64 = 1
        for dimension in tensor.dimensions {
            let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
            guard !overflow, dimension > 0, product <= 1 << 48 else {
                throw GGUFProblem("tensor \(tensor.name) has an impossible shape")
            }
            elements = product
        }
        guard (tensor.dimensions.first ?? 0) % UInt64(block) == 0 else {
            throw GGUFProblem("tensor \(tensor.name) has an impossible shape")
        }
        return elements / UInt64(block) * UInt64(width)
    }
}
