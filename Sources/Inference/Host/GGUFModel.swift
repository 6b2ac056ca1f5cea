internal import CLlama
internal import Foundation
internal import Glibc

/// Why an engine host cannot work with a model file; the text is for the operator.
package struct ModelFailure: Error, CustomStringConvertible, Hashable {
    package var description: String
    init(_ description: String) { self.description = description }
}

/// Weights and vocabulary of one GGUF file. Used by the engine's thread only.
package final class GGUFModel {
    let pointer: OpaquePointer
    let vocabulary: OpaquePointer
    package let vocabularySize: Int
    let embeddingLength: Int

    /// - Parameter onlyVocabulary: leaves the weights where they are.
    package init(path: String, onlyVocabulary: Bool = false) throws(ModelFailure) {
        _ = try GGUFFile(checking: path, for: onlyVocabulary ? .vocabulary : .model)
        var parameters = llama_model_default_params()
        parameters.n_gpu_layers = 0
        parameters.vocab_only = onlyVocabulary
        guard let pointer = llama_model_load_from_file(path, parameters) else {
            throw ModelFailure("llama.cpp cannot load \(path)")
        }
        self.pointer = pointer
        vocabulary = llama_model_get_vocab(pointer)
        vocabularySize = Int(llama_vocab_n_tokens(vocabulary))
        embeddingLength = Int(llama_model_n_embd_out(pointer))
        guard vocabularySize > 0, embeddingLength > 0 || onlyVocabulary else {
            llama_model_free(pointer)
            throw ModelFailure("\(path) has no vocabulary or no layers")
        }
    }

    deinit { llama_model_free(pointer) }

    /// The template that the file carries, nil where it carries none.
    package var chatTemplate: String? { template(named: nil) }
    /// The one for conversations with tools, where there are two.
    package var toolChatTemplate: String? { template(named: "tool_use") }

    private func template(named name: String?) -> String? {
        let text = llama_model_chat_template(pointer, name).map { String(cString: $0) }
        return text?.isEmpty == false ? text : nil
    }

    /// The name of a token, special tokens included.
    package func name(of token: Int32) -> String {
        guard isToken(token), let text = llama_vocab_get_text(vocabulary, token) else { return "" }
        return String(cString: text)
    }

    /// Longest sequence that the model was trained for.
    var trainedContext: Int { Int(llama_model_n_ctx_train(pointer)) }
    /// False: a part of a sequence can be neither forgotten nor shared (recurrent models).
    var hasParts: Bool { !llama_model_is_recurrent(pointer) && !llama_model_is_hybrid(pointer) }
    /// Tokens that a layer looks back on, of models where not all look back on everything; else 0.
    var window: Int { Int(max(0, llama_model_n_swa(pointer))) }
    var bytes: UInt64 { llama_model_size(pointer) }

    /// - Parameters:
    ///   - addSpecial: put the model's opening token in front, where it asks for one.
    ///   - parseSpecial: read "<|…|>" as special tokens. Never for text of users or models.
    package func tokenize(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        var text = text
        return text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { bytes in
                guard bytes.count > Self.maxShallowBytes else { return read(bytes, addSpecial, parseSpecial) }
                let found = Tokens()
                let isRead = EngineStack.run(bytes: bytes.count * Self.stackPerByte + (1 << 20)) {
                    found.all = self.read(bytes, addSpecial, parseSpecial)
                }
                // Without room for the stack: most texts have no long words, and need none.
                return isRead ? found.all : read(bytes, addSpecial, parseSpecial)
            }
        }
    }

    /// A text of at most this many bytes is read on the stack of whoever asks.
    private static let maxShallowBytes = 8 << 10
    /// Most bytes of stack for a byte of text; measured: 328, in a word of ASCII letters.
    private static let stackPerByte = 512

    /// What comes back from another stack.
    private final class Tokens { var all: [Int32] = [] }

    private func read(_ bytes: UnsafeBufferPointer<CChar>, _ addSpecial: Bool, _ parseSpecial: Bool) -> [Int32] {
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

    /// No token stands for more bytes of text: the length of the longest name, which is written with at least as many.
    private(set) lazy var longestPiece: Int = (0..<Int32(clamping: vocabularySize)).reduce(1) { longest, token in
        max(longest, llama_vocab_get_text(vocabulary, token).map { strlen($0) } ?? 0)
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
    package func isToken(_ token: Int32) -> Bool { token >= 0 && Int(token) < vocabularySize }

    /// FNV-1a over the names of all tokens.
    var vocabularyDigest: UInt64 {
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        for token in 0..<Int32(clamping: vocabularySize) {
            var name = llama_vocab_get_text(vocabulary, token)
            while let byte = name?.pointee, byte != 0 {
                digest = (digest ^ UInt64(UInt8(bitPattern: byte))) &* 0x100_0000_01B3
                name = name?.successor()
            }
            digest = (digest ^ 0xFF) &* 0x100_0000_01B3
        }
        return digest
    }

    func endsAnswer(_ token: Int32) -> Bool { llama_vocab_is_eog(vocabulary, token) }
}
