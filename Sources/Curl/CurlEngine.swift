internal import CLibCurl
internal import CLinux
internal import Glibc

/// Everything that touches `CURLM *`. Confined to the curl thread.
final class CurlEngine {
    private static let eventsPerLook = 256
    /// Readings before a call's time is up, each of at most libcurl's buffer of each socket: enough for all that lies
    /// there, and bounded where peers send faster than is read.
    private static let lastReadings = 64
    private let multi: UnsafeMutableRawPointer
    private let epoll: CInt
    /// Wakes a look that waits, and is nobody's socket.
    private let wakeup: CInt
    private var events = [epoll_event](repeating: epoll_event(), count: eventsPerLook)
    private let configuration: CurlConfiguration
    private let sockets: SocketInterest
    private let time: @Sendable () -> Milliseconds
    private var looks = LookClock()
    private var idle: [EasyHandle] = []
    private var transfers: [ObjectIdentifier: CurlTransfer] = [:]
    /// When libcurl wants to be called even if no socket fires.
    private var timerAt: Milliseconds?
    /// No call's time is up before this moment: a lower bound, so that arrivals need not move it.
    private var nextDeadline: Milliseconds?
    private var finished = 0

    /// Nil: libcurl has no memory.
    /// - Parameter time: the monotonic clock, or a test's.
    init?(
        epoll: CInt, wakeup: CInt, configuration: CurlConfiguration,
        time: @escaping @Sendable () -> Milliseconds = { .now() }
    ) {
        guard let multi = curl_multi_init() else { return nil }
        self.multi = multi
        self.epoll = epoll
        self.wakeup = wakeup
        self.time = time
        self.configuration = configuration
        sockets = SocketInterest(epoll: epoll)
        let me = Unmanaged.passUnretained(self).toOpaque()
        _ = clibcurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, max(1, configuration.maxIdleConnections))
        _ = clibcurl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
        _ = clibcurl_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, me)
        _ = clibcurl_multi_set_pointer(multi, CURLMOPT_TIMERDATA, me)
        _ = clibcurl_multi_set_socket(multi) { _, descriptor, what, context, _ in
            guard let context else { return 0 }
            Unmanaged<CurlEngine>.fromOpaque(context).takeUnretainedValue().sockets.change(descriptor, to: what)
            return 0
        }
        _ = clibcurl_multi_set_timer(multi) { _, milliseconds, context in
            guard let context else { return 0 }
            Unmanaged<CurlEngine>.fromOpaque(context).takeUnretainedValue().setTimer(milliseconds)
            return 0
        }
    }

    func close() {
        idle = []
        curl_multi_cleanup(multi)
    }

    private func setTimer(_ milliseconds: Int) {
        timerAt = milliseconds < 0 ? nil : time() + .milliseconds(milliseconds)
    }

    func perform(_ command: CurlThread.Command) {
        switch command {
        case .start(let call): start(call)
        case .unpause(let call): transfers[ObjectIdentifier(call)]?.unpause()
        case .cancel(let call):
            if let transfer = transfers[ObjectIdentifier(call)] { remove(transfer) }
        }
    }

    /// Waits until a socket is ready, or for so long (-1: for ever), and does what is ready.
    func look(for milliseconds: CInt) {
        _ = read(for: milliseconds)
        excuse(at: time(), afterAtMost: milliseconds)
    }

    /// Has libcurl read the sockets that are ready. Returns whether any was.
    private func read(for milliseconds: CInt) -> Bool {
        var count = epoll_wait(epoll, &events, CInt(Self.eventsPerLook), milliseconds)
        // A wait that was interrupted, as a stop of the process does, says nothing of the sockets.
        if count < 0 { count = epoll_wait(epoll, &events, CInt(Self.eventsPerLook), 0) }
        var isAnyReady = false
        for index in 0..<max(0, Int(count)) where events[index].data.fd != wakeup {
            isAnyReady = true
            fire(events[index].data.fd, events[index].events)
        }
        return isAnyReady
    }

    private func fire(_ descriptor: CInt, _ events: UInt32) {
        guard sockets.isWanted(descriptor) else { return sockets.drop(descriptor) }
        var mask: CInt = 0
        var running: CInt = 0
        if events & EPOLLIN.rawValue != 0 { mask |= CURL_CSELECT_IN }
        if events & EPOLLOUT.rawValue != 0 { mask |= CURL_CSELECT_OUT }
        if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { mask |= CURL_CSELECT_ERR }
        curl_multi_socket_action(multi, descriptor, mask, &running)
    }

    /// Does what is due now. Returns how many calls ended since the last time.
    func settle() -> Int {
        let now = time()
        _ = runTimer()
        endFinished()
        if let at = nextDeadline, at <= now {
            // What lies in the sockets came in time: a process that was stopped for a while, or a machine that slept,
            // must not take its own lateness for a peer's silence. Judged is the moment before the reading, so that a
            // stop after it does no harm either.
            excuse(at: now, afterAtMost: 0)
            for _ in 0..<Self.lastReadings {
                let isAnyReady = read(for: 0)
                if !runTimer(), !isAnyReady { break }
            }
            endFinished()
            expire(now)
        }
        defer { finished = 0 }
        return finished
    }

    /// Calls libcurl where its timer is due: so it also reads what a TLS connection has ready and no socket tells of.
    /// False: it is not due.
    private func runTimer() -> Bool {
        guard let at = timerAt, at <= time() else { return false }
        timerAt = nil
        var running: CInt = 0
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running)
        return true
    }

    private func endFinished() {
        var left: CInt = 0
        while let message = curl_multi_info_read(multi, &left) {
            let result = clibcurl_message_result(message)
            guard message.pointee.msg == CURLMSG_DONE, let context = clibcurl_private(message.pointee.easy_handle)
            else { continue }
            end(Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue(), result)
        }
    }

    /// How long epoll may sleep. -1: until something happens.
    func waitMilliseconds() -> CInt {
        guard let at = [timerAt, nextDeadline].compactMap({ $0 }).min() else { return -1 }
        return CInt(clamping: max(0, at.count - time().count))
    }

    /// Ends all calls. Returns how many.
    func failAll(_ code: CurlError.Code, _ message: String) -> Int {
        for transfer in Array(transfers.values) {
            transfer.call.fail(CurlError(code, message: message, requestWasSent: true))
            remove(transfer)
        }
        defer { finished = 0 }
        return finished
    }

    private func start(_ call: CurlCall) {
        // Cancelled before it began.
        guard !call.isEnded else {
            finished += 1
            return
        }
        // A mail has a handle of its own, so that nothing of it is left in one that makes HTTP calls.
        let pooled = call.mail == nil ? idle.popLast() : nil
        guard let easy = pooled ?? EasyHandle(configuration, sockets: sockets) else {
            call.fail(CurlError(.configuration, message: "libcurl refuses its options", requestWasSent: false))
            finished += 1
            return
        }
        let transfer = CurlTransfer(call, easy: easy, maxHeadBytes: configuration.maxHeadBytes, time: time)
        transfers[ObjectIdentifier(call)] = transfer
        let code = call.mail.map { transfer.prepare($0) } ?? transfer.prepare()
        guard code == CURLE_OK, curl_multi_add_handle(multi, easy.raw) == CURLM_OK else {
            return end(transfer, code == CURLE_OK ? CURLE_FAILED_INIT : code)
        }
        watch(transfer, time())
    }

    /// Takes the transfer out of libcurl and hands its handle back to the pool.
    private func remove(_ transfer: CurlTransfer) {
        guard transfers.removeValue(forKey: ObjectIdentifier(transfer.call)) != nil else { return }
        curl_multi_remove_handle(multi, transfer.easy.raw)
        transfer.clean()
        if transfer.call.mail == nil, idle.count < configuration.maxIdleConnections { idle.append(transfer.easy) }
        finished += 1
    }

    private func end(_ transfer: CurlTransfer, _ result: CURLcode) {
        var error = result == CURLE_OK ? nil : failure(of: transfer, result)
        // A mail server's reply is the answer, be it yes or no.
        if transfer.call.mail != nil {
            let reply = clibcurl_response_code(transfer.easy.raw)
            if error == nil || transfer.verdict == nil && reply >= 400 {
                transfer.call.deliver(CurlHead(status: reply))
                error = nil
            }
        }
        if error == nil, transfer.call.mail == nil, !transfer.isHeadDone {
            // A switch of protocols that nobody asked for is libcurl's end of a call without a response.
            error = CurlError(.interrupted, message: "the response has no final head", requestWasSent: true)
        }
        // Out of libcurl first: whoever is woken may count on it.
        remove(transfer)
        if let error { transfer.call.fail(error) } else { transfer.call.finish() }
    }

    private func failure(of transfer: CurlTransfer, _ result: CURLcode) -> CurlError {
        let wasSent = transfer.call.wasSent
        let text = transfer.easy.lastMessage
        let fallback = String(cString: curl_easy_strerror(result))
        var message = text.isEmpty ? fallback : text
        let code: CurlError.Code
        switch (transfer.verdict, result) {
        case (.interrupted?, _):
            code = .interrupted
            message = "a kept connection ended without an answer; the request is not sent twice"
        case (let verdict?, _): code = verdict
        case (nil, CURLE_URL_MALFORMAT), (nil, CURLE_UNSUPPORTED_PROTOCOL):
            code = wasSent ? .interrupted : .invalidRequest  // a peer that does not speak HTTP ends so, too
        case (nil, CURLE_SSL_CACERT_BADFILE): code = .configuration
        default: code = wasSent ? .interrupted : .unreachable
        }
        return CurlError(code, curlCode: Int32(bitPattern: result.rawValue), message: message, requestWasSent: wasSent)
    }

    // MARK: Clocks

    /// The sockets were looked at, after a wait of so many milliseconds at most. Where this thread itself was away, no
    /// call is told that its peer was silent.
    private func excuse(at now: Milliseconds, afterAtMost milliseconds: CInt) {
        guard let absence = looks.looked(at: now, afterAtMost: milliseconds) else { return }
        for transfer in transfers.values { transfer.clock.excuse(absence, at: now) }
    }

    private func watch(_ transfer: CurlTransfer, _ now: Milliseconds) {
        guard let at = transfer.clock.nextCheck(now) else { return }
        nextDeadline = nextDeadline.map { min($0, at) } ?? at
    }

    private func expire(_ now: Milliseconds) {
        nextDeadline = nil
        for transfer in Array(transfers.values) {
            guard let deadline = transfer.clock.deadline, deadline.at <= now else {
                watch(transfer, now)
                continue
            }
            let phase = deadline.phase
            remove(transfer)
            transfer.call.fail(
                CurlError(
                    .timeout(phase), curlCode: Int32(bitPattern: CURLE_OPERATION_TIMEDOUT.rawValue),
                    message: "no \(phase.rawValue) in time", requestWasSent: true))
        }
    }
}
