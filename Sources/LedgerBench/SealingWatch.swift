internal import Audit
internal import Ledger

/// Seals beside what is measured, a round a second as a gateway does, and keeps how long the records had waited.
struct SealingWatch {
    private let task: Task<[Double], any Error>

    init(_ world: BenchWorld) async throws {
        let store = try world.sealingStore()
        // What was recorded before has waited for this program, not for a sealer; and it is none of what is measured.
        while try await store.seal().records > 0 {}
        task = Task {
            var lags: [Double] = []
            while !Task.isCancelled {
                var summary: SealSummary
                repeat {
                    do { summary = try await store.seal() } catch {
                        // The end came in the middle of a round.
                        if Task.isCancelled { return lags }
                        throw error
                    }
                    // The oldest of the round stands for all of them: that is no less than the real figure.
                    if summary.records > 0 { lags += [Double](repeating: summary.lag, count: Int(summary.records)) }
                } while summary.isFull
                try? await Task.sleep(for: .seconds(1))
            }
            return lags
        }
    }

    /// The 99th percentile over records, in seconds; nil when nothing was sealed.
    func end() async throws -> Double? {
        task.cancel()
        let lags = try await task.value.sorted()
        return lags.isEmpty ? nil : lags.quantile(0.99)
    }
}
