internal import Dispatch

/// Runs what administration asks for away from the event loops.
///
/// A request's tasks run on the loop that has its socket, and the answers of a hundred other clients with it: a page of
/// an export, a log that is hashed or a file of prices that is read would each hold all of those up.
final class AdminExecutor: TaskExecutor {
    private static let shared = AdminExecutor()
    /// Threads of Dispatch: the cooperative pool settles calls, and is not to be kept waiting either.
    private let queue = DispatchQueue(label: "gb-admin", qos: .utility, attributes: .concurrent)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Does `work`, and the tasks that it is made of, there; who waits for it goes on where it was.
    static func run<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        try await withTaskExecutorPreference(shared) {
            // A task changes its thread where it waits, and what comes first may be the longest part.
            await Task.yield()
            return try await work()
        }
    }
}
