internal import ArgumentParser
internal import Audit
internal import Foundation
internal import Ledger
internal import Providers

/// `gboost audit`: whether the records are complete and unchanged, and proofs of it for others.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Whether the records are complete and unchanged, and proofs of it.",
        subcommands: [
            Verify.self, Export.self, SealNow.self, LatestCheckpoint.self, Prove.self, Events.self, Key.self,
            MakeKey.self,
        ])

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Verify the database or an export, and name the first bad record of each log.",
            discussion: "Exit status 1 when something is not as it was sealed.")
        @OptionGroup var options: AdminOptions
        @Option(help: "One tenant's logs; without it every log.") var tenant: String?
        @Option(help: "An export, instead of the database.") var export: String?
        @Option(help: "File of public keys, one a line; without it those of the configuration. May be repeated.")
        var publicKey: [String] = []
        @Option(help: "File of checkpoints as they were published, or a directory of such. May be repeated.")
        var checkpoint: [String] = []

        mutating func run() async throws {
            let published = try checkpoint.flatMap { try AuditFiles.checkpoints($0) }
            let report: AuditReport
            var keys = try publicKey.flatMap { try AuditFiles.keys($0) }
            if let export {
                if keys.isEmpty, let configuration = try? options.configuration.load() {
                    keys = try configuration.auditSigners().map(\.verifier)
                }
                report = try await AuditExportFile.verify(
                    export, keys: keys, published: published, isComplete: tenant == nil)
            } else {
                if keys.isEmpty { keys = try options.configuration.load().auditSigners().map(\.verifier) }
                let (tenant, known) = (tenant, keys)
                report = try await options.audit { store, admin in
                    let number = try await admin.number(ofTenant: tenant)
                    let logs = try await store.logs(tenant: number)
                    return try await store.verify(
                        logs.map(\.log), keys: known, published: published, tenant: number)
                }
            }
            if keys.isEmpty, !published.isEmpty {
                throw CommandFailure.usage("--public-key", "checkpoints can be checked with public keys only")
            }
            try options.show(report, text: Self.text(report, keys: keys.count))
            if !report.isClean { throw ExitCode(CommandStatus.failed.rawValue) }
        }

        static func text(_ report: AuditReport, keys: Int) -> String {
            let found = report.findings.map { "\($0)\n" }.joined()
            let checkpoints =
                keys == 0
                ? "no public key is known: checkpoints were not looked at" : "\(report.checkpoints) checkpoints agree"
            return found + """
                \(report.isClean ? "as sealed" : "NOT as sealed"): \(report.records) records \
                in \(report.blocks) blocks of \(report.logs) logs; \(checkpoints); \(report.unsealed) records \
                are not sealed yet, \(report.expired) were dropped by retention

                """
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write sealed records, blocks and checkpoints as lines of JSON.")
        @OptionGroup var options: AdminOptions
        @Option(help: "One tenant's logs; without it every log.") var tenant: String?
        @Option(help: "The file to write; - is standard output.") var output = "-"

        mutating func run() async throws {
            let (tenant, output) = (tenant, output)
            let file = try AuditFiles.writing(output)
            try await options.audit { store, admin in
                let logs = try await store.logs(tenant: try await admin.number(ofTenant: tenant))
                try await store.export(logs) { bytes in
                    do { try file.write(contentsOf: bytes) } catch {
                        throw OutputFile.failure(
                            error, of: output == "-" ? "standard output" : output, option: "--output")
                    }
                }
            }
            try file.close()
        }
    }

    struct SealNow: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "seal", abstract: "Seal what is recorded now. Gateways do it by themselves.")
        @OptionGroup var options: AdminOptions

        struct Sealed: Encodable {
            var records: Int64
            var blocks: Int
        }

        mutating func run() async throws {
            let sealed = try await options.audit { store, _ in
                var sealed = Sealed(records: 0, blocks: 0)
                var summary: SealSummary
                repeat {
                    summary = try await store.seal()
                    sealed.records += summary.records
                    sealed.blocks += summary.blocks
                } while summary.records > 0
                if !summary.isMine { throw CommandFailure("a gateway is sealing at this moment") }
                return sealed
            }
            try options.show(sealed, text: "sealed \(sealed.records) records in \(sealed.blocks) blocks\n")
        }
    }
}

extension AdminOptions {
    /// Runs `body` with the audit and the administration of the database.
    func audit<R: Sendable>(_ body: (AuditStore, AdminStore) async throws -> R) async throws -> R {
        try await administer { admin in try await body(admin.audit, admin) }
    }
}

/// What the commands of the audit read and write.
enum AuditFiles {
    /// Public keys, one a line; lines that begin with # are remarks.
    static func keys(_ path: String) throws -> [NoteVerifier] {
        let keys = try text(path, option: "--public-key").split(whereSeparator: \.isNewline)
            .filter { !$0.hasPrefix("#") && !$0.allSatisfy(\.isWhitespace) }
            .map { line in
                do { return try NoteVerifier(line.trimmingCharacters(in: .whitespaces)) } catch {
                    throw CommandFailure.usage("--public-key", "\(path): a line \(error)")
                }
            }
        // Without a key nothing would be tested that was asked to be.
        if keys.isEmpty { throw CommandFailure.usage("--public-key", "\(path) has no key") }
        return keys
    }

    /// Notes of a file, or of every file of a directory.
    static func checkpoints(_ path: String) throws -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            return Checkpoint.notes(try text(path, option: "--checkpoint"))
        }
        return try names.sorted().filter { $0.hasSuffix(".checkpoints") }.flatMap { name in
            Checkpoint.notes(try text("\(path)/\(name)", option: "--checkpoint"))
        }
    }

    static func text(_ path: String, option: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure.usage(option, "cannot read \(path): \(FileFailure.unreadable(path))")
        }
        return String(decoding: data, as: UTF8.self)
    }

    static func writing(_ path: String) throws -> FileHandle {
        if path == "-" { return .standardOutput }
        try OutputFile.check(path, option: "--output", isReplaced: false)
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path)
        else { throw OutputFile.refusal(path, "--output", "the file system refuses it") }
        return file
    }
}
