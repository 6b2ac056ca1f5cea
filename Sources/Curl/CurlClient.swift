internal import CLibCurl
internal import Glibc

/// Settings of a `CurlClient`, with the limits that hold for all its calls together.
package struct CurlConfiguration: Hashable, Sendable {
    /// Calls in flight, waiting ones included; the next one is refused as `busy`.
    package var maxInFlight = 1024
    /// Connections kept open without a call.
    package var maxIdleConnections = 256
    /// A connection idle for longer is not used again. Short of what servers allow, because a request that meets a
    /// closing connection is not sent a second time.
    package var maxIdleSeconds = 30
    /// Response head, all header lines together.
    package var maxHeadBytes = 64 * 1024
    /// PEM file of the authorities to trust instead of the system's. Verification cannot be switched off.
    package var caFile: String?
    /// Proxy URL. nil: none; the environment's `http_proxy` and its kin are not looked at either way.
    package var proxy: String?
    package init() {}
}

/// HTTP/1.1 calls, and mails, by libcurl's multi interface on a thread of its own.
///
/// Never follows a redirection, never sends a request twice, verifies TLS. libcurl itself would resend a request when a
/// reused connection ends without an answer, even one that the peer has read in full: that second sending is vetoed,
/// and the call ends as `interrupted`.
package final class CurlClient: Sendable {
    private static let globalInit: Void = {
        clibcurl_keep_openssl_until_exit()
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    }()

    private let thread: CurlThread

    /// Starts the thread. Throws `configuration` if the CA file cannot be read.
    package init(configuration: CurlConfiguration = CurlConfiguration()) throws(CurlError) {
        if let file = configuration.caFile, access(file, R_OK) != 0 {
            throw CurlError(.configuration, message: "cannot read the CA file \(file)", requestWasSent: false)
        }
        _ = Self.globalInit
        thread = try CurlThread(configuration)
    }

    deinit { thread.stop(nil) }

    /// Sends the request and waits for the response head.
    ///
    /// Cancelling the task ends the call; the error then says whether the request had begun to be sent.
    package func open(_ request: CurlRequest) async throws(CurlError) -> CurlResponse {
        try request.validate()
        return try await perform(CurlCall(request))
    }

    /// Hands a call to the thread and waits for its head.
    func perform(_ call: CurlCall) async throws(CurlError) -> CurlResponse {
        try thread.start(call)
        do throws(CurlError) {
            return CurlResponse(try await call.head(), call: call, thread: thread)
        } catch {
            if call.cancel() { thread.submit(.cancel(call)) }
            // Only now is it certain that the request will not be sent any more.
            var final = error
            final.requestWasSent = call.wasSent
            throw final
        }
    }

    /// Ends all calls in flight with `shutDown`, refuses further ones, closes the connections and ends the thread.
    package func shutdown() async {
        await withCheckedContinuation { thread.stop($0) }
    }

    /// Calls in flight.
    package var inFlight: Int { thread.inFlight }
}
