internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// What an administrative request is answered with.
package struct AdminAnswer: Sendable {
    var status: HTTPResponse.Status = .ok
    var contentType = "application/json"
    var isStream = false
    private(set) var body: Body

    enum Body: Sendable {
        case whole([UInt8])
        /// Written a piece at a time, by a function that hears of the client's leaving by an error.
        case pieces(@Sendable (Writer) async throws -> Void)
    }

    /// Takes the pieces of an answer.
    typealias Writer = (ArraySlice<UInt8>) async throws -> Void

    /// The same document as the command's `--json`.
    package static func json(_ value: some Encodable, status: Int = 200) throws -> AdminAnswer {
        AdminAnswer(status: .init(code: status), body: .whole(Array(try AdminJSON.bytes(value))))
    }

    /// JSON that is written already.
    static func whole(_ json: [UInt8]) -> AdminAnswer { AdminAnswer(body: .whole(json)) }

    /// Server-sent events.
    static func events(_ write: @escaping @Sendable (Writer) async throws -> Void) -> AdminAnswer {
        AdminAnswer(isStream: true, body: .pieces(write))
    }

    /// Something that was made.
    static func created(_ value: some Encodable) throws -> AdminAnswer { try json(value, status: 201) }

    /// `{"NAME": […]}`.
    static func list(_ name: String, _ elements: [some Encodable]) throws -> AdminAnswer {
        try json(NamedList(name, elements))
    }

    /// A part of a list of at most `limit` elements, as a `RecordPage`.
    /// - Parameter last: the number of the last of them.
    static func page(_ name: String, _ elements: [some Encodable], limit: Int, last: Int64?) throws -> AdminAnswer {
        try json(RecordPage(name, elements, nextAfter: elements.count < limit ? nil : last))
    }

    /// A text of another type: CSV, HTML.
    static func text(_ text: String, _ contentType: String) -> AdminAnswer {
        AdminAnswer(contentType: "\(contentType); charset=utf-8", body: .whole(Array(text.utf8)))
    }

    /// Something long, in constant memory.
    static func pieces(
        _ contentType: String, _ write: @escaping @Sendable (Writer) async throws -> Void
    ) -> AdminAnswer {
        AdminAnswer(contentType: contentType, body: .pieces(write))
    }

    var response: Response {
        // Secrets of new keys, spend, names: nothing that a proxy should keep.
        let headers = isStream ? AnswerJob.streamHeaders : [.contentType: contentType, .cacheControl: "no-store"]
        switch body {
        case .whole(let bytes):
            return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
        case .pieces(let write):
            return Response(
                status: status, headers: headers,
                body: ResponseBody { writer in
                    // One piece after the other, all by this task: the compiler sees no further than the closure.
                    nonisolated(unsafe) var writer = writer
                    try await AdminExecutor.run {
                        try await write { piece in unsafe try await writer.write(ByteBuffer(bytes: piece)) }
                    }
                    unsafe try await writer.finish(nil)
                })
        }
    }
}
