internal import CLlama
internal import Foundation
internal import GatewayCore
internal import Glibc

/// The model's own chat template, and the way from messages to tokens that user text cannot subvert.
final class ChatTemplate {
    private let model: GGUFModel
    private let pointer: OpaquePointer
    let isOwn: Bool

    init(model: GGUFModel) throws(ModelFailure) {
        var error = [CChar](repeating: 0, count: 512)
        guard let pointer = gboost_chat_open(model.pointer, &error, error.count) else {
            throw ModelFailure("chat template cannot be read: \(Self.text(error))")
        }
        self.model = model
        self.pointer = pointer
        isOwn = gboost_chat_is_own(pointer) != 0
    }

    deinit { gboost_chat_close(pointer) }

    /// Tokens of the conversation, up to and with the opening of the assistant's turn.
    func tokens(_ messages: [ChatMessage]) throws(LocalModelError) -> [Int32] {
        guard !messages.isEmpty else { throw .invalid("the conversation is empty") }
        for message in messages where !["system", "developer", "user", "assistant"].contains(message.role) {
            throw .invalid("a message's role must be system, user or assistant")
        }
        return tokens(parts: try render(messages))
    }

    /// Tokens of a prompt in parts.
    ///
    /// The prompt is tokenized as a whole, as llama.cpp's own tools do it. Where that finds a special token that
    /// the template's own text does not have, input text has put it there: then every part is tokenized by itself,
    /// input without special tokens.
    func tokens(parts: [PromptPart]) -> [Int32] {
        let whole = model.tokenize(parts.map(\.text).joined(), addSpecial: true, parseSpecial: true)
        var own = 0
        var pieces: [Int32] = []
        for (index, part) in parts.enumerated() {
            let tokens = model.tokenize(part.text, addSpecial: index == 0, parseSpecial: !part.isInput)
            own += tokens.count { model.isControl($0) }
            pieces += tokens
        }
        return whole.count { model.isControl($0) } == own ? whole : pieces
    }

    private func render(_ messages: [ChatMessage]) throws(LocalModelError) -> [PromptPart] {
        // C strings: a NUL in a message would end it early.
        let clean = messages.map { ($0.role, $0.content.replacingOccurrences(of: "\0", with: "\u{FFFD}")) }
        let roles = clean.map { strdup($0.0) }
        let contents = clean.map { strdup($0.1) }
        defer { for pointer in roles + contents { free(pointer) } }
        var block: UnsafeMutablePointer<CChar>?
        var size = 0
        var error = [CChar](repeating: 0, count: 512)
        let code = gboost_chat_render(
            pointer, roles.map { UnsafePointer($0) }, contents.map { UnsafePointer($0) }, messages.count, &block, &size,
            &error, error.count)
        guard code == 0, let block else { throw .invalid("chat template refuses: \(Self.text(error))") }
        defer { gboost_chat_free(block) }
        let data = Data(bytes: block, count: size)
        var parts: [PromptPart] = []
        var offset = 0
        while offset + 5 <= data.count {
            let length = Int(data.littleEndianUInt32(at: offset + 1))
            let text = String(decoding: data[(offset + 5)..<(offset + 5 + length)], as: UTF8.self)
            parts.append(PromptPart(text: text, isInput: data[offset] != 0))
            offset += 5 + length
        }
        return parts
    }

    private static func text(_ error: [CChar]) -> String {
        String(decoding: error.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
