internal import CLinux
internal import Glibc
internal import Synchronization

/// The thread that owns libcurl's handles, and the inbox through which everything reaches it.
///
/// Wake-ups are left out while the thread is awake: it looks into the inbox before it sleeps.
final class CurlThread: Sendable {
    /// What a call asks of the thread.
    enum Command {
        case start(CurlCall)
        case unpause(CurlCall)
        case cancel(CurlCall)
    }

    private struct Inbox {
        var commands: [Command] = []
        var isAsleep = false
        var isStopping = false
        var isOver = false
        var inFlight = 0
        var stopped: [CheckedContinuation<Void, Never>] = []
    }

    private let inbox = Mutex(Inbox())
    private let epoll: CInt
    private let wakeup: CInt
    private let configuration: CurlConfiguration

    init(_ configuration: CurlConfiguration) throws(CurlError) {
        self.configuration = configuration
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        wakeup = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
        // Edge-triggered: every write is a new edge, so the counter need not be read.
        var event = epoll_event(events: EPOLLIN.rawValue | EPOLLET.rawValue, data: epoll_data(fd: wakeup))
        guard epoll >= 0, wakeup >= 0, epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event) == 0 else {
            throw CurlError(.configuration, message: "no epoll set (errno \(errno))", requestWasSent: false)
        }
        var id = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &id, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<CurlThread>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw CurlError(.configuration, message: "no thread (error \(code))", requestWasSent: false)
        }
        pthread_detach(id)
    }

    deinit {
        if epoll >= 0 { close(epoll) }
        if wakeup >= 0 { close(wakeup) }
    }

    var inFlight: Int { inbox.withLock { $0.inFlight } }

    /// Takes a call in, if there is room.
    func start(_ call: CurlCall) throws(CurlError) {
        let (refusal, mustWake) = inbox.withLock { box -> (CurlError?, Bool) in
            if box.isStopping {
                return (CurlError(.shutDown, message: "the client was shut down", requestWasSent: false), false)
            }
            guard box.inFlight < configuration.maxInFlight else {
                let message = "\(box.inFlight) calls in flight"
                return (CurlError(.busy, message: message, requestWasSent: false), false)
            }
            box.inFlight += 1
            box.commands.append(.start(call))
            defer { box.isAsleep = false }
            return (nil, box.isAsleep)
        }
        if mustWake { wake() }
        if let refusal { throw refusal }
    }

    /// Hands a command for a started call over. The inbox stays bounded: a call sends one `cancel`, and one `unpause`
    /// for each time it was paused.
    func submit(_ command: Command) {
        let mustWake = inbox.withLock { box in
            guard !box.isOver else { return false }
            box.commands.append(command)
            defer { box.isAsleep = false }
            return box.isAsleep
        }
        if mustWake { wake() }
    }

    /// Ends everything. The continuation is resumed when the thread has closed its handles.
    func stop(_ continuation: CheckedContinuation<Void, Never>?) {
        let isOver = inbox.withLock { box in
            box.isStopping = true
            box.isAsleep = false
            if !box.isOver, let continuation { box.stopped.append(continuation) }
            return box.isOver
        }
        if isOver { continuation?.resume() } else { wake() }
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(wakeup, &one, 8)
    }

    // MARK: On the thread

    private func run() {
        _ = clinux_set_thread_name("curl")
        if let engine = CurlEngine(epoll: epoll, wakeup: wakeup, configuration: configuration) {
            loop(engine)
            engine.close()
        } else {
            refuseAll()
        }
        let waiting = inbox.withLock { box in
            box.isOver = true
            box.commands = []
            return box.stopped
        }
        for continuation in waiting { continuation.resume() }
    }

    private func loop(_ engine: CurlEngine) {
        var batch: [Command] = []
        while true {
            let isStopping = inbox.withLock { box in
                swap(&box.commands, &batch)
                return box.isStopping
            }
            for command in batch { engine.perform(command) }
            batch.removeAll(keepingCapacity: true)
            if isStopping { return release(engine.failAll(.shutDown, "the client was shut down")) }
            release(engine.settle())
            let isIdle = inbox.withLock { box in
                box.isAsleep = box.commands.isEmpty && !box.isStopping
                return box.isAsleep
            }
            engine.look(for: isIdle ? engine.waitMilliseconds() : 0)
        }
    }

    private func release(_ count: Int) {
        if count > 0 { inbox.withLock { $0.inFlight -= count } }
    }

    /// Without libcurl there is nothing to wait for but the end.
    private func refuseAll() {
        let commands = inbox.withLock { box in
            box.isStopping = true
            box.isOver = true
            return box.commands
        }
        for case .start(let call) in commands {
            call.fail(CurlError(.configuration, message: "libcurl cannot start", requestWasSent: false))
        }
    }
}
