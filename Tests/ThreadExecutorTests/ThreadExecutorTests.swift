import Glibc
import Synchronization
import Testing

@testable import ThreadExecutor

/// An actor on an executor of its own.
private actor Worker {
    let executor: ThreadExecutor
    let readiness: EpollWait
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private(set) var log: [Int] = []
    private var depth = 0

    init() {
        readiness = EpollWait()
        executor = ThreadExecutor(name: "a name longer than fifteen", wait: readiness)
    }

    func add(_ number: Int) { log.append(number) }

    /// Where a call runs, and whether another one runs at the same time.
    func visit() -> (thread: pthread_t, isAlone: Bool) {
        depth += 1
        defer { depth -= 1 }
        for _ in 0..<50 { sched_yield() }
        return (pthread_self(), depth == 1)
    }

    func isIsolated() -> Bool { executor.isIsolatingCurrentContext() == true }

    func wait(_ descriptor: CInt, for interest: EpollWait.Interest) async throws -> EpollWait.Interest {
        try await withCheckedThrowingContinuation { readiness.park(descriptor, for: interest, $0) }
    }

    func cancel(_ descriptor: CInt) { readiness.cancel(descriptor) }
    func forget(_ descriptor: CInt) { readiness.forget(descriptor) }
}

@Suite("A serial executor with its own thread")
struct ThreadExecutorTests {
    @Test("calls from many tasks run on one thread, one at a time")
    func isolation() async {
        let worker = Worker()
        let visits = await withTaskGroup(of: (thread: pthread_t, isAlone: Bool).self) { group in
            for _ in 0..<200 { group.addTask { await worker.visit() } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(visits.count == 200 && visits.allSatisfy { $0.isAlone })
        #expect(Set(visits.map(\.thread)).count == 1)
        #expect(visits[0].thread != pthread_self())
        worker.executor.stop()
    }

    @Test("a task that is made for the thread resumes there, off its actor as well as on it")
    func taskExecutor() async {
        let worker = Worker()
        let threads = await Task(executorPreference: ThreadTaskExecutor(worker.executor)) {
            let before = pthread_self()
            let visited = await worker.visit().thread
            await Task.yield()
            return [before, visited, pthread_self()]
        }.value
        #expect(Set(threads).count == 1)
        #expect(await worker.visit().thread == threads[0])
        worker.executor.stop()
    }

    @Test("it knows whether it is the current one")
    func checks() async {
        let worker = Worker()
        #expect(await worker.isIsolated())
        #expect(worker.executor.isIsolatingCurrentContext() == false)
        worker.executor.stop()
    }

    @Test("one task's calls are served in the order in which they were made")
    func order() async {
        let worker = Worker()
        for number in 0..<500 { await worker.add(number) }
        #expect(await worker.log == Array(0..<500))
        worker.executor.stop()
    }

    @Test("a job wakes a thread that sleeps")
    func wake() async throws {
        let worker = Worker()
        for number in 0..<20 {
            await worker.add(number)
            // Long enough for the thread to have gone to sleep.
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(await worker.log.count == 20)
        worker.executor.stop()
    }

    @Test("after the stop, a late job still runs, and the executor is let go of")
    func stop() async throws {
        weak var released: ThreadExecutor?
        do {
            let worker = Worker()
            released = worker.executor
            await worker.add(1)
            worker.executor.stop()
            for number in 2..<50 { await worker.add(number) }
            #expect(await worker.log.count == 49)
        }
        let end = ContinuousClock.now + .seconds(60)
        while released != nil, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(2)) }
        #expect(released == nil)
    }

    @Test("many executors that are made, used and stopped at once lose no job")
    func churn() async {
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    let worker = Worker()
                    await withTaskGroup(of: Void.self) { inner in
                        for number in 0..<20 { inner.addTask { await worker.add(number) } }
                        worker.executor.stop()
                    }
                    return await worker.log.count
                }
            }
            for await count in group { #expect(count == 20) }
        }
    }
}

@Suite("Waiting for descriptors")
struct EpollWaitTests {
    /// Both ends of a pipe, closed afterwards.
    private func withPipe(_ body: (_ reading: CInt, _ writing: CInt) async throws -> Void) async throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        try await body(ends[0], ends[1])
    }

    @Test("a waiter is resumed when its descriptor is readable, once")
    func readable() async throws {
        try await withPipe { reading, writing in
            let worker = Worker()
            for round in 0..<3 {
                let waiter = Task { try await worker.wait(reading, for: .read) }
                await worker.add(round)
                #expect(write(writing, "x", 1) == 1)
                let ready = try await waiter.value
                #expect(ready == .read)
                var byte: UInt8 = 0
                #expect(read(reading, &byte, 1) == 1)
            }
            await worker.forget(reading)
            worker.executor.stop()
        }
    }

    @Test("a descriptor that can be written is reported at once, a closed peer too")
    func writableAndClosed() async throws {
        try await withPipe { _, writing in
            let worker = Worker()
            #expect(try await worker.wait(writing, for: .write) == .write)
            await worker.forget(writing)
            var pair: [CInt] = [0, 0]
            try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair) == 0)
            close(pair[1])
            #expect(try await worker.wait(pair[0], for: .read).contains(.read))
            await worker.forget(pair[0])
            close(pair[0])
            worker.executor.stop()
        }
    }

    @Test("a cancelled or forgotten wait ends by throwing")
    func cancelled() async throws {
        try await withPipe { reading, _ in
            let worker = Worker()
            for forgets in [false, true] {
                let waiter = Task { try await worker.wait(reading, for: .read) }
                // The task's call may come after this one: cancel until it took effect.
                let canceller = Task {
                    while !Task.isCancelled {
                        if forgets { await worker.forget(reading) } else { await worker.cancel(reading) }
                        await Task.yield()
                    }
                }
                await #expect(throws: CancellationError.self) { try await waiter.value }
                canceller.cancel()
                await canceller.value
            }
            worker.executor.stop()
        }
    }

    @Test("a descriptor that cannot be waited for is an error")
    func refused() async throws {
        let worker = Worker()
        let error = await #expect(throws: DescriptorError.self) { try await worker.wait(999_999, for: .read) }
        #expect(error?.errno == EBADF)
        worker.executor.stop()
    }
}
