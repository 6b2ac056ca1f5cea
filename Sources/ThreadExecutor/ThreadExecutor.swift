internal import CLinux
internal import Glibc
internal import Synchronization

/// What a `ThreadExecutor` does when it has no jobs: block until there is I/O or until woken.
///
/// `wait` and `deliver` run on the executor's thread only. `wake` may be called from any thread and must make a
/// current or the next `wait` return at once.
package protocol ThreadWait: AnyObject, Sendable {
    /// Blocks until something happened. With `mayBlock == false` it only collects what is already ready.
    func wait(mayBlock: Bool)
    /// Tells those who waited for what `wait` has collected.
    func deliver()
    /// Ends a current wait, or the next one.
    func wake()
}

/// A serial executor with a thread of its own, so that an actor may own a C library's handles without locks and
/// without ever blocking Swift's cooperative pool.
///
/// The thread ends after `stop()`, once no job is queued. A job that comes later (an actor's last goodbyes) starts it
/// again for as long as that takes: no job is ever lost, which would hang whoever waits for it.
package final class ThreadExecutor: SerialExecutor {
    /// A job, and the task executor that it was handed to, if it was one.
    private struct Entry {
        var job: UnownedJob
        var taskExecutor: UnownedTaskExecutor?
    }

    private struct State {
        var jobs: [Entry] = []
        var isStopping = false
        var isIdle = false
        var hasEnded = false
    }

    /// So many rounds of jobs, then a look at the descriptors, which nothing may starve.
    private static let roundsPerPoll = 16

    private let state = Mutex(State())
    private let thread = Mutex<pthread_t?>(nil)
    private let waiting: any ThreadWait
    private let name: String

    /// Starts the thread.
    /// - Parameters:
    ///   - name: shown by `top -H` and debuggers; cut to 15 bytes by the kernel.
    ///   - wait: how the thread sleeps.
    package init(name: String, wait: any ThreadWait) {
        self.name = String(name.prefix(15))
        self.waiting = wait
        start()
    }

    private func start() {
        var id = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let code = pthread_create(
            &id, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<ThreadExecutor>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, context)
        precondition(code == 0, "no thread for \(name): \(String(cString: strerror(code)))")
        pthread_detach(id)
    }

    package func enqueue(_ job: consuming ExecutorJob) { enqueue(UnownedJob(job), from: nil) }

    fileprivate func enqueue(_ job: UnownedJob, from taskExecutor: UnownedTaskExecutor?) {
        // The caller does not own this object: what keeps it alive may be the job itself, which the thread can have
        // run and freed before this function is through.
        let held = Unmanaged.passRetained(self).toOpaque()
        defer { Self.letGo(held) }
        let (mustWake, mustStart) = state.withLock { s in
            s.jobs.append(Entry(job: job, taskExecutor: taskExecutor))
            defer {
                s.isIdle = false
                s.hasEnded = false
            }
            return (s.isIdle, s.hasEnded)
        }
        if mustStart { start() } else if mustWake { waiting.wake() }
    }

    /// Apart and never inlined, or the optimizer pairs it with the retain and removes both.
    @inline(never)
    private static func letGo(_ held: UnsafeMutableRawPointer) {
        Unmanaged<ThreadExecutor>.fromOpaque(held).release()
    }

    /// Lets the thread end as soon as no job is queued.
    package func stop() {
        state.withLock { $0.isStopping = true }
        waiting.wake()
    }

    package func checkIsolated() {
        precondition(isCurrentThread, "not on the executor's thread \(name)")
    }

    package func isIsolatingCurrentContext() -> Bool? { isCurrentThread }

    private var isCurrentThread: Bool {
        thread.withLock { id in id.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    private func run() {
        thread.withLock { $0 = pthread_self() }
        _ = clinux_set_thread_name(name)
        var batch: [Entry] = []
        var rounds = 0
        while true {
            batch.removeAll(keepingCapacity: true)
            let stopped = state.withLock { s in
                swap(&s.jobs, &batch)
                s.isIdle = batch.isEmpty
                s.hasEnded = s.isStopping && batch.isEmpty
                // Under the same lock: a thread's number may be used again once it has ended, also by the next one.
                if s.hasEnded { thread.withLock { $0 = nil } }
                return s.hasEnded
            }
            if stopped { return }
            for entry in batch {
                if let taskExecutor = entry.taskExecutor {
                    entry.job.runSynchronously(on: taskExecutor)
                } else {
                    entry.job.runSynchronously(on: asUnownedSerialExecutor())
                }
            }
            // Jobs beget jobs: a look at the descriptors after each round would cost more than the rounds.
            rounds += 1
            guard batch.isEmpty || rounds % Self.roundsPerPoll == 0 else { continue }
            waiting.wait(mayBlock: batch.isEmpty)
            // Awake: jobs that come from here on, those of `deliver` first of all, need not wake the thread.
            if batch.isEmpty { state.withLock { $0.isIdle = false } }
            waiting.deliver()
        }
    }
}

/// The thread of a `ThreadExecutor` as the place where a task resumes.
///
/// A task that has waited for something resumes where its task executor says, and only then goes back to its actor.
/// Without that preference it resumes on the cooperative pool, whatever actor it was on: two changes of threads for
/// nothing. Tasks that spend their time on such a thread are made with this.
package final class ThreadTaskExecutor: TaskExecutor {
    private let thread: ThreadExecutor

    package init(_ thread: ThreadExecutor) { self.thread = thread }

    package func enqueue(_ job: consuming ExecutorJob) {
        thread.enqueue(UnownedJob(job), from: asUnownedTaskExecutor())
    }
}
