package import Audit
internal import Foundation

/// Publishes into a directory: every log has a file to which its checkpoints are added. Put it where the database's
/// owner cannot write: a share of another department, a volume that only grows.
package struct CheckpointDirectory: CheckpointPublisher {
    private let path: String

    /// Makes the directory if need be.
    package init(_ path: String) throws(LedgerError) {
        self.path = path
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw LedgerError(.invalid, field: "audit.checkpoint_directory", "\(path) cannot be made")
        }
    }

    /// The file of a log: "escalations-7.checkpoints".
    package func file(_ log: AuditLog) -> String { "\(path)/\(log.kind.rawValue)-\(log.tenant).checkpoints" }

    package func publish(_ checkpoint: SignedCheckpoint) async throws {
        let file = file(checkpoint.log)
        // It may come again after a restart.
        let known = FileManager.default.contents(atPath: file) ?? Data()
        guard known.range(of: Data(checkpoint.note.utf8)) == nil else { return }
        let descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw LedgerError(.invalid, field: "audit.checkpoint_directory", "no \(file)") }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try handle.write(contentsOf: Data(checkpoint.note.utf8))
        try handle.synchronize()
    }
}
