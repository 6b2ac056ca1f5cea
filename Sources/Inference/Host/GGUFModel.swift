internal import CLlama
internal import Foundation
internal import Glibc

/// Why an engine host cannot work with a model file; the text is for the operator.
package struct ModelFailure: Error, CustomStringConvertible, Hashable {
    package var description: String
    init(_ description: String) { self.description = description }
}

/// Weights and vocabulary of one GGUF file. Used by the engine's thread only.
final class GGUFModel {
    let pointer: OpaquePointer
    let vocabulary: OpaquePointer
    let vocabularySize: Int
    let embeddingLength: Int

    init(path: String) throws(ModelFailure) {
        if let problem = GGUFHeader.problem(path: path) { throw ModelFailure(problem) }
        var parameters = llama_model_default_params()
        parameters.n_gpu_layers = 0
        guard let pointer = llama_model_load_from_file(path, parameters) else {
            throw ModelFailure("llama.cpp cannot load \(path)")
        }
        self.pointer = pointer
        vocabulary = llama_model_get_vocab(pointer)
        vocabularySize = Int(llama_vocab_n_tokens(vocabulary))
        embeddingLength = Int(llama_model_n_embd_out(pointer))
        guard vocabularySize > 0, embeddingLength > 0 else {
            llama_model_free(pointer)
            throw ModelFailure("\(path) has no vocabulary or no layers")
        }
    }

    deinit { llama_model_free(pointer) }

    /// Longest sequence that the model was trained for.
    var trainedContext: Int { Int(llama_model_n_ctx_train(pointer)) }
    /// False: a part of a sequence can be neither forgotten nor shared (recurrent models).
    var hasParts: Bool { !llama_model_is_recurrent(pointer) && !llama_model_is_hybrid(pointer) }
    var bytes: UInt64 { llama_model_size(pointer) }

    /// - Parameters:
    ///   - addSpecial: put the model's opening token in front, where it asks for one.
    ///   - parseSpecial: read "<|…|>" as special tokens. Never for text of users or models.
    func tokenize(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        var text = text
        return text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { bytes in
                var tokens = [Int32](repeating: 0, count: bytes.count + 8)
                let length = Int32(bytes.count)
                var count = llama_tokenize(
                    vocabulary, bytes.baseAddress, length, &tokens, Int32(tokens.count), addSpecial, parseSpecial)
                if count < 0, count != Int32.min {
                    tokens = [Int32](repeating: 0, count: Int(-count))
                    count = llama_tokenize(
                        vocabulary, bytes.baseAddress, length, &tokens, Int32(tokens.count), addSpecial, parseSpecial)
                }
                return Array(tokens.prefix(Int(max(0, count))))
            }
        }
    }

    /// The bytes of one token, which may be half a character. Special tokens have none.
    func piece(_ token: Int32) -> [UInt8] {
        guard isToken(token) else { return [] }
        var bytes = [CChar](repeating: 0, count: 64)
        var count = llama_token_to_piece(vocabulary, token, &bytes, Int32(bytes.count), 0, false)
        if count < 0 {
            bytes = [CChar](repeating: 0, count: Int(-count))
            count = llama_token_to_piece(vocabulary, token, &bytes, Int32(bytes.count), 0, false)
        }
        return bytes.prefix(Int(max(0, count))).map { UInt8(bitPattern: $0) }
    }

    /// llama.cpp aborts the process on an id out of range.
    func isToken(_ token: Int32) -> Bool { token >= 0 && Int(token) < vocabularySize }

    func endsAnswer(_ token: Int32) -> Bool { llama_vocab_is_eog(vocabulary, token) }

    func isControl(_ token: Int32) -> Bool { isToken(token) && llama_vocab_is_control(vocabulary, token) }
}

/// What can be told of a GGUF file without llama.cpp.
enum GGUFHeader {
    /// A file of fewer bytes holds no model.
    static let minBytes = 1024

    /// One sentence that names the file, nil where nothing is wrong.
    static func problem(path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return "\(path): \(String(cString: strerror(errno)))" }
        guard status.st_mode & S_IFMT == S_IFREG else { return "\(path) is not a regular file" }
        guard status.st_size >= minBytes else { return "\(path) is too short for a model (\(status.st_size) bytes)" }
        guard let file = fopen(path, "rb") else { return "\(path): \(String(cString: strerror(errno)))" }
        defer { fclose(file) }
        var head = [UInt8](repeating: 0, count: 24)
        guard fread(&head, 1, 24, file) == 24 else { return "\(path) cannot be read" }
        guard head.prefix(4).elementsEqual("GGUF".utf8) else { return "\(path) is not a GGUF file" }
        let data = Data(head)
        let version = data.littleEndianUInt32(at: 4)
        guard (2...3).contains(version) else { return "\(path) is GGUF version \(version), not 2 or 3" }
        guard data.littleEndianUInt32(at: 12) == 0, data.littleEndianUInt32(at: 8) > 0 else {
            return "\(path) is a damaged GGUF file (number of tensors)"
        }
        return nil
    }
}
