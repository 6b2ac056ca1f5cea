internal import CLibCurl
internal import Glibc

/// One `CURL *` with the options that are the same for all calls. Pooled; stays on the curl thread.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    private let message: UnsafeMutablePointer<CChar>

    /// Nil: libcurl has no memory for it, or lacks an option that safety rests on.
    init?(_ configuration: CurlConfiguration, sockets: SocketInterest) {
        guard let raw = curl_easy_init() else { return nil }
        self.raw = raw
        message = .allocate(capacity: Int(CURL_ERROR_SIZE))
        message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        guard setLimits(configuration), setCallbacks(sockets) else { return nil }
    }

    deinit {
        curl_easy_cleanup(raw)
        message.deallocate()
    }

    /// libcurl's own words about the last failure.
    var lastMessage: String { String(cString: message) }

    func clearMessage() { message.pointee = 0 }

    private func setLimits(_ configuration: CurlConfiguration) -> Bool {
        var codes = [
            clibcurl_set_long(raw, CURLOPT_NOSIGNAL, 1),
            clibcurl_set_long(raw, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)),
            clibcurl_set_long(raw, CURLOPT_FOLLOWLOCATION, 0),
            clibcurl_set_string(raw, CURLOPT_PROTOCOLS_STR, "http,https"),
            clibcurl_set_string(raw, CURLOPT_REDIR_PROTOCOLS_STR, "https"),
            clibcurl_set_long(raw, CURLOPT_SSL_VERIFYPEER, 1),
            clibcurl_set_long(raw, CURLOPT_SSL_VERIFYHOST, 2),
            clibcurl_set_long(raw, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
            // The empty string also keeps libcurl from looking at http_proxy and its kin.
            clibcurl_set_string(raw, CURLOPT_PROXY, configuration.proxy ?? ""),
            clibcurl_set_string(raw, CURLOPT_USERAGENT, "gboost-gateway"),
            clibcurl_set_long(raw, CURLOPT_MAXAGE_CONN, configuration.maxIdleSeconds),
            clibcurl_set_long(raw, CURLOPT_TCP_KEEPALIVE, 1),
            // A name look-up in progress is left to its own thread instead of being waited for on this one.
            clibcurl_set_long(raw, CURLOPT_QUICK_EXIT, 1),
            // The call's own clocks decide; 0 would be libcurl's default of 300 seconds.
            clibcurl_set_long(raw, CURLOPT_CONNECTTIMEOUT_MS, Int(Int32.max)),
            clibcurl_set_pointer(raw, CURLOPT_ERRORBUFFER, message),
        ]
        if let file = configuration.caFile {
            codes.append(clibcurl_set_string(raw, CURLOPT_CAINFO, file))
            codes.append(clibcurl_set_string(raw, CURLOPT_CAPATH, nil))
        }
        return codes.allSatisfy { $0 == CURLE_OK }
    }

    private func setCallbacks(_ sockets: SocketInterest) -> Bool {
        let context = Unmanaged.passUnretained(sockets).toOpaque()
        let codes = [
            clibcurl_set_write(raw) { data, size, count, context in
                guard let context else { return 0 }
                return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                    .receiveBody(UnsafeRawBufferPointer(start: data, count: size * count))
            },
            clibcurl_set_header(raw) { data, size, count, context in
                guard let context else { return 0 }
                return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                    .receiveHeader(UnsafeRawBufferPointer(start: data, count: size * count))
            },
            clibcurl_set_prereq(raw) { context, _, _, _, _ in
                guard let context else { return CInt(CURL_PREREQFUNC_ABORT) }
                return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().willSend()
            },
            clibcurl_set_open(raw) { context, _, address in
                guard let context, let address else { return -1 }
                return Unmanaged<SocketInterest>.fromOpaque(context).takeUnretainedValue().open(address.pointee)
            },
            clibcurl_set_pointer(raw, CURLOPT_OPENSOCKETDATA, context),
            clibcurl_set_close(raw) { context, descriptor in
                guard let context else { return -1 }
                return Unmanaged<SocketInterest>.fromOpaque(context).takeUnretainedValue().close(descriptor)
            },
            clibcurl_set_pointer(raw, CURLOPT_CLOSESOCKETDATA, context),
        ]
        return codes.allSatisfy { $0 == CURLE_OK }
    }
}
