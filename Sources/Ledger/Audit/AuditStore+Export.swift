package import Audit
internal import Postgres

extension AuditStore {
    /// How much of an export is gathered before it is handed on.
    private static let chunkBytes = 1 << 20

    /// Hands on an export of `logs` a piece at a time. What is not sealed yet is not in it.
    package func export(
        _ logs: [(log: AuditLog, name: String)], to sink: ([UInt8]) async throws -> Void
    ) async throws {
        var writer = ExportWriter()
        writer.begin()
        for (log, name) in logs { try await export(log, name, &writer, to: sink) }
        writer.end()
        try await sink(writer.take())
    }

    private func export(
        _ log: AuditLog, _ name: String, _ writer: inout ExportWriter, to sink: ([UInt8]) async throws -> Void
    ) async throws {
        var own = writer
        try await pool.transaction(isolation: .repeatableRead) { transaction in
            own.log(log, name: name)
            let expired = try await Self.expired(log, transaction)
            if expired > 0 { own.expired(expired) }
            for note in try await Self.checkpoints(log, transaction) { own.checkpoint(note) }
            var reader = AuditReader(AuditColumns.of(log.kind))
            try await Self.walk(log, transaction) { step in
                switch step {
                case .block(let block): own.block(block)
                case .records(let rows):
                    for row in rows {
                        reader.write(row, to: &own)
                        if own.bytes.count >= Self.chunkBytes { try await sink(own.take()) }
                    }
                case .unsealed: break
                }
                return true
            }
        }
        writer = own
    }
}
