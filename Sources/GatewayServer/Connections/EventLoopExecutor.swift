internal import NIOCore
internal import Synchronization

/// Runs tasks on one event loop's thread, so that what is done for a connection stays where its socket is: each change
/// of threads would cost more than most of what is done between two of them.
final class EventLoopExecutor: TaskExecutor {
    /// Of the connection whose request is being handled; nil outside of one.
    @TaskLocal static var current: EventLoopExecutor?

    private let loop: any EventLoop
    private let jobs = Mutex<[UnownedJob]>([])

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { loop.execute { self.run() } }
    }

    private func run() {
        let batch = jobs.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
        for job in batch { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
