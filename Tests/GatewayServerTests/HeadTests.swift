import HTTPTypes
import Ledger
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import GatewayServer

@Suite("HEAD of what is written as it comes")
struct HeadTests {
    @Test("has no length, where GET has none either, and the length of GET's body where it is known")
    func length() async throws {
        try await AdminFixture.with { fixture in
            _ = try await fixture.payers().acme.pay([1, 2])
            _ = try await fixture.store.audit.seal()
            for path in [
                "/escalations/export?tenant=acme", "/escalations/export?tenant=acme&format=csv", "/audit/export",
            ] {
                let got = try await fixture.send(.get, path)
                let head = try await fixture.send(.head, path)
                #expect(got.status == 200 && !got.text.isEmpty && got.headers[.contentLength] == nil, "\(path)")
                #expect(head.status == 200 && head.text.isEmpty, "\(path): \(head.text)")
                #expect(head.headers[.contentLength] == nil, "\(path): \(head.headers)")
                #expect(head.headers[.contentType] == got.headers[.contentType], "\(path)")
            }
            let got = try await fixture.send(.get, "/escalations?tenant=acme")
            let head = try await fixture.send(.head, "/escalations?tenant=acme")
            #expect(head.text.isEmpty && head.headers[.contentLength] == String(got.text.utf8.count))
        }
    }

    /// What HTTP/1 has of answers without a length to some requests of a connection, in their order.
    private static func written(_ methods: [HTTPMethod], _ version: HTTPVersion = .http1_1) throws -> String {
        let channel = EmbeddedChannel(handlers: [HTTPResponseEncoder(), HTTP1Courtesy(1000)])
        for method in methods {
            try channel.writeInbound(
                HTTPServerRequestPart.head(HTTPRequestHead(version: version, method: method, uri: "/")))
            try channel.writeInbound(HTTPServerRequestPart.end(nil))
        }
        for method in methods {
            try channel.writeOutbound(HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok)))
            if method != .HEAD {
                try channel.writeOutbound(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: "body"))))
            }
            try channel.writeOutbound(HTTPServerResponsePart.end(nil))
        }
        var text = ""
        while let piece = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: piece) }
        return text
    }

    @Test("ends on the wire with its head: the mark that ends chunks would be read as the next answer")
    func wire() throws {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        let body = "4\r\nbody\r\n0\r\n\r\n"
        #expect(try Self.written([.GET, .HEAD, .HEAD, .GET]) == head + body + head + head + head + body)
        #expect(try Self.written([.HEAD], .http1_0) == "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n")
    }
}
