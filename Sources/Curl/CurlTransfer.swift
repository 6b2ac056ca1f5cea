internal import CLibCurl

/// The curl thread's side of one call: its handle, its header list and its clocks. Never leaves that thread.
final class CurlTransfer {
    let call: CurlCall
    let easy: EasyHandle
    private let maxHeadBytes: Int
    private var headerList: UnsafeMutablePointer<curl_slist>?
    /// Of a mail: its recipients, and how much of it libcurl has taken.
    var recipients: UnsafeMutablePointer<curl_slist>?
    var mailOffset = 0
    private var head = CurlHead()
    private var headBytes = 0
    private(set) var isHeadDone = false
    private var bodyBytes = 0
    /// Why a callback stopped the transfer; libcurl itself then only says that one did.
    private(set) var verdict: CurlError.Code?
    var clock: CallClock
    private let time: @Sendable () -> Milliseconds

    init(_ call: CurlCall, easy: EasyHandle, maxHeadBytes: Int, time: @escaping @Sendable () -> Milliseconds) {
        self.call = call
        self.easy = easy
        self.maxHeadBytes = maxHeadBytes
        self.time = time
        clock = CallClock(call.request.timeouts, startedAt: time())
    }

    /// Sets every option that differs between calls, so that nothing of an earlier one is left. Nil: the code of the
    /// option that libcurl refused.
    func prepare() -> CURLcode {
        let request = call.request
        for (name, value) in request.headers {
            // "Name;" is libcurl's way to write a header with an empty value.
            headerList = curl_slist_append(headerList, value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        // libcurl would wait for "100 Continue" with a large body, and adds a content type of its own. Not where it
        // signs: before 8.3 it signs headers that are taken out as if they were sent, and servers refuse that.
        if request.signature == nil {
            headerList = curl_slist_append(headerList, "Expect:")
            if !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
                headerList = curl_slist_append(headerList, "Content-Type:")
            }
        }
        var codes = [clibcurl_set_string(easy.raw, CURLOPT_URL, request.url)]
        if request.method == .get {
            codes.append(clibcurl_set_long(easy.raw, CURLOPT_HTTPGET, 1))
            codes.append(clibcurl_set_string(easy.raw, CURLOPT_CUSTOMREQUEST, nil))
        } else {
            codes.append(clibcurl_set_long(easy.raw, CURLOPT_POST, 1))
            codes.append(
                clibcurl_set_string(
                    easy.raw, CURLOPT_CUSTOMREQUEST, request.method == .post ? nil : request.method.rawValue))
            codes.append(clibcurl_set_off(easy.raw, CURLOPT_POSTFIELDSIZE_LARGE, request.body.count))
            // Copied by libcurl: the array's own bytes have no address beyond this closure.
            codes.append(
                request.body.withUnsafeBytes { bytes in
                    if let base = bytes.baseAddress {
                        clibcurl_set_pointer(easy.raw, CURLOPT_COPYPOSTFIELDS, base)
                    } else {
                        clibcurl_set_string(easy.raw, CURLOPT_COPYPOSTFIELDS, "")
                    }
                })
        }
        codes.append(clibcurl_set_pointer(easy.raw, CURLOPT_HTTPHEADER, headerList))
        // A signature leaves its way of authentication in the handle: back to the plain one first.
        codes.append(clibcurl_set_long(easy.raw, CURLOPT_HTTPAUTH, 1))
        codes.append(clibcurl_set_string(easy.raw, CURLOPT_AWS_SIGV4, request.signature?.scope))
        codes.append(clibcurl_set_string(easy.raw, CURLOPT_USERNAME, request.signature?.accessKey))
        codes.append(clibcurl_set_string(easy.raw, CURLOPT_PASSWORD, request.signature?.secretKey))
        let me = Unmanaged.passUnretained(self).toOpaque()
        for option in [CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_PREREQDATA, CURLOPT_PRIVATE] {
            codes.append(clibcurl_set_pointer(easy.raw, option, me))
        }
        easy.clearMessage()
        return codes.first { $0 != CURLE_OK } ?? CURLE_OK
    }

    /// Takes everything of this call out of the handle: prompts and keys do not stay in the pool.
    func clean() {
        for option in [CURLOPT_COPYPOSTFIELDS, CURLOPT_HTTPHEADER, CURLOPT_PRIVATE, CURLOPT_PREREQDATA] {
            _ = clibcurl_set_pointer(easy.raw, option, nil)
        }
        _ = clibcurl_set_pointer(easy.raw, CURLOPT_WRITEDATA, nil)
        _ = clibcurl_set_pointer(easy.raw, CURLOPT_HEADERDATA, nil)
        for option in [CURLOPT_AWS_SIGV4, CURLOPT_USERNAME, CURLOPT_PASSWORD] {
            _ = clibcurl_set_string(easy.raw, option, nil)
        }
        curl_slist_free_all(headerList)
        headerList = nil
        _ = clibcurl_set_pointer(easy.raw, CURLOPT_MAIL_RCPT, nil)
        curl_slist_free_all(recipients)
        recipients = nil
    }

    // MARK: Callbacks

    /// Connected, TLS included, and about to send. Anything but 0 stops the transfer before a byte leaves.
    func willSend() -> CInt {
        guard call.admitSending() else {
            verdict = call.isEnded ? .cancelled : .interrupted
            return CInt(CURL_PREREQFUNC_ABORT)
        }
        clock.connected(at: time())
        return CInt(CURL_PREREQFUNC_OK)
    }

    private func blank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// One line of the head, or of the trailer (which nobody asked for).
    func receiveHeader(_ line: UnsafeRawBufferPointer) -> Int {
        clock.arrived(at: time())
        guard !isHeadDone, call.mail == nil else { return line.count }
        headBytes += line.count
        guard headBytes <= maxHeadBytes else {
            verdict = .tooLarge
            return 0
        }
        var text = line[...]
        while let last = text.last, last == 0x0A || last == 0x0D { text = text.dropLast() }
        if text.isEmpty {
            guard head.status >= 200 else { return line.count }  // 1xx: another head follows
            isHeadDone = true
            call.deliver(head)
        } else if text.starts(with: "HTTP/".utf8) {
            head = CurlHead()
            let code = text.split(separator: UInt8(ascii: " "), maxSplits: 2).dropFirst().first
            head.status = code.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        } else if let colon = text.firstIndex(of: UInt8(ascii: ":")), !blank(text[text.startIndex]) {
            var value = text[(colon + 1)...].drop(while: blank)
            while let last = value.last, blank(last) { value = value.dropLast() }
            head.headers.append(
                (String(decoding: text[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
        return line.count
    }

    /// Returns the number of bytes taken, or libcurl's mark for "not now".
    func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard bodyBytes + bytes.count <= call.request.maxResponseBytes else {
            verdict = .tooLarge
            return 0
        }
        switch call.receive(bytes) {
        case .taken:
            bodyBytes += bytes.count
            clock.arrived(at: time())
            return bytes.count
        case .paused:
            clock.paused()
            return Int(CURL_WRITEFUNC_PAUSE)
        case .cancelled:
            verdict = .cancelled
            return 0
        }
    }

    /// Reads the socket again. May call `receiveBody` before it returns.
    func unpause() {
        clock.unpaused(at: time())
        curl_easy_pause(easy.raw, CURLPAUSE_CONT)
    }
}
