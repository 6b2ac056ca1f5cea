internal import Foundation
internal import Synchronization

/// What models have made of answers so far, so that of an answer that has grown only the new steps are read.
///
/// Bounded by bytes; what was kept first goes first. What is missing is read anew.
package final class ReadingMemory: Sendable {
    /// An answer as far as some step. A session is one answer, whatever is tried on the way.
    struct Key: Hashable, Sendable {
        /// Of the model that reads, `BaseFiles.identity`.
        var model: String
        var session: UUID
        var steps: [String]
    }

    private struct State {
        var readings: [Key: AnswerReading] = [:]
        /// In the order of their coming; those before `first` are gone.
        var order: [Key] = []
        var first = 0
        var bytes = 0
    }

    private let state = Mutex(State())
    private let maxBytes: Int

    package init(maxBytes: Int = 32 << 20) { self.maxBytes = maxBytes }

    /// Bytes of everything that is kept.
    var bytes: Int { state.withLock(\.bytes) }

    /// The reading of the longest beginning of an answer that is known.
    func longest(of key: Key) -> AnswerReading? {
        state.withLock { state in
            var known = key
            while !known.steps.isEmpty {
                if let reading = state.readings[known] { return reading }
                known.steps.removeLast()
            }
            return nil
        }
    }

    func keep(_ reading: AnswerReading, for key: Key) {
        let size = Self.size(reading, key)
        guard size <= maxBytes else { return }
        state.withLock { state in
            guard state.readings[key] == nil else { return }
            state.readings[key] = reading
            state.order.append(key)
            state.bytes += size
            while state.bytes > maxBytes {
                let oldest = state.order[state.first]
                state.first += 1
                if let gone = state.readings.removeValue(forKey: oldest) { state.bytes -= Self.size(gone, oldest) }
            }
            guard state.first > state.order.count / 2 else { return }
            state.order.removeFirst(state.first)
            state.first = 0
        }
    }

    private static func size(_ reading: AnswerReading, _ key: Key) -> Int {
        let floats = reading.steps.reduce(reading.question.count) { sum, step in
            sum + step.last.count + step.mean.count + 2 * step.likelihoods.tokens.count
        }
        return 4 * floats + key.steps.reduce(0) { $0 + $1.utf8.count }
    }
}
