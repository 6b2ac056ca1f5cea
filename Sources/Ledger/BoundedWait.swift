internal import Postgres
internal import Synchronization

/// Waits for `operation` for at most `limit`. After that, or when the caller is cancelled, the operation goes on
/// alone: what was sent to a database cannot be unsent, only not waited for.
func bounded<T: Sendable>(
    _ limit: Duration, _ operation: @escaping @Sendable () async throws(PostgresError) -> T
) async -> Result<T, PostgresError> {
    let answer = OneAnswer<Result<T, PostgresError>>()
    let timer = Task {
        try? await Task.sleep(for: limit)
        answer.give(.failure(PostgresError(.timeout, "no answer within \(limit)", outcomeUnknown: true)))
    }
    Task {
        do throws(PostgresError) {
            answer.give(.success(try await operation()))
        } catch {
            answer.give(.failure(error))
        }
    }
    let result = await answer.value()
    timer.cancel()
    return result
}

/// Takes the first of several answers.
private final class OneAnswer<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case given(Value)
    }
    private let state = Mutex(State.empty)

    func give(_ value: Value) {
        let waiting: CheckedContinuation<Value, Never>? = state.withLock { state in
            switch state {
            case .empty:
                state = .given(value)
                return nil
            case .waiting(let continuation):
                state = .given(value)
                return continuation
            case .given: return nil
            }
        }
        waiting?.resume(returning: value)
    }

    func value() async -> Value {
        await withCheckedContinuation { continuation in
            let given: Value? = state.withLock { state in
                if case .given(let value) = state { return value }
                state = .waiting(continuation)
                return nil
            }
            if let given { continuation.resume(returning: given) }
        }
    }
}

/// Counts work under way, so that a shutdown can wait for it.
final class WorkInFlight: Sendable {
    private struct State {
        var count = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func enter() { state.withLock { $0.count += 1 } }

    func leave() {
        let waiting: [CheckedContinuation<Void, Never>] = state.withLock { state in
            state.count -= 1
            guard state.count == 0 else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when nothing is under way.
    func finished() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.count > 0 { state.waiting.append(continuation) }
                return state.count == 0
            }
            if isIdle { continuation.resume() }
        }
    }
}
