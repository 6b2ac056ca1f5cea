internal import ArgumentParser
internal import Audit
internal import Curl
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension AuditCommand {
    struct LatestCheckpoint: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "checkpoint",
            abstract: "Sign checkpoints of what has grown, publish them, and print the latest of each log.")
        @OptionGroup var options: AdminOptions
        @Option(help: "One tenant's logs; without it every log.") var tenant: String?

        mutating func run() async throws {
            let tenant = tenant
            let configuration = try options.configuration.load()
            let settings = try configuration.sealerSettings()
            let client = try CurlClient()
            let publishers = try configuration.checkpointPublishers(client: client)
            let latest = try await options.audit { store, admin in
                let number = try await admin.number(ofTenant: tenant)
                if !settings.signers.isEmpty {
                    let made = try await store.checkpoint(signers: settings.signers, deployment: settings.deployment)
                    if made == nil { throw CommandFailure("a gateway is sealing at this moment") }
                    // Not only what was made now: what an earlier run signed may not have got out.
                    for checkpoint in try await store.latestCheckpoints() {
                        for publisher in publishers { try await publisher.publish(checkpoint) }
                    }
                }
                return try await store.latestCheckpoints(tenant: number)
            }
            await client.shutdown()
            if latest.isEmpty, settings.signers.isEmpty {
                throw CommandFailure("there are no checkpoints: audit.signing_key names no key")
            }
            try options.show(
                NamedList("checkpoints", latest.map { CheckpointDocument($0) }),
                text: latest.map(\.note).joined(separator: "\n"))
        }
    }

    struct Prove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prove to somebody who has a checkpoint that a record is in its log.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The record's number, or its call: REQUEST/STEP/ATTEMPT.") var id: String
        @Option(help: "The tenant; without it the log of administrative events.") var tenant: String?
        @Flag(help: "The tenant's refused calls instead of its escalations.") var refused = false
        @Option(help: "Also prove that the tree of so many records is the beginning.") var from: Int64?

        mutating func run() async throws {
            let (id, tenant, from, refused) = (id, tenant, from, refused)
            let proof = try await options.audit { store, admin in
                try await store.prove(
                    id, tenant: try await admin.number(ofTenant: tenant), isRefused: refused, from: from)
            }
            // Scripts and people read the same document.
            try CommandOutput.print(json: proof)
        }
    }

    struct Key: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the public keys of the configuration, for those who verify.")
        @OptionGroup var options: AdminOptions

        mutating func run() async throws {
            let keys = try options.configuration.load().auditSigners().map(\.verifier.text)
            guard !keys.isEmpty else { throw CommandFailure("audit.signing_key names no key") }
            try options.show(NamedList("keys", keys), text: keys.map { $0 + "\n" }.joined())
        }
    }

    struct MakeKey: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "make-key", abstract: "Make a signing key in a file, and print its public key.")
        @Argument(help: "The key's name, such as gateway.example.com/2026.") var name: String
        @Option(help: "The file; it must not be there yet.") var output: String
        @Flag(help: "Print one JSON document.") var json = false

        struct Made: Encodable {
            var name: String
            var publicKey: String
            var file: String
        }

        mutating func run() async throws {
            var random = SystemRandomNumberGenerator()
            let seed = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
            let signer: NoteSigner
            do { signer = try NoteSigner(name: name, seed: seed) } catch {
                throw CommandFailure.usage("name", "\(error)")
            }
            let descriptor = unsafe open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                throw OutputFile.refusal(output, "--output", FileFailure.reason(errno))
            }
            let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            do {
                try file.write(contentsOf: Data((signer.secretText + "\n").utf8))
                try file.synchronize()
            } catch {
                throw OutputFile.failure(error, of: output, option: "--output")
            }
            let made = Made(name: name, publicKey: signer.verifier.text, file: output)
            if json { return try CommandOutput.print(json: made) }
            CommandOutput.print(made.publicKey + "\n")
        }
    }
}
