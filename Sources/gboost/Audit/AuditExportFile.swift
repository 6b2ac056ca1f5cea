internal import Audit
internal import Foundation

/// Reads an export piece by piece. Hashing takes all cores, the memory is that of a few pieces.
struct AuditExportFile {
    /// How much is read at once.
    static let pieceBytes = 4 << 20
    /// Longest line that is read.
    static let maxLine = 64 << 20

    /// Verifies the file at `path`.
    static func verify(
        _ path: String, keys: [NoteVerifier], published: [String], isComplete: Bool
    ) async throws -> AuditReport {
        guard !OutputFile.isDirectory(path), let file = FileHandle(forReadingAtPath: path) else {
            throw CommandFailure.usage("--export", "cannot read \(path): \(FileFailure.unreadable(path))")
        }
        defer { try? file.close() }
        var verifier = ExportVerifier(keys: keys, published: published)
        var rest: [UInt8] = []
        let width = max(2, ProcessInfo.processInfo.activeProcessorCount)
        try await withThrowingTaskGroup(of: (Int, [ExportLine]).self) { group in
            // Pieces are hashed side by side and followed in their order.
            var (given, taken) = (0, 0)
            var ready: [Int: [ExportLine]] = [:]
            func takeOne() async throws {
                guard let (number, lines) = try await group.next() else { return }
                ready[number] = lines
                while let next = ready.removeValue(forKey: taken) {
                    verifier.add(next)
                    taken += 1
                }
            }
            while let piece = try file.read(upToCount: pieceBytes), !piece.isEmpty {
                guard let end = piece.lastIndex(of: 0x0A) else {
                    rest += piece
                    if rest.count > maxLine { throw CommandFailure("\(path): a line is longer than \(maxLine) bytes") }
                    continue
                }
                let text = rest + piece[...end]
                rest = Array(piece[(end + 1)...])
                let number = given
                given += 1
                group.addTask { (number, ExportLine.lines(text)) }
                while given - taken >= width { try await takeOne() }
            }
            while taken < given { try await takeOne() }
        }
        if !rest.isEmpty { verifier.add(ExportLine.lines(rest)) }
        return verifier.end(isComplete: isComplete)
    }
}
