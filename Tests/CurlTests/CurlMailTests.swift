import Curl
import GatewayTesting
import Testing

@Suite("Mails by libcurl")
struct CurlMailTests {
    private func with(
        _ extensions: [String] = [], _ work: (CurlClient, LoopbackMailServer, CurlMail) async throws -> Void
    ) async throws {
        let server = try LoopbackMailServer(extensions: extensions)
        defer { server.stop() }
        let client = try CurlClient()
        var mail = CurlMail(
            url: server.url, from: "gateway@example.com", to: ["a@example.com", "b@example.com"],
            text: Array("Subject: hello\r\n\r\n.a line with a dot\r\n.\r\nthe end\r\n".utf8))
        mail.requiresTLS = false
        do { try await work(client, server, mail) } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    @Test("a mail arrives byte for byte, with its envelope; HTTP calls of the same client go on as before")
    func arrives() async throws {
        try await with { client, server, mail in
            let peer = try ScriptedPeer([.read, ok("yes"), .again])
            defer { peer.stop() }
            for round in 1...3 {
                #expect(try await client.text(CurlRequest(peer)) == "yes")
                #expect(try await client.send(mail) == 250)
                #expect(server.mails.count == round)
            }
            let last = try #require(server.mails.last)
            #expect(last.from == "gateway@example.com" && last.to == ["a@example.com", "b@example.com"])
            #expect(last.text == String(decoding: mail.text, as: UTF8.self))
            #expect(try await client.text(CurlRequest(peer)) == "yes")
            #expect(peer.requests.allSatisfy { $0.head.hasPrefix("POST /v1/chat HTTP/1.1") })
        }
    }

    @Test(
        "a server's no is its code, wherever it says so",
        arguments: [("MAIL", 451), ("RCPT", 550), ("DATA", 554), (".", 552), (".", 451)])
    func refused(verb: String, code: Int) async throws {
        try await with { client, server, mail in
            server.reply("\(code) not now", to: verb)
            let first = try await client.send(mail)
            #expect(first == code && server.mails.isEmpty)
            let second = try await client.send(mail)
            #expect(second == 250)
        }
    }

    @Test("a name and a password are never said on a connection without protection, nor is the mail")
    func unprotected() async throws {
        try await with(["AUTH PLAIN LOGIN"]) { client, server, mail in
            var mail = mail
            mail.requiresTLS = true
            mail.login = ("user", "canary-password")
            let error = await failure { () async throws(CurlError) in try await client.send(mail) }
            #expect(error?.requestWasSent == false)
            #expect(server.mails.isEmpty && !server.commands.contains { $0.hasPrefix("AUTH") || $0.hasPrefix("MAIL") })
            mail.requiresTLS = false
            let refusal = await code(client, mail)
            #expect(refusal == .invalidRequest)
        }
    }

    private func code(_ client: CurlClient, _ mail: CurlMail) async -> CurlError.Code? {
        do throws(CurlError) {
            _ = try await client.send(mail)
            return nil
        } catch { return error.code }
    }

    @Test("what could be read as another command is refused before anything is sent")
    func malformed() async throws {
        try await with { client, server, mail in
            let changes: [(inout CurlMail) -> Void] = [
                { $0.url = "http://127.0.0.1:1" }, { $0.url = "smtp://u:p@127.0.0.1:1" }, { $0.url = "smtp://" },
                { $0.from = "a@b>\r\nRCPT TO:<c@d" }, { $0.to = [] }, { $0.to = ["a b@c"] }, { $0.to = [""] },
            ]
            for change in changes {
                var bad = mail
                change(&bad)
                #expect(await code(client, bad) == .invalidRequest)
            }
            #expect(server.commands.isEmpty)
        }
    }

    @Test("a server that is not there, and one that says nothing, end in bounded time")
    func silent() async throws {
        try await with { client, server, mail in
            var lost = mail
            lost.url = "smtp://127.0.0.1:1"
            #expect(await code(client, lost) == .unreachable)
            let mute = try ScriptedPeer([.hang])
            defer { mute.stop() }
            var slow = mail
            slow.url = "smtp://127.0.0.1:\(mute.port)"
            slow.timeouts = CurlTimeouts(connect: .milliseconds(100), total: .milliseconds(200))
            let end = await code(client, slow)
            #expect(end == .timeout(.connect) || end == .timeout(.total))
            #expect(try await client.send(mail) == 250)
        }
    }
}
