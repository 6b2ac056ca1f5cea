import Testing

@testable import WireFormat

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

func toMessages(_ body: String) throws -> String {
    text(try ChatToMessages.body(ChatCompletionRequest(Array(body.utf8))))
}

func toChat(_ body: String) throws -> String {
    text(try MessagesToChat.body(MessagesRequest(Array(body.utf8))))
}

/// The field that an error names; nil: there was none.
func field(_ work: () throws -> Void) -> String? {
    do {
        try work()
        return nil
    } catch { return (error as? WireFormatError)?.param }
}
