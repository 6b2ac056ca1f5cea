internal import ArgumentParser
internal import Audit
internal import Curl
internal import Foundation
internal import GatewayCore
internal import Ledger

extension AuditCommand {
    struct LatestCheckpoint: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "checkpoint",
            abstract: "Sign checkpoints of what has grown, publish them, and print the latest of each log.")
        @OptionGroup var options: AdminOptions
        @Option(help: "One tenant's logs; without it every log.") var tenant: String?

        struct Line: Encodable {
            var log: String
            var size: Int64
            var note: String
        }

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
            let lines = latest.map { Line(log: $0.log.description, size: $0.size, note: $0.note) }
            try options.show(NamedList("checkpoints", lines), text: latest.map(\.note).joined(separator: "\n"))
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
            let (id, tenant, from, kind) = (id, tenant, from, refused ? AuditKind.refusals : .escalations)
            let proof = try await options.audit { store, admin in
                let owner = try await admin.number(ofTenant: tenant)
                let log = owner.map { AuditLog(kind, tenant: $0) } ?? AuditLog(.events)
                return try await store.prove(try await Self.number(id, log, store), in: log, from: from)
            }
            // Scripts and people read the same document.
            try CommandOutput.print(json: proof)
        }

        private static func number(_ id: String, _ log: AuditLog, _ store: AuditStore) async throws -> Int64 {
            if let number = Int64(id) { return number }
            let parts = id.split(separator: "/").map(String.init)
            guard parts.count == 3, let request = UUID(uuidString: parts[0]), let step = Int16(parts[1]),
                let attempt = Int16(parts[2]), log.kind != .events
            else { throw CommandFailure.usage("id", "'\(id.prefix(60))' is neither a number nor a tenant's call") }
            let found = try await store.number(ofRequest: request, step: step, attempt: attempt, in: log)
            guard let found else { throw CommandFailure("id: there is no such call") }
            return found
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
                throw CommandFailure.usage("--output", "cannot make \(output), or it is there already")
            }
            let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            try file.write(contentsOf: Data((signer.secretText + "\n").utf8))
            try file.synchronize()
            let made = Made(name: name, publicKey: signer.verifier.text, file: output)
            if json { return try CommandOutput.print(json: made) }
            CommandOutput.print(made.publicKey + "\n")
        }
    }
}
