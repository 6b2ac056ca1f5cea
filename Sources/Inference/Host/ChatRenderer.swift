internal import CLlama
internal import Foundation
package import GatewayCore
internal import Glibc

/// One piece of a rendered conversation.
package struct RenderedPart: Hashable, Sendable {
    package var text: String
    /// It came out of a message or a tool: nothing in it may be read as a special token.
    package var isInput: Bool
    /// The name of a special token stands across this part's beginning: the tokenizer may not see both sides.
    package var isCut: Bool
}

/// A chat template: the model's own, run by llama.cpp's Jinja, so that a conversation looks as the model's authors
/// trained it.
package final class ChatRenderer {
    private let pointer: OpaquePointer

    /// - Parameters:
    ///   - source: the template; nil: ChatML.
    ///   - vocabulary: names the special tokens; nil: there are none, and `bos` and `eos` are what these two are
    ///     called.
    init(source: String?, vocabulary: OpaquePointer?, bos: String = "", eos: String = "") throws(ModelFailure) {
        var error = [CChar](repeating: 0, count: 512)
        guard let pointer = gboost_chat_open(vocabulary, source, bos, eos, &error, error.count) else {
            throw ModelFailure("chat template cannot be read: \(Self.text(error))")
        }
        self.pointer = pointer
    }

    /// A template without a model, to compare its output with that of other renderers.
    package convenience init(source: String, bos: String, eos: String) throws(ModelFailure) {
        try self.init(source: source, vocabulary: nil, bos: bos, eos: eos)
    }

    deinit { gboost_chat_close(pointer) }

    /// True for a token that ends a turn, calls a tool or the like.
    func isSpecial(_ token: Int32) -> Bool { gboost_chat_is_special(pointer, token) != 0 }

    /// Renders a conversation, up to and with the opening of the assistant's turn.
    ///
    /// - Parameters:
    ///   - tools: JSON array of the tools in OpenAI's format.
    ///   - arguments: JSON object of further variables for the template.
    ///   - now: seconds since 1970 for templates that write the date; nil: the clock's.
    package func render(
        _ messages: [ChatMessage], tools: String? = nil, arguments: String? = nil, now: Int64? = nil
    ) throws(LocalModelError) -> [RenderedPart] {
        let strings = CStrings()
        let rows = messages.map { message in
            gboost_message(
                role: strings.add(message.role), content: strings.add(message.content),
                reasoning: strings.add(message.reasoning), tool_calls: strings.add(message.toolCalls),
                tool_call_id: strings.add(message.toolCallID), name: strings.add(message.name))
        }
        var block: UnsafeMutablePointer<CChar>?
        var size = 0
        var error = [CChar](repeating: 0, count: 512)
        let code = rows.withUnsafeBufferPointer { rows in
            var conversation = gboost_conversation(
                messages: rows.baseAddress, count: rows.count, tools: strings.add(tools),
                arguments: strings.add(arguments), opens_answer: 1, now: now ?? 0)
            return gboost_chat_render(pointer, &conversation, &block, &size, &error, error.count)
        }
        guard code == 0, let block else { throw .invalid("chat template refuses: \(Self.text(error))") }
        defer { gboost_free(block) }
        return Self.parts(Data(bytes: block, count: size))
    }

    private static func parts(_ data: Data) -> [RenderedPart] {
        var parts: [RenderedPart] = []
        var offset = 0
        while offset + 5 <= data.count {
            let flags = Int32(data[offset])
            let length = Int(data.littleEndianUInt32(at: offset + 1))
            let text = String(decoding: data[(offset + 5)..<(offset + 5 + length)], as: UTF8.self)
            parts.append(
                RenderedPart(
                    text: text, isInput: flags & GBOOST_PART_INPUT != 0, isCut: flags & GBOOST_PART_CUT != 0))
            offset += 5 + length
        }
        return parts
    }

    static func text(_ error: [CChar]) -> String {
        String(decoding: error.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// C strings that live as long as this does.
private final class CStrings {
    private var pointers: [UnsafeMutablePointer<CChar>?] = []

    deinit { for pointer in pointers { free(pointer) } }

    func add(_ text: String?) -> UnsafePointer<CChar>? {
        // A NUL would end the text early.
        guard let pointer = text.map({ strdup($0.replacingOccurrences(of: "\0", with: "\u{FFFD}")) }) else {
            return nil
        }
        pointers.append(pointer)
        return UnsafePointer(pointer)
    }
}

/// Grammars of JSON schemas, in llama.cpp's notation.
package enum JSONSchemaGrammar {
    /// The grammar of the texts that a schema allows. For an engine host only: the schema comes from a client, and
    /// the converter is C++.
    package static func gbnf(_ schema: String) throws(LocalModelError) -> String {
        guard !schema.utf8.contains(0) else { throw .invalid("response_format: the schema has a NUL in it") }
        var block: UnsafeMutablePointer<CChar>?
        var size = 0
        var error = [CChar](repeating: 0, count: 512)
        guard gboost_grammar_from_schema(schema, &block, &size, &error, error.count) == 0, let block else {
            throw .invalid("response_format: \(ChatRenderer.text(error))")
        }
        defer { gboost_free(block) }
        return String(decoding: Data(bytes: block, count: size), as: UTF8.self)
    }
}
