extension DeliveryOutcome {
    /// Statuses of errors that may pass.
    private static let passing: Set<Int> = [408, 425, 429]

    /// What an HTTP answer means.
    /// - Parameters:
    ///   - retryAfterSeconds: of the header `retry-after`, where it is a number.
    ///   - excerpt: the beginning of the answer's body, for the dead letter.
    package static func http(status: Int, retryAfterSeconds: Double?, excerpt: String) -> DeliveryOutcome {
        let cause = "HTTP \(status)" + (excerpt.isEmpty ? "" : ": \(excerpt.prefix(200))")
        switch status {
        case 200..<300: return .delivered
        case 410: return .gone(cause)
        case 300..<500 where !passing.contains(status): return .refused(cause)
        default:
            let wait = retryAfterSeconds.flatMap { $0.isFinite && $0 >= 0 ? Duration.seconds(min($0, 86_400)) : nil }
            return .failed(cause, retryAfter: wait)
        }
    }

    /// What a mail server's last reply means: 5yz is final.
    package static func smtp(code: Int) -> DeliveryOutcome {
        switch code {
        case 200..<300: .delivered
        case 500..<600: .refused("SMTP \(code)")
        default: .failed("SMTP \(code)", retryAfter: nil)
        }
    }
}
