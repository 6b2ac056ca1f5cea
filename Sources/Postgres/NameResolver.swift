internal import CLibPQ
internal import Glibc
internal import ThreadExecutor

/// Resolves host names on a thread of its own, because the C library blocks while it does.
///
/// One name at a time. A caller must bound its own wait: a dead name server holds the thread for its own timeout.
actor NameResolver {
    private let executor = ThreadExecutor(name: "gb-pg-names", wait: EpollWait())
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// At most this many addresses of a name are tried.
    private static let maxAddresses = 8

    deinit { executor.stop() }

    /// The numeric addresses of `host`, in the order to try them.
    func resolve(_ host: String) -> Result<[String], PostgresError> {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            return .failure(PostgresError(.connection, "\(host): \(String(cString: gai_strerror(code)))"))
        }
        defer { freeaddrinfo(list) }
        var addresses: [String] = []
        var next = list
        while let entry = next, addresses.count < Self.maxAddresses {
            var text = [CChar](repeating: 0, count: 256)
            let info = entry.pointee
            if getnameinfo(info.ai_addr, info.ai_addrlen, &text, 256, nil, 0, NI_NUMERICHOST) == 0 {
                addresses.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            next = info.ai_next
        }
        return .success(addresses)
    }

    /// Whether `host` is an address already.
    static func isNumeric(_ host: String) -> Bool {
        var space = in6_addr()
        return withUnsafeMutableBytes(of: &space) { bytes in
            inet_pton(AF_INET, host, bytes.baseAddress) == 1 || inet_pton(AF_INET6, host, bytes.baseAddress) == 1
        }
    }
}
