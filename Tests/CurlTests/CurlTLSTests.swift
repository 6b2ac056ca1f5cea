import Curl
import Foundation
import GatewayTesting
import Testing

/// `openssl s_server` with a certificate made for the test, serving the files of a directory of its own.
private final class TLSServer {
    let directory: URL
    let port: Int
    private let process: Process

    var caFile: String { directory.appending(path: "cert.pem").path }
    var url: String { "https://localhost:\(port)" }

    init(name: String = "localhost", file: Data) throws {
        directory = URL(filePath: TestFiles.path("curl-tls"))
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try file.write(to: directory.appending(path: "file.bin"))
        try Self.run(
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-addext",
                "subjectAltName=DNS:\(name)", "-keyout", "key.pem", "-out", "cert.pem",
            ], in: directory)
        let output = Pipe()
        process = Self.openssl(
            ["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-WWW"], in: directory)
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // "ACCEPT 127.0.0.1:40123"
        var said = ""
        while !said.contains("ACCEPT") || !said.hasSuffix("\n") {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw POSIXError(.EIO) }
            said += String(decoding: more, as: UTF8.self)
        }
        guard let line = said.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT") }),
            let number = line.split(separator: ":").last.flatMap({ Int($0) })
        else { throw POSIXError(.EPROTO) }
        port = number
    }

    deinit {
        // Not SIGTERM: a test runner may hand down a mask that blocks it.
        kill(process.processIdentifier, SIGKILL)
        try? FileManager.default.removeItem(at: directory)
    }

    private static func openssl(_ arguments: [String], in directory: URL) -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = arguments
        process.currentDirectoryURL = directory
        return process
    }

    private static func run(_ arguments: [String], in directory: URL) throws {
        let process = openssl(arguments, in: directory)
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw POSIXError(.EINVAL) }
    }
}

@Suite("TLS", .serialized)
struct CurlTLSTests {
    private func get(_ url: String, caFile: String? = nil) async throws -> [UInt8] {
        var configuration = CurlConfiguration()
        configuration.caFile = caFile
        let client = try CurlClient(configuration: configuration)
        do {
            let body = try await client.open(CurlRequest(method: .get, url: url)).body()
            await client.shutdown()
            return body
        } catch {
            await client.shutdown()
            throw error
        }
    }

    @Test("a self-signed certificate is refused, and nothing was sent")
    func selfSigned() async throws {
        let server = try TLSServer(file: Data("secret".utf8))
        let error = try await #require(throws: CurlError.self) { try await get(server.url + "/file.bin") }
        #expect(error.code == .unreachable && !error.requestWasSent && error.curlCode == 60)
    }

    @Test("the same certificate is accepted as the authority of the CA file, and a large body is intact")
    func caFile() async throws {
        let content = Data((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
        let server = try TLSServer(file: content)
        #expect(try await Data(get(server.url + "/file.bin", caFile: server.caFile)) == content)
    }

    @Test("a slow reader loses nothing over TLS")
    func slowReader() async throws {
        let content = Data((0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) })
        let server = try TLSServer(file: content)
        var configuration = CurlConfiguration()
        configuration.caFile = server.caFile
        let client = try CurlClient(configuration: configuration)
        var request = CurlRequest(method: .get, url: server.url + "/file.bin")
        request.maxBufferedBytes = 32 * 1024
        let response = try await client.open(request)
        var body = Data()
        while let bytes = try await response.next() {
            #expect(bytes.count <= request.maxBufferedBytes)
            body += bytes
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(body == content)
        await client.shutdown()
    }

    @Test("a certificate for another name is refused")
    func otherName() async throws {
        let server = try TLSServer(name: "other.example", file: Data())
        let error = try await #require(throws: CurlError.self) {
            try await get(server.url + "/file.bin", caFile: server.caFile)
        }
        #expect(error.code == .unreachable && !error.requestWasSent && error.curlCode == 60)
    }

    @Test("a CA file that is not there is an error at once")
    func missingCAFile() {
        var configuration = CurlConfiguration()
        configuration.caFile = "/nonexistent/ca.pem"
        let error = #expect(throws: CurlError.self) { try CurlClient(configuration: configuration) }
        #expect(error?.code == .configuration)
    }

    @Test("a CA file without a certificate makes the call fail, not pass")
    func emptyCAFile() async throws {
        let server = try TLSServer(file: Data())
        let empty = server.directory.appending(path: "empty.pem")
        try Data().write(to: empty)
        let error = try await #require(throws: CurlError.self) {
            try await get(server.url + "/file.bin", caFile: empty.path)
        }
        #expect(!error.requestWasSent && (error.code == .configuration || error.code == .unreachable))
    }

    @Test("plain text where TLS is expected is unreachable")
    func plainText() async throws {
        try await withPeer([.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), .hang]) {
            (client, peer) async throws in
            let request = CurlRequest(url: "https://127.0.0.1:\(peer.port)/")
            let error = await failure { () async throws(CurlError) in try await client.open(request) }
            #expect(error?.code == .unreachable && error?.requestWasSent == false)
        }
    }
}
