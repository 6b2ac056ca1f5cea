internal import CLinux
internal import Glibc
internal import Synchronization

/// Readiness of file descriptors by epoll, for actors that run on a `ThreadExecutor` which waits with this object.
///
/// One waiter a descriptor, one-shot. All methods but `wake` belong to the executor's thread.
package final class EpollWait: ThreadWait {
    /// Which readiness to wait for.
    package struct Interest: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let read = Interest(rawValue: EPOLLIN.rawValue)
        package static let write = Interest(rawValue: EPOLLOUT.rawValue)
    }

    private static let eventsPerWait = 256
    private let epoll: CInt
    private let wakeup: CInt
    /// Confined to the executor's thread: that is what makes the unchecked access safe.
    nonisolated(unsafe) private var waiters: [CInt: CheckedContinuation<Interest, any Error>] = [:]
    nonisolated(unsafe) private var ready = 0
    nonisolated(unsafe) private var events = [epoll_event](repeating: epoll_event(), count: eventsPerWait)

    /// Descriptors that somebody waits for.
    package var waiting: Int { waiters.count }

    package init() {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        wakeup = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
        precondition(epoll >= 0 && wakeup >= 0, "no epoll set: \(String(cString: strerror(errno)))")
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(fd: wakeup))
        epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event)
    }

    deinit {
        close(wakeup)
        close(epoll)
    }

    /// Resumes `continuation` when `descriptor` is ready, once.
    /// A descriptor has one waiter at a time: a second one is a programming error.
    package func park(
        _ descriptor: CInt, for interest: Interest, _ continuation: CheckedContinuation<Interest, any Error>
    ) {
        precondition(waiters[descriptor] == nil, "descriptor \(descriptor) has a waiter already")
        var event = epoll_event(
            events: interest.rawValue | EPOLLONESHOT.rawValue | EPOLLRDHUP.rawValue, data: epoll_data(fd: descriptor))
        if epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event) != 0,
            epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0
        {
            return continuation.resume(throwing: DescriptorError(errno: errno))
        }
        waiters[descriptor] = continuation
    }

    /// Ends the wait on `descriptor`, if there is one, by throwing `error` at its waiter.
    package func cancel(_ descriptor: CInt, throwing error: any Error = CancellationError()) {
        waiters.removeValue(forKey: descriptor)?.resume(throwing: error)
    }

    /// Takes `descriptor` out of the set. Call it before closing the descriptor.
    package func forget(_ descriptor: CInt) {
        cancel(descriptor)
        epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
    }

    package func wait(mayBlock: Bool) {
        ready = Int(max(0, epoll_wait(epoll, &events, CInt(Self.eventsPerWait), mayBlock ? -1 : 0)))
    }

    package func deliver() {
        for index in 0..<ready {
            let descriptor = events[index].data.fd
            if descriptor == wakeup {
                var value: UInt64 = 0
                _ = read(wakeup, &value, 8)
                continue
            }
            // Errors and hang-ups count as readable: the next read reports them.
            var interest = Interest(rawValue: events[index].events).intersection([.read, .write])
            if interest.isEmpty { interest = [.read, .write] }
            waiters.removeValue(forKey: descriptor)?.resume(returning: interest)
        }
        ready = 0
    }

    package func wake() {
        var one: UInt64 = 1
        _ = write(wakeup, &one, 8)
    }
}

/// A descriptor that epoll refuses (closed, or of a kind that has no readiness).
package struct DescriptorError: Error, Equatable {
    package let errno: CInt
}
