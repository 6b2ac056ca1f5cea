internal import CLibCurl
internal import CLinux
internal import Glibc

/// Which sockets epoll watches for libcurl, and for what. Stays on the curl thread.
///
/// libcurl takes a socket out and puts it in again for every call on a kept connection. Taking out is lazy: the socket
/// stays in the set and is dropped only if it fires while nobody wants it, which saves two system calls a call. That is
/// safe only for sockets whose closing is seen here, so others (a resolver's) are taken out at once.
final class SocketInterest {
    private struct Entry {
        /// Opened here, so closed here.
        var isOurs = false
        /// What the kernel watches; 0: not in the set.
        var armed: UInt32 = 0
        /// What libcurl asks for.
        var wanted: UInt32 = 0
    }

    private let epoll: CInt
    /// By descriptor, which the kernel keeps small.
    private var entries: [Entry] = []

    init(epoll: CInt) { self.epoll = epoll }

    func isWanted(_ descriptor: CInt) -> Bool {
        Int(descriptor) < entries.count && entries[Int(descriptor)].wanted != 0
    }

    /// libcurl's wish, as its socket callback says it.
    func change(_ descriptor: CInt, to what: CInt) {
        guard descriptor >= 0 else { return }
        grow(to: descriptor)
        var events: UInt32 = 0
        if what == CURL_POLL_IN || what == CURL_POLL_INOUT { events |= EPOLLIN.rawValue }
        if what == CURL_POLL_OUT || what == CURL_POLL_INOUT { events |= EPOLLOUT.rawValue }
        entries[Int(descriptor)].wanted = events
        if events == 0, entries[Int(descriptor)].isOurs { return }
        arm(descriptor, events)
    }

    /// The socket fired and nobody wants it: an idle connection that the server closed, or a paused one.
    func drop(_ descriptor: CInt) { arm(descriptor, 0) }

    func open(_ address: curl_sockaddr) -> curl_socket_t {
        let kind = address.socktype | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, address.protocol)
        guard descriptor >= 0 else { return -1 }
        grow(to: descriptor)
        entries[Int(descriptor)] = Entry(isOurs: true)
        return descriptor
    }

    /// The kernel takes a closed socket out of the set by itself.
    func close(_ descriptor: CInt) -> CInt {
        if descriptor >= 0, Int(descriptor) < entries.count { entries[Int(descriptor)] = Entry() }
        return Glibc.close(descriptor)
    }

    private func arm(_ descriptor: CInt, _ events: UInt32) {
        grow(to: descriptor)
        let armed = entries[Int(descriptor)].armed
        guard events != armed else { return }
        var event = epoll_event(events: events, data: epoll_data(fd: descriptor))
        if events == 0 {
            epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event)
        } else if epoll_ctl(epoll, armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event) != 0 {
            // What is known of a descriptor that is not ours may be out of date.
            epoll_ctl(epoll, armed == 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, &event)
        }
        entries[Int(descriptor)].armed = events
    }

    private func grow(to descriptor: CInt) {
        while entries.count <= Int(descriptor) { entries.append(Entry()) }
    }
}
