internal import Dispatch
package import Foundation
internal import Synchronization

/// What the simulated provider charged: the independent truth that a ledger is compared with.
///
/// One line of JSON a charged call, on disk (fsync) before the caller can see the end of its answer. Calls that were
/// refused or never answered are not charged and have no line.
package final class SimulatedBill: Sendable {
    /// One charged call.
    package struct Line: Hashable, Sendable, Codable {
        /// The caller's `x-request-id`; empty if it sent none.
        package var requestID: String
        /// Number of the call, from 1; goes on after a restart. Also in the response's `x-request-id`: "sim-17".
        package var call: Int
        package var model: String
        package var inputTokens: Int
        package var outputTokens: Int
        package var nanoUSD: Int64
        /// False: the answer was not delivered to its end; what was generated until then is charged.
        package var finished: Bool
        /// Parts of the input: read from the cache, written to it for five minutes and for an hour. nil: none.
        package var cachedTokens: Int?
        package var cacheWriteTokens: Int?
        package var cacheWrite1hTokens: Int?

        private enum CodingKeys: String, CodingKey {
            case call, model, finished
            case requestID = "request_id"
            case inputTokens = "input_tokens"
            case outputTokens = "output_tokens"
            case nanoUSD = "nano_usd"
            case cachedTokens = "cached_tokens"
            case cacheWriteTokens = "cache_write_tokens"
            case cacheWrite1hTokens = "cache_write_1h_tokens"
        }
    }

    /// Calls and charges since the file began (or since the start, without a file).
    package struct Totals: Hashable, Sendable, Codable {
        package var calls = 0
        package var charged = 0
        package var nanoUSD: Int64 = 0
        private enum CodingKeys: String, CodingKey {
            case calls, charged
            case nanoUSD = "nano_usd"
        }
    }

    private struct State {
        var totals: Totals
        var lastCall: Int
        var pending: [(bytes: Data, done: CheckedContinuation<Void, any Error>)] = []
        var isWriting = false
    }

    private let state: Mutex<State>
    private let file: FileHandle?
    /// Writing blocks; this queue's thread is not one of the cooperative pool.
    private let queue = DispatchQueue(label: "simulated-bill")

    /// Opens the bill for appending; a last line that a crash cut off is dropped, since its answer never ended.
    /// nil: counts without writing.
    package init(file url: URL?) throws {
        var totals = Totals()
        var last = 0
        guard let url else {
            file = nil
            state = Mutex(State(totals: totals, lastCall: 0))
            return
        }
        if !FileManager.default.fileExists(atPath: url.path) {
            try Data().write(to: url)
        }
        let old = try Data(contentsOf: url)
        let whole = old.lastIndex(of: 0x0a).map { old.distance(from: old.startIndex, to: $0) + 1 } ?? 0
        for line in try Self.lines(old.prefix(whole)) {
            last = max(last, line.call)
            totals.charged += 1
            totals.nanoUSD = totals.nanoUSD.addingReportingOverflow(line.nanoUSD).partialValue
        }
        totals.calls = totals.charged
        let handle = try FileHandle(forUpdating: url)
        try handle.truncate(atOffset: UInt64(whole))
        try handle.seekToEnd()
        file = handle
        state = Mutex(State(totals: totals, lastCall: last))
    }

    deinit { try? file?.close() }

    /// Reads a bill; whole lines only.
    package static func read(_ url: URL) throws -> [Line] {
        let data = try Data(contentsOf: url)
        guard let end = data.lastIndex(of: 0x0a) else { return [] }
        return try lines(data[...end])
    }

    private static func lines(_ data: Data) throws -> [Line] {
        let decoder = JSONDecoder()
        return try data.split(separator: 0x0a).map { try decoder.decode(Line.self, from: $0) }
    }

    /// The number of a call that begins.
    func nextCall() -> Int {
        state.withLock {
            $0.lastCall += 1
            $0.totals.calls += 1
            return $0.lastCall
        }
    }

    package var totals: Totals { state.withLock { $0.totals } }

    /// Writes a line and waits until it is on disk. Lines of concurrent calls share a write and an fsync.
    func charge(_ line: Line) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes = try encoder.encode(line) + [0x0a]
        if file != nil {
            try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
                let starts = state.withLock { state in
                    state.pending.append((bytes, done))
                    defer { state.isWriting = true }
                    return !state.isWriting
                }
                if starts { queue.async { self.writePending() } }
            }
        }
        state.withLock {
            $0.totals.charged += 1
            $0.totals.nanoUSD = $0.totals.nanoUSD.addingReportingOverflow(line.nanoUSD).partialValue
        }
    }

    private func writePending() {
        while true {
            let batch = state.withLock { state in
                let batch = state.pending
                state.pending = []
                if batch.isEmpty { state.isWriting = false }
                return batch
            }
            guard !batch.isEmpty else { return }
            let result = Result<Void, any Error> {
                try file?.write(contentsOf: batch.reduce(into: Data()) { $0.append($1.bytes) })
                try file?.synchronize()
            }
            for entry in batch { entry.done.resume(with: result) }
        }
    }
}
