internal import CLibCurl

extension CurlTransfer {
    /// The longest wait for one reply of a mail server.
    private static let replySeconds = 10

    /// Sets the options of a mail, on a handle that no other call uses.
    func prepare(_ mail: CurlMail) -> CURLcode {
        for address in mail.to { recipients = curl_slist_append(recipients, "<\(address)>") }
        let me = Unmanaged.passUnretained(self).toOpaque()
        let security = mail.requiresTLS ? CURLUSESSL_ALL : CURLUSESSL_NONE
        var codes = [
            clibcurl_set_string(easy.raw, CURLOPT_PROTOCOLS_STR, "smtp,smtps"),
            clibcurl_set_string(easy.raw, CURLOPT_URL, mail.url),
            clibcurl_set_long(easy.raw, CURLOPT_USE_SSL, Int(security.rawValue)),
            clibcurl_set_string(easy.raw, CURLOPT_MAIL_FROM, "<\(mail.from)>"),
            clibcurl_set_pointer(easy.raw, CURLOPT_MAIL_RCPT, recipients),
            clibcurl_set_long(easy.raw, CURLOPT_UPLOAD, 1),
            clibcurl_set_off(easy.raw, CURLOPT_INFILESIZE_LARGE, mail.text.count),
            // Mails are rare: the connection is closed in order after each.
            clibcurl_set_long(easy.raw, CURLOPT_FORBID_REUSE, 1),
            // libcurl waits for the reply to QUIT on this thread: not for long.
            clibcurl_set_long(easy.raw, CURLOPT_SERVER_RESPONSE_TIMEOUT, Self.replySeconds),
            clibcurl_set_read(easy.raw) { data, size, count, context in
                guard let context, let data else { return 0 }
                return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                    .giveMail(UnsafeMutableRawBufferPointer(start: data, count: size * count))
            },
            clibcurl_set_pointer(easy.raw, CURLOPT_READDATA, me),
        ]
        if let login = mail.login {
            codes.append(clibcurl_set_string(easy.raw, CURLOPT_USERNAME, login.name))
            codes.append(clibcurl_set_string(easy.raw, CURLOPT_PASSWORD, login.password))
        }
        for option in [CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_PREREQDATA, CURLOPT_PRIVATE] {
            codes.append(clibcurl_set_pointer(easy.raw, option, me))
        }
        easy.clearMessage()
        return codes.first { $0 != CURLE_OK } ?? CURLE_OK
    }

    /// The next bytes of the mail; none at its end.
    func giveMail(_ room: UnsafeMutableRawBufferPointer) -> Int {
        guard let mail = call.mail else { return 0 }
        let part = mail.text[mailOffset..<min(mailOffset + room.count, mail.text.count)]
        room.copyBytes(from: part)
        mailOffset += part.count
        return part.count
    }
}

extension CurlClient {
    /// Sends a mail and waits for the server's last word.
    /// - Returns: the reply's code: 250 for a mail that the server has taken on; 4yz and 5yz where it has refused it.
    ///   Throws where there is no such word.
    package func send(_ mail: CurlMail) async throws(CurlError) -> Int {
        try mail.validate()
        return try await perform(CurlCall(mail.request, mail: mail)).status
    }
}
